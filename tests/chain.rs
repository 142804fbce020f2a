//! The whole chain on one host: an event in a pod, and that pod's end. Every
//! part is a process of its own; nats-server, etcd and kube-apiserver are real.

use std::{fs, path::PathBuf, time::Duration};

use lanner_alert::{Alert, Outcome, Status};
use lanner_bus::{Connection, Identity, Subscription};
use lanner_testkit::{
    KubeApiserver, Stack, eventually, process::Process, scene::ScenePod, stack::Watch,
};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);
const NODE: &str = "node-1";

/// The chain, and a look at what it publishes.
struct Chain {
    stack: Stack,
    apiserver: KubeApiserver,
    pod: ScenePod,
    alerts: Subscription,
    outcomes: Subscription,
}

impl Chain {
    async fn start() -> Self {
        let stack = Stack::start(NODE).await;
        let apiserver = KubeApiserver::start();
        let pod = ScenePod {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
            node: NODE.to_owned(),
            container: "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"
                .to_owned(),
        };
        pod.create(&apiserver);
        let reader = stack.bus.connection(&Identity::Subscriber);
        let reader = Connection::connect(&reader).await.unwrap();
        let alerts = reader.subscribe("lanner.alerts.>").await.unwrap();
        let outcomes = reader.subscribe("lanner.responses.>").await.unwrap();
        Self { stack, apiserver, pod, alerts, outcomes }
    }

    /// No kubelet ends it here: the API server has taken the deletion on.
    fn pod_is_deleted(&self) {
        let (namespace, name) = (&self.pod.namespace, &self.pod.name);
        let deletion = "jsonpath={.metadata.deletionTimestamp}";
        eventually("the pod is deleted", SOON, || {
            match self.apiserver.kubectl(&["-n", namespace, "get", "pod", name, "-o", deletion]) {
                Ok(time) => (!time.is_empty()).then_some(()),
                Err(error) => error.contains("NotFound").then_some(()),
            }
        });
    }

    fn responder(&self, mode: &str) -> Process {
        self.stack.start_responder(self.apiserver.kubeconfig_path(), mode)
    }

    async fn alert(&mut self) -> (String, Alert) {
        let seen = timeout(SOON, self.alerts.next()).await.expect("an alert within a minute");
        let seen = seen.unwrap().unwrap();
        let alert = Alert::from_json(&seen.payload).unwrap();
        (seen.subject, alert)
    }

    async fn outcome(&mut self) -> (String, Outcome) {
        let seen = timeout(SOON, self.outcomes.next()).await.expect("an outcome within a minute");
        let seen = seen.unwrap().unwrap();
        let outcome = serde_json::from_slice(&seen.payload).unwrap();
        (seen.subject, outcome)
    }
}

/// What happened in the pod, as a sensor records it.
fn recording(chain: &Chain) -> PathBuf {
    let file = chain.stack.dir().join("events.jsonl");
    fs::write(&file, chain.pod.secret_file_read() + "\n").unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_event_in_a_pod_ends_in_that_pods_deletion() {
    let mut chain = Chain::start().await;
    let _forwarder = chain.stack.start_forwarder();
    let _responder = chain.responder("enforce");
    let _sensor = chain.stack.start_sensor(&Watch::Recording(recording(&chain)));

    let (subject, alert) = chain.alert().await;
    assert_eq!(alert.entity.pod_name.as_deref(), Some("cart"), "{alert:?}");
    assert!(subject.ends_with(".node-1"), "{subject}");
    let (subject, outcome) = chain.outcome().await;
    assert_eq!(outcome.status, Status::Executed, "{outcome:?}");
    assert_eq!(outcome.alert, Some(alert.id));
    assert!(subject.starts_with("lanner.responses.executed."), "{subject}");
    chain.pod_is_deleted();
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_touches_nothing_and_says_what_it_would_have_done() {
    let mut chain = Chain::start().await;
    let _forwarder = chain.stack.start_forwarder();
    let _responder = chain.responder("observe");
    let _sensor = chain.stack.start_sensor(&Watch::Recording(recording(&chain)));

    let (_, outcome) = chain.outcome().await;
    assert_eq!(outcome.status, Status::Observed, "{outcome:?}");
    let verbs: Vec<_> = outcome.steps.iter().map(|step| step.step.action.verb()).collect();
    assert!(verbs.contains(&"delete"), "{verbs:?}");
    chain.apiserver.kubectl(&["-n", "shop", "get", "pod", "cart"]).unwrap();
}

/// Falco and its alert, without our sensor: the alert names the pod by text and
/// twelve digits of the container's id, and the responder finds the rest.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_of_stock_falco_ends_in_the_pods_deletion() {
    let mut chain = Chain::start().await;
    let _forwarder = chain.stack.start_forwarder();
    let _responder = chain.responder("enforce");

    fs::write(chain.stack.falco_pipe(), chain.pod.shell_told_by_falco() + "\n").unwrap();

    let (subject, seen) = chain.alert().await;
    assert_eq!(subject, "lanner.alerts.notice.mitre_execution.terminal_shell_in_container.node-1");
    assert_eq!(seen.node, NODE, "the node is the forwarder's, not Falco's pod");
    let (_, outcome) = chain.outcome().await;
    assert_eq!(outcome.status, Status::Executed, "{outcome:?}");
    chain.pod_is_deleted();
}
