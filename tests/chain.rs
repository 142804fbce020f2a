//! The whole chain on one host: an event in a pod, and that pod's end. Every
//! part is a process of its own; nats-server, etcd and kube-apiserver are real.

use std::{fs, path::PathBuf, time::Duration};

use jiff::Timestamp;
use lanner_alert::{Alert, Outcome, Status};
use lanner_bus::{Connection, Identity, Subscription};
use lanner_testkit::{KubeApiserver, Stack, eventually, process::Process, stack::Watch};
use serde_json::json;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);
const NODE: &str = "node-1";
const CONTAINER: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";
/// What Falco knows of it.
const CONTAINER_SHORT: &str = "3ad7b26ded6d";

/// The chain, and a look at what it publishes.
struct Chain {
    stack: Stack,
    apiserver: KubeApiserver,
    alerts: Subscription,
    outcomes: Subscription,
}

impl Chain {
    async fn start() -> Self {
        let stack = Stack::start(NODE).await;
        let apiserver = KubeApiserver::start();
        let reader = stack.bus.connection(&Identity::Subscriber);
        let reader = Connection::connect(&reader).await.unwrap();
        let alerts = reader.subscribe("lanner.alerts.>").await.unwrap();
        let outcomes = reader.subscribe("lanner.responses.>").await.unwrap();
        Self { stack, apiserver, alerts, outcomes }
    }

    /// A pod of the node, whose container the node's kubelet would have reported.
    fn pod(&self, namespace: &str, name: &str) {
        let pod = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {namespace} }}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
             spec: {{ nodeName: {NODE}, containers: [{{ name: main, image: busybox }}] }}\n"
        );
        self.apiserver.apply(&pod).unwrap();
        let status = json!({"status": {"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "busybox", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{CONTAINER}"),
        }]}});
        let patch = status.to_string();
        self.apiserver
            .kubectl(&[
                "-n",
                namespace,
                "patch",
                "pod",
                name,
                "--subresource=status",
                "--type=merge",
                "--patch",
                &patch,
            ])
            .unwrap();
    }

    /// No kubelet ends it here: the API server has taken the deletion on.
    fn pod_is_deleted(&self, namespace: &str, name: &str) {
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

/// `cat /etc/shadow` in the pod's container, as a sensor records it.
fn recording(chain: &Chain) -> PathBuf {
    let event = json!({
        "evt.type": "openat", "evt.num": 1, "evt.time": i64::try_from(Timestamp::now().as_nanosecond()).unwrap(),
        "evt.is_open_read": true, "evt.res": "SUCCESS", "evt.rawres": 3,
        "fd.num": 3, "fd.name": "/etc/shadow", "fd.typechar": "f", "fd.directory": "/etc",
        "fd.filename": "shadow",
        "proc.name": "cat", "proc.exepath": "/bin/busybox", "proc.cmdline": "cat /etc/shadow",
        "proc.pname": "sh", "proc.pid": 4711, "user.uid": 0, "user.name": "root",
        "container.id": CONTAINER_SHORT, "container.full_id": CONTAINER,
        "container.image.repository": "docker.io/library/busybox",
        "k8s.ns.name": "shop", "k8s.pod.name": "cart",
    });
    let file = chain.stack.dir().join("events.jsonl");
    fs::write(&file, format!("{event}\n")).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_event_in_a_pod_ends_in_that_pods_deletion() {
    let mut chain = Chain::start().await;
    chain.pod("shop", "cart");
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
    chain.pod_is_deleted("shop", "cart");
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_touches_nothing_and_says_what_it_would_have_done() {
    let mut chain = Chain::start().await;
    chain.pod("shop", "cart");
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
    chain.pod("shop", "cart");
    let _forwarder = chain.stack.start_forwarder();
    let _responder = chain.responder("enforce");

    let alert = json!({
        "hostname": "falco-x7k2p", "rule": "Terminal shell in container", "priority": "Notice",
        "source": "syscall", "tags": ["container", "shell", "mitre_execution", "T1059"],
        "time": Timestamp::now().to_string(), "output": "A shell was spawned in a container",
        "output_fields": {
            "container.id": CONTAINER_SHORT, "k8s.ns.name": "shop", "k8s.pod.name": "cart",
            "proc.cmdline": "sh", "proc.pid": 4711, "user.uid": 0,
        },
    });
    fs::write(chain.stack.falco_pipe(), format!("{alert}\n")).unwrap();

    let (subject, seen) = chain.alert().await;
    assert_eq!(subject, "lanner.alerts.notice.mitre_execution.terminal_shell_in_container.node-1");
    assert_eq!(seen.node, NODE, "the node is the forwarder's, not Falco's pod");
    let (_, outcome) = chain.outcome().await;
    assert_eq!(outcome.status, Status::Executed, "{outcome:?}");
    chain.pod_is_deleted("shop", "cart");
}
