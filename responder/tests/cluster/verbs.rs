//! Each verb does what it says, and undo takes it back.

use std::collections::BTreeMap;

use expect_test::expect;
use kube::api::{Patch, PatchParams, PostParams};
use lanner_alert::{Action, PlanRecord, StepState};
use serde_json::json;

use crate::stage::{Aim, NODE, Stage, delete, plan, said};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn isolate(allow_dns: bool, namespaces: &[&str]) -> Action {
    let allow_namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    Action::Isolate { allow_dns, allow_namespaces }
}

async fn labels_of(stage: &Stage, pod: &str) -> BTreeMap<String, String> {
    stage.pods("shop").get(pod).await.unwrap().metadata.labels.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_set_and_restored() {
    let stage = Stage::start().await;
    let before = json!({ "metadata": { "labels": { "app": "cart", "state": "good" } } });
    let uid = stage.pod_with("shop", "cart", NODE, before).await;
    let action = Action::Label { labels: labels(&[("state", "bad"), ("new", "x"), ("own", "y")]) };
    let ours = plan("shop", "cart", Some(&uid), vec![(action, Aim::Pod)]);
    let id = ours.id;

    assert_eq!(stage.outcome(ours).await, "executed");
    assert_eq!(
        labels_of(&stage, "cart").await,
        labels(&[("app", "cart"), ("state", "bad"), ("new", "x"), ("own", "y")])
    );

    // Somebody takes over one of them: undo leaves that one alone.
    let theirs = json!({ "metadata": { "labels": { "own": "theirs" } } });
    let api = stage.pods("shop");
    api.patch("cart", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    let record = stage.undo(id).await;
    assert_eq!(said(&record), "undone: asked by tester; steps taken back: 1");
    assert_eq!(record.steps[0].note.as_deref(), Some("changed since, left alone: own"));
    assert_eq!(
        labels_of(&stage, "cart").await,
        labels(&[("app", "cart"), ("state", "good"), ("own", "theirs")])
    );

    // A second undo has nothing to do.
    let mut stored = stage.plans.get(id).await.unwrap().unwrap();
    let refused = stage.plans.ask_undo(&mut stored, "tester").await.unwrap_err();
    assert!(refused.to_string().contains("nothing that can be taken back"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_cut_off_and_connected_again() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let isolation = || vec![(isolate(true, &["monitoring"]), Aim::Namespace)];
    let first = plan("shop", "cart", Some(&uid), isolation());
    let id = first.id;
    assert_eq!(stage.outcome(first).await, "executed");

    let policy = stage.policies("shop").get("lanner-isolated-namespace").await.unwrap();
    let managers = policy.metadata.managed_fields.clone().unwrap();
    let manager = managers[0].manager.clone();
    assert_eq!(manager.as_deref(), Some("lanner-responder"));
    assert_eq!(managers[0].operation.as_deref(), Some("Apply"));
    let annotations = policy.metadata.annotations.unwrap();
    assert_eq!(annotations["lanner.dev/plan"], id.to_string());
    expect![[r#"
        {
          "egress": [
            {
              "ports": [
                {
                  "port": 53,
                  "protocol": "UDP"
                },
                {
                  "port": 53,
                  "protocol": "TCP"
                }
              ],
              "to": [
                {
                  "namespaceSelector": {
                    "matchLabels": {
                      "kubernetes.io/metadata.name": "kube-system"
                    }
                  },
                  "podSelector": {
                    "matchLabels": {
                      "k8s-app": "kube-dns"
                    }
                  }
                }
              ]
            },
            {
              "to": [
                {
                  "namespaceSelector": {
                    "matchLabels": {
                      "kubernetes.io/metadata.name": "monitoring"
                    }
                  }
                }
              ]
            }
          ],
          "ingress": [
            {
              "from": [
                {
                  "namespaceSelector": {
                    "matchLabels": {
                      "kubernetes.io/metadata.name": "monitoring"
                    }
                  }
                }
              ]
            }
          ],
          "podSelector": {},
          "policyTypes": [
            "Egress",
            "Ingress"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&policy.spec).unwrap());

    // A second plan finds it done, and its undo does not undo the first one's.
    let second = plan("shop", "cart", Some(&uid), isolation());
    let second_id = second.id;
    assert_eq!(stage.outcome(second).await, "executed");
    stage.undo(second_id).await;
    assert!(stage.policies("shop").get_opt("lanner-isolated-namespace").await.unwrap().is_some());

    let record = stage.undo(id).await;
    assert_eq!(said(&record), "undone: asked by tester; steps taken back: 1");
    assert!(stage.policies("shop").get_opt("lanner-isolated-namespace").await.unwrap().is_none());

    // By our label it can be removed by hand as well; undo finds it gone.
    let third = plan("shop", "cart", Some(&uid), isolation());
    let third_id = third.id;
    stage.outcome(third).await;
    let by_label = ["delete", "networkpolicy", "-n", "shop", "-l"];
    let label = "app.kubernetes.io/managed-by=lanner-responder";
    stage.api.kubectl(&[by_label.as_slice(), &[label]].concat()).unwrap();
    let record = stage.undo(third_id).await;
    let gone = "network policy shop/lanner-isolated-namespace is gone";
    assert_eq!(record.steps[0].note.as_deref(), Some(gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_not_ours_is_left_alone() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let theirs = json!({
        "metadata": { "name": "lanner-isolated-namespace" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
    });
    let theirs = serde_json::from_value(theirs).unwrap();
    stage.policies("shop").create(&PostParams::default(), &theirs).await.unwrap();
    let isolation = vec![(isolate(false, &[]), Aim::Namespace)];
    assert_eq!(
        stage.outcome(plan("shop", "cart", Some(&uid), isolation)).await,
        "refused: p.rhai:1:1: network policy shop/lanner-isolated-namespace is there and not ours"
    );

    // Policies add up: what another one allows stays open, and that is told.
    stage.pod("shop", "other", NODE).await;
    let action = vec![(isolate(false, &[]), Aim::Pod)];
    let record = stage.carry_out(plan("shop", "other", None, action)).await;
    assert_eq!(said(&record), "executed");
    assert_eq!(
        record.steps[0].note.as_deref(),
        Some("other network policies there may still allow traffic: lanner-isolated-namespace")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_cut_off_and_connected_again() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let action = vec![(isolate(true, &[]), Aim::Pod)];
    let isolation = plan("shop", "cart", Some(&uid), action.clone());
    let id = isolation.id;
    assert_eq!(stage.outcome(isolation).await, "executed");
    assert_eq!(
        labels_of(&stage, "cart").await,
        labels(&[("lanner.dev/isolated", &id.short()), ("lanner.dev/isolated-dns", &id.short())])
    );
    let policy = stage.policies("shop").get("lanner-isolated").await.unwrap().spec.unwrap();
    assert_eq!((policy.egress, policy.ingress), (None, None));
    let selector = serde_json::to_value(policy.pod_selector).unwrap();
    let key = "lanner.dev/isolated";
    assert_eq!(selector, json!({ "matchExpressions": [{ "key": key, "operator": "Exists" }] }));

    let record = stage.carry_out(plan("shop", "cart", Some(&uid), action)).await;
    let note = record.steps[0].note.as_deref();
    assert_eq!(note, Some("already done by another plan, which also undoes it"));

    assert_eq!(said(&stage.undo(id).await), "undone: asked by tester; steps taken back: 1");
    assert_eq!(labels_of(&stage, "cart").await, labels(&[]));
}

/// Whoever makes a pod also writes its labels: ours on it proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_says_it_is_cut_off_is_cut_off() {
    let stage = Stage::start().await;
    let liar = json!({ "metadata": { "labels": { "lanner.dev/isolated": "done" } } });
    let uid = stage.pod_with("shop", "liar", NODE, liar).await;
    let action = vec![(isolate(false, &[]), Aim::Pod)];
    assert_eq!(stage.outcome(plan("shop", "liar", Some(&uid), action)).await, "executed");
    let policy = stage.policies("shop").get_opt("lanner-isolated").await.unwrap();
    assert!(policy.is_some(), "nothing stands behind the label");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_would_be_refused_half_way_never_starts() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    stage.pod("shop", "second", NODE).await;
    let states = |record: &PlanRecord| record.steps.iter().map(|s| s.state).collect::<Vec<_>>();

    let set = Action::Label { labels: labels(&[("a", "b")]) };
    let too_wide = vec![(set, Aim::Pod), (isolate(false, &[]), Aim::Namespace)];
    let mut wide = plan("shop", "cart", Some(&uid), too_wide);
    wide.pods_max = Some(1);
    let record = stage.carry_out(wide).await;
    assert_eq!(said(&record), "refused: p.rhai:2:1: namespace shop has more pods than max_pods 1");
    assert_eq!(states(&record), [StepState::Pending, StepState::Pending]);

    // Only the server can know that this is no label.
    let bad = Action::Label { labels: labels(&[("not a key", "b")]) };
    let good = Action::Label { labels: labels(&[("a", "b")]) };
    let two = vec![(good, Aim::Pod), (bad, Aim::Pod), delete()];
    let record = stage.carry_out(plan("shop", "cart", Some(&uid), two)).await;
    let outcome = said(&record);
    assert!(outcome.starts_with("failed: p.rhai:2:1: cannot label pod shop/cart"), "{outcome}");
    assert_eq!(states(&record), [StepState::Pending; 3]);
    assert_eq!(labels_of(&stage, "cart").await, labels(&[]));
    assert_eq!(stage.living("shop", "cart").await, Some(uid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_only_tells_needs_no_pod() {
    let stage = Stage::start().await;
    let tell = Action::Notify { channel: "secops".to_owned(), text: "x".to_owned() };
    let record = stage.carry_out(plan("shop", "none", None, vec![(tell, Aim::Nothing)])).await;
    assert_eq!(said(&record), "executed");
    assert_eq!(record.pod_uid, None);
}
