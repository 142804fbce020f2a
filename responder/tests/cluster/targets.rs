//! Only the pod that the alert is truly about is touched.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use lanner_alert::{Action, Mode, Plan};
use serde_json::json;

use crate::stage::{Aim, CONTAINER, NODE, Stage, delete, plan};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_alert_is_not_touched() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let other_node = stage.pod("shop", "far", "node-2").await;
    let about_cart = || plan("shop", "cart", Some(&uid), vec![delete()]);
    let isolate = Action::Isolate { allow_dns: false, allow_namespaces: Vec::new() };
    let refused = async |what: &str, plan: Plan, expected: &str| {
        let outcome = stage.outcome(plan).await;
        assert!(outcome.starts_with("refused: "), "{what}: {outcome}");
        assert!(outcome.contains(expected), "{what}: {outcome:?} does not tell {expected:?}");
    };

    let wrong_uid = plan("shop", "cart", Some("0000"), vec![delete()]);
    refused("another uid", wrong_uid, "has the uid").await;

    let on_other_node = plan("shop", "far", Some(&other_node), vec![delete()]);
    refused("another node", on_other_node, "runs on node-2, the alert came from node-1").await;

    refused("no such pod", plan("shop", "gone", None, vec![delete()]), "does not exist").await;

    let mut wrong_container = about_cart();
    wrong_container.entity.container_id = Some("d".repeat(64));
    refused("another container", wrong_container, "holds no container dddd").await;

    let mut short = about_cart();
    short.entity.container_id = Some(CONTAINER.chars().take(13).collect());
    refused("an id of an odd length", short, "is not a container's id").await;

    let mut none = about_cart();
    none.entity.container_id = None;
    refused("no container", none, "the alert names no container").await;

    let mut no_pod = about_cart();
    no_pod.entity.pod_name = None;
    refused("no pod", no_pod, "the alert names no pod").await;

    let mut no_name = plan("shop", "cart", None, vec![(isolate, Aim::Namespace)]);
    no_name.entity.pod_name = Some("../../../nodes/node-1?".to_owned());
    refused("a name that is a path", no_name, "is not a pod's name").await;

    assert_eq!(stage.living("shop", "cart").await, Some(uid.clone()));
    assert_eq!(stage.living("shop", "far").await, Some(other_node));

    let mut observed = about_cart();
    observed.mode = Mode::Observe;
    assert_eq!(stage.outcome(observed).await, "observed: all checks passed; the mode is observe");
    assert_eq!(stage.living("shop", "cart").await, Some(uid.clone()));

    assert_eq!(stage.outcome(about_cart()).await, "executed");
    assert_eq!(stage.living("shop", "cart").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_of_falco_is_resolved_by_the_start_of_the_containers_id() {
    let stage = Stage::start().await;
    let short: String = CONTAINER.chars().take(12).collect();
    let falco = |pod: &str, container: &str| {
        let mut plan = plan("shop", pod, None, vec![delete()]);
        plan.entity.container_id = Some(container.to_owned());
        plan
    };
    stage.pod("shop", "cart", NODE).await;
    stage.pod("shop", "far", "node-2").await;

    let other = stage.outcome(falco("cart", "dddddddddddd")).await;
    assert_eq!(other, "refused: pod shop/cart holds no container dddddddddddd");
    let far = stage.outcome(falco("far", &short)).await;
    assert_eq!(far, "refused: pod shop/far runs on node-2, the alert came from node-1");

    let record = stage.carry_out(falco("cart", &short)).await;
    assert_eq!(record.outcome.unwrap().reason, None);
    assert!(record.pod_uid.is_some(), "the uid that was found is the precondition");
    assert_eq!(stage.living("shop", "cart").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protected_are_not_touched() {
    let stage = Stage::start().await;
    let never = json!({ "lanner.dev/respond": "never" });
    stage.namespace("vault", never.clone()).await;
    let metadata = |metadata: serde_json::Value| json!({ "metadata": metadata });
    let pods = [
        ("vault", "plain", json!({}), "namespace vault is labelled lanner.dev/respond: never"),
        ("shop", "spared", metadata(json!({ "labels": never })), "is labelled lanner.dev/respond"),
        (
            "shop",
            "mirror",
            metadata(json!({ "annotations": { "kubernetes.io/config.mirror": "x" } })),
            "is a static pod",
        ),
        (
            "shop",
            "critical",
            json!({ "spec": { "priorityClassName": "system-cluster-critical" } }),
            "has the priority class system-cluster-critical",
        ),
        ("kube-system", "dns", json!({}), "namespace kube-system is protected"),
    ];
    for (namespace, name, changes, expected) in pods {
        let uid = stage.pod_with(namespace, name, NODE, changes).await;
        let outcome = stage.outcome(plan(namespace, name, Some(&uid), vec![delete()])).await;
        assert!(outcome.starts_with("refused: ") && outcome.contains(expected), "{outcome}");
        assert_eq!(stage.living(namespace, name).await, Some(uid));
    }
}

/// The pod is replaced between the checks and the deed: the name is the same,
/// the server sees the uid.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_replaced_meanwhile_is_not_touched() {
    let stage = Stage::start().await;
    let old = stage.pod("shop", "db-0", NODE).await;
    let mut half = plan("shop", "db-0", Some(&old), vec![delete()]);
    let record = {
        // As a replica leaves it that was killed after its checks.
        let mut record = lanner_alert::PlanRecord::new(half.clone(), "killed".to_owned());
        record.pod_uid = Some(old.clone());
        record
    };
    stage
        .pods("shop")
        .delete("db-0", &kube::api::DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    let new = stage.pod("shop", "db-0", NODE).await;
    assert!(stage.plans.create(&record).await.unwrap());
    let record = stage.finish(half.id).await;
    let outcome = crate::stage::said(&record);
    assert!(outcome.contains("is another one now, without the uid"), "{outcome}");
    assert_eq!(stage.living("shop", "db-0").await, Some(new.clone()));

    // Begun, and the delete itself meets the new pod.
    half.id = lanner_alert::PlanId::of(lanner_alert::AlertId::new(), "p", "v");
    let mut record = lanner_alert::PlanRecord::new(half.clone(), "killed".to_owned());
    record.pod_uid = Some(old);
    record.steps[0].state = lanner_alert::StepState::Started;
    assert!(stage.plans.create(&record).await.unwrap());
    let record = stage.finish(half.id).await;
    assert_eq!(crate::stage::said(&record), "executed");
    let note = record.steps[0].note.as_deref();
    assert_eq!(note, Some("found done by the replica before this one"));
    assert_eq!(stage.living("shop", "db-0").await, Some(new));
}

/// The kubelet is a second behind: the container is not in the status yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_has_just_begun_is_waited_for() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let api = stage.pods("shop");
    let statuses = api.get("cart").await.unwrap().status.unwrap().container_statuses;
    let set = async |statuses: serde_json::Value| {
        let patch = Patch::Merge(json!({ "status": { "containerStatuses": statuses } }));
        let patched: Pod = api.patch_status("cart", &PatchParams::default(), &patch).await.unwrap();
        drop(patched);
    };
    set(json!([])).await;
    let about_cart = || plan("shop", "cart", Some(&uid), vec![delete()]);
    let too_late = stage.outcome(about_cart()).await;
    assert!(too_late.starts_with("refused: pod shop/cart holds no container"), "{too_late}");

    let (outcome, ()) = tokio::join!(stage.outcome(about_cart()), set(json!(statuses)));
    assert_eq!(outcome, "executed");
}
