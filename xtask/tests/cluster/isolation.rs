//! A namespace is cut off because of what a container in it did, and a person
//! has that taken back.

use lanner_testkit::{eventually, not_run, programs::KUBERNETES_VERSION};
use serde_json::Value;

use crate::{DEADLINE, Xtask, bus::Forward, one_at_a_time};

const POLICY: &str = "lanner-isolated-namespace";

#[test]
fn a_container_that_asks_the_api_server_has_its_namespace_cut_off_until_undone() {
    if !rustix::process::geteuid().is_root() {
        not_run("isolation on a real node", "it needs root");
        return;
    }
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let xtask = Xtask { dir: folder.path().join("cluster") };
    xtask.cluster(&["up"]).unwrap();
    xtask.cluster(&["deploy", "--profile", "dev", "--enforce"]).unwrap();
    let in_shop = |args: &[&str]| xtask.kubectl(&[&["--namespace", "shop"], args].concat());
    xtask.kubectl(&["create", "namespace", "shop"]).unwrap();
    let run = ["run", "cart", "--image=lanner.local/busybox:1", "--command", "--"];
    in_shop(&[&run[..], &["sleep", "3600"]].concat()).unwrap();
    in_shop(&["wait", "--for=condition=Ready", "--timeout=60s", "pod/cart"]).unwrap();

    let ask = "echo | nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT";
    in_shop(&["exec", "cart", "--", "sh", "-c", ask]).unwrap();

    let get = ["get", "networkpolicy", POLICY, "--show-managed-fields", "--output=json"];
    let policy = eventually("the namespace is cut off", DEADLINE, || in_shop(&get).ok());
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let managers: Vec<_> = policy["metadata"]["managedFields"].as_array().unwrap().iter().collect();
    assert!(
        managers.iter().all(|manager| manager["manager"] == "lanner-responder"),
        "{managers:?} on Kubernetes {KUBERNETES_VERSION}"
    );
    in_shop(&["get", "pod", "cart"]).expect("nothing is deleted");

    let forward = Forward::to_the_bus(&xtask, folder.path());
    let plan = eventually("the plan is executed", DEADLINE, || {
        let plans = forward.lanner(&["plan", "list"], &[]);
        let plan = plans.lines().find(|line| line.contains(" isolate-namespace "))?.to_owned();
        plan.contains(" executed ").then_some(plan)
    });
    assert!(plan.ends_with("namespace shop"), "{plan}");
    let id = plan.split(' ').next().unwrap();
    let undone = forward.lanner(&["plan", "undo"], &[id]);
    assert!(undone.contains("undone"), "{undone}");
    let error = in_shop(&get).unwrap_err();
    assert!(error.contains("NotFound"), "{error}");
}
