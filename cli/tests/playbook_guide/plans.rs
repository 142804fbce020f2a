//! The commands on plans, against a real bus, API server and responder.

use std::{fs, path::Path, process::Command, time::Duration};

use lanner_alert::{Alert, PlanRecord, RoutingTags, SubjectRoot};
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers};
use lanner_responder::{daemon::Responder, plan_store::PlanStore};
use lanner_service::{CancellationToken, Daemon as _, NoFlags};
use lanner_testkit::{KubeApiserver, bus::SecuredBus, eventually_async};
use serde_json::json;

use crate::guide::blocks;

const DEADLINE: Duration = Duration::from_secs(30);
/// The id that stands in the guide.
const ID_IN_GUIDE: &str = "7547a4b7c9a6";
const CONTAINER: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_commands_on_plans_work() {
    lanner_service::install_crypto();
    let dir = tempfile::tempdir().unwrap();
    let api = tokio::task::spawn_blocking(KubeApiserver::start).await.unwrap();
    let bus = Box::pin(SecuredBus::start(&["node-1"])).await;
    let stop = CancellationToken::new();
    let responder = start_responder(&bus, &api, stop.clone());
    make_pod(&api);
    publish_alert(&bus).await;

    let connection = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    let plans = PlanStore::open(&connection).await.unwrap();
    let record = eventually_async("the plan is finished", DEADLINE, async || {
        plans.list().await.unwrap().into_iter().find(PlanRecord::is_finished)
    })
    .await;
    let policy =
        || api.kubectl(&["-n", "shop", "get", "networkpolicy", "lanner-isolated-namespace"]);
    policy().expect("the namespace is isolated");

    let bus_file = format!("bus:\n{}", bus.connection_yaml(&Identity::Responder, "  "));
    fs::write(dir.path().join("bus.yaml"), bus_file).unwrap();
    let id = record.plan.id.short();
    let blocks = blocks();
    let block = blocks.iter().find(|block| block.kind == "plan").unwrap();
    let mut printed = Vec::new();
    for line in block.text.lines() {
        let command = line.strip_prefix("$ lanner ").unwrap().replace(ID_IN_GUIDE, &id);
        let dir = dir.path().to_owned();
        let run = tokio::task::spawn_blocking(move || lanner(&dir, &command));
        printed.push(run.await.unwrap());
    }
    let [list, show, undo] = printed.try_into().expect("list, show and undo");
    let line = format!("{}  executed ", record.plan.id);
    assert!(list.starts_with(&line) && list.contains("namespace shop"), "{list}");
    let step = "isolate-namespace.rhai:23:5  done     isolate  namespace shop  allow_dns";
    assert!(show.contains(step), "{show}");
    assert!(undo.contains("undone   isolate  namespace shop"), "{undo}");
    assert!(undo.contains("steps taken back: 1"), "{undo}");
    policy().expect_err("the policy is gone");

    stop.cancel();
    responder.await.unwrap().unwrap();
}

fn start_responder(
    bus: &SecuredBus,
    api: &KubeApiserver,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<anyhow::Result<()>> {
    let playbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks");
    let config = format!(
        "bus:\n{}playbooks: [{}]\nkubeconfig: {}\nmode: enforce\n",
        bus.connection_yaml(&Identity::Responder, "  "),
        playbooks.display(),
        api.kubeconfig_path().display()
    );
    let config = lanner_service::config::parse(&config, Path::new("responder.yaml")).unwrap();
    tokio::spawn(Box::pin(Responder::run(config, NoFlags {}, stop)))
}

fn make_pod(api: &KubeApiserver) {
    let pod = "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n---\n\
        apiVersion: v1\nkind: Pod\nmetadata: { name: cart, namespace: shop }\n\
        spec: { nodeName: node-1, containers: [{ name: app, image: app }] }\n";
    api.apply(pod).unwrap();
    let status = json!({ "status": { "containerStatuses": [{
        "name": "app", "image": "app", "imageID": "", "ready": true, "restartCount": 0,
        "containerID": format!("containerd://{CONTAINER}"),
    }]}});
    let patch =
        ["-n", "shop", "patch", "pod", "cart", "--subresource=status", "--type=merge", "-p"];
    api.kubectl(&[patch.as_slice(), &[&status.to_string()]].concat()).unwrap();
}

async fn publish_alert(bus: &SecuredBus) {
    let alert = json!({
        "id": lanner_alert::AlertId::new(), "schema": 1, "time": jiff::Timestamp::now(),
        "node": "node-1", "hostname": "node-1", "rule": "Contact K8S API Server From Container",
        "priority": "Notice", "source": "syscall", "tags": ["network", "k8s"], "output": "x",
        "entity": { "pod_namespace": "shop", "pod_name": "cart", "container_id": CONTAINER },
    });
    let alert = Alert::from_json(alert.to_string().as_bytes()).unwrap();
    let identity = Identity::Forwarder { node: "node-1".to_owned() };
    let connection = Connection::connect(&bus.connection(&identity)).await.unwrap();
    let message = Message {
        subject: SubjectRoot::default().alert(&alert, &RoutingTags::default()).to_string(),
        id: alert.id.to_string(),
        headers: Headers::default(),
        payload: alert.to_json().unwrap().into(),
    };
    Publisher::new(connection).publish(&message).await.unwrap();
}

fn lanner(dir: &Path, command: &str) -> String {
    let args: Vec<&str> = command.split(' ').collect();
    let output = Command::new(env!("CARGO_BIN_EXE_lanner")).args(args).current_dir(dir).output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "lanner {command}: {}", text(&output.stderr));
    text(&output.stdout)
}
