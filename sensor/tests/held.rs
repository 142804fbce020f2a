//! An alert about a container that the runtime was just asked about.

#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/record.rs"]
mod record;
#[path = "support/records.rs"]
mod records;

use std::time::Duration;

use lanner_alert::Alert;
use lanner_sensor::{
    decode::Call,
    enrich::{
        Node as Known,
        metadata::{Answer, ContainerInfo, Containers, ImageName, PodInfo},
        procfs::Procfs,
    },
    pipeline::HELD_MAX,
};
use tokio::sync::mpsc;

use crate::{
    pipeline::{FOREVER, Parts, Started, read_rules},
    record::{EXEC, Head, exec_payload, record},
    records::Queued,
};

const ID: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";

const RULES: &str = "
- rule: own image
  desc: matches by what only the runtime knows
  condition: evt.type = execve and container.image.repository = shop/cart
  output: pod=%k8s.pod.name
  priority: notice
- rule: any
  desc: matches in any case
  condition: evt.type = execve
  output: container=%container.id pod=%k8s.pod.name
  priority: notice
";

/// A pipeline whose runtime is this test.
struct Node {
    records: records::Sender,
    asked: mpsc::Receiver<String>,
    answers: mpsc::Sender<Answer>,
    started: Started,
}

impl Node {
    /// `held_max` is how long it is waited for its answer.
    fn start(rules: &str, held_max: Duration) -> Self {
        let (requests, asked) = mpsc::channel(16);
        let known = Known::new("n", Procfs::new("/nowhere"), Containers::new(Some(requests)));
        let (records, source) = Queued::new();
        let parts = Parts::new(rules, known, vec![Box::new(source)]);
        let started = Started::start(Parts { held_max, ..parts });
        Self { records, asked, answers: started.answers.clone(), started }
    }

    /// A process in the container becomes another program.
    async fn exec(&self) {
        let cgroup = format!("\x01{ID}\0kubepods\0");
        let payload = exec_payload(b"\x01sh\0", b"\x01", cgroup.as_bytes(), b"sh\0", b"");
        self.records.send(record(&Head::default(), EXEC, Call::Execve.id(), &payload)).unwrap();
    }

    async fn alerts(&self, count: usize) -> Vec<Alert> {
        self.started.until(count).await
    }

    async fn finish(self) -> Vec<Alert> {
        drop(self.records);
        let (ended, alerts) = self.started.finish().await;
        ended.unwrap();
        alerts
    }
}

fn cart() -> ContainerInfo {
    ContainerInfo {
        image: ImageName::parse("shop/cart:1"),
        pod: Some(PodInfo {
            namespace: "shop".to_owned(),
            name: "cart-1".to_owned(),
            uid: "u-1".to_owned(),
            ..PodInfo::default()
        }),
        ..ContainerInfo::default()
    }
}

#[tokio::test]
async fn waits_for_the_answer_and_has_it() {
    let mut node = Node::start(RULES, FOREVER);
    node.exec().await;
    assert_eq!(node.asked.recv().await.as_deref(), Some(ID));
    node.answers.send((ID.to_owned(), Some(cart()))).await.unwrap();
    let alerts = node.alerts(2).await;
    let names: Vec<_> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(names, ["own image", "any"]);
    for alert in &alerts {
        assert_eq!(alert.entity.pod_uid.as_deref(), Some("u-1"));
        assert_eq!(alert.entity.container_id.as_deref(), Some(ID));
        assert!(!alert.output_fields.contains_key("container.incomplete"));
    }
    // Known now: nobody is asked again.
    node.exec().await;
    assert_eq!(node.alerts(4).await.len(), 4);
    assert!(node.asked.try_recv().is_err());
    node.finish().await;
}

#[tokio::test]
async fn goes_without_an_answer_that_does_not_come() {
    let mut node = Node::start(RULES, HELD_MAX);
    node.exec().await;
    assert_eq!(node.asked.recv().await.as_deref(), Some(ID));
    let alerts = node.alerts(1).await;
    assert_eq!(alerts[0].rule, "any");
    assert_eq!(alerts[0].output_fields["container.incomplete"], true);
    assert_eq!(alerts[0].entity.container_id.as_deref(), Some(ID));
    assert_eq!(alerts[0].entity.pod_name, None);
    node.finish().await;
}

const EARLY_AND_LATE: &str = "
- rule: by its pod
  desc: matches in any case, and shows what only the runtime knows
  condition: evt.type = execve
  output: pod=%k8s.pod.name
  priority: notice
- rule: by its image
  desc: is decided by what only the runtime knows
  condition: evt.type = execve and container.image.repository = shop/cart
  output: matched
  priority: notice
- rule: by itself
  desc: needs nothing of the runtime
  condition: evt.type = execve and container.id != host
  output: container=%container.full_id
  priority: notice
";

#[tokio::test]
async fn only_who_needs_the_runtime_waits_for_it() {
    let mut node = Node::start(EARLY_AND_LATE, FOREVER);
    node.exec().await;
    assert_eq!(node.asked.recv().await.as_deref(), Some(ID));
    // It is not answered yet.
    let alerts = node.alerts(1).await;
    assert_eq!(alerts[0].rule, "by itself");
    assert_eq!(alerts[0].entity.container_id.as_deref(), Some(ID));
    assert!(!alerts[0].output_fields.contains_key("container.incomplete"));
    node.answers.send((ID.to_owned(), Some(cart()))).await.unwrap();
    let alerts = node.alerts(3).await;
    let names: Vec<_> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(names, ["by itself", "by its pod", "by its image"]);
    assert_eq!(alerts[1].output_fields["k8s.pod.name"], "cart-1");
    node.finish().await;
}

const STARTED: &str = "
- rule: container started
  desc: each container once
  condition: evt.type = container
  output: container=%container.id image=%container.image.repository process=%proc.name
  priority: notice
- rule: marker
  desc: the end of the test
  condition: evt.type = execve and proc.name = marker
  output: done
  priority: notice
";

#[tokio::test]
async fn a_container_starts_once() {
    let mut node = Node::start(STARTED, FOREVER);
    node.exec().await;
    node.exec().await;
    assert_eq!(node.asked.recv().await.as_deref(), Some(ID));
    node.answers.send((ID.to_owned(), Some(cart()))).await.unwrap();
    let alerts = node.alerts(1).await;
    assert_eq!(alerts[0].output_fields["container.image.repository"], "shop/cart");
    assert_eq!(alerts[0].output_fields["proc.name"], "cat");
    assert_eq!(alerts[0].entity.container_id.as_deref(), Some(ID));
    node.exec().await;
    let head = Head { tgid: 99, comm: "marker", ..Head::default() };
    let payload = exec_payload(b"\x01m\0", b"\x01", b"\x01", b"m\0", b"");
    node.records.send(record(&head, EXEC, Call::Execve.id(), &payload)).unwrap();
    let names: Vec<_> = node.alerts(2).await.into_iter().map(|alert| alert.rule).collect();
    assert_eq!(names, ["container started", "marker"]);
    node.finish().await;
}

/// Nobody answers: it is told of all the same, without what is not known.
#[tokio::test]
async fn a_container_that_no_runtime_knows_starts_too() {
    let node = Node::start(STARTED, HELD_MAX);
    node.exec().await;
    let alerts = node.alerts(1).await;
    assert_eq!(alerts[0].rule, "container started");
    assert_eq!(alerts[0].output_fields["container.incomplete"], true);
    node.finish().await;
}

/// The same rules without the two that need the runtime, and with another one.
const OTHERS: &str = "
- rule: by itself
  desc: needs nothing of the runtime
  condition: evt.type = execve and container.id != host
  output: container=%container.full_id
  priority: notice
- rule: new
  desc: was not there when the program was started
  condition: evt.type = execve
  output: pod=%k8s.pod.name
  priority: notice
";

#[tokio::test]
async fn what_waits_is_of_the_rules_that_it_met() {
    let mut node = Node::start(EARLY_AND_LATE, FOREVER);
    node.exec().await;
    assert_eq!(node.asked.recv().await.as_deref(), Some(ID));
    assert_eq!(node.alerts(1).await[0].rule, "by itself");
    node.started.rules.apply(read_rules(OTHERS));
    // The partition has the new ones by its next event, which is of a process on the host.
    let head = Head { tgid: 99, cgroup_id: 78, comm: "other", ..Head::default() };
    let payload = exec_payload(b"\x01o\0", b"\x01", b"\x01", b"o\0", b"");
    node.records.send(record(&head, EXEC, Call::Execve.id(), &payload)).unwrap();
    let names =
        |alerts: &[Alert]| alerts.iter().map(|alert| alert.rule.clone()).collect::<Vec<_>>();
    assert_eq!(names(&node.alerts(2).await), ["by itself", "new"]);
    node.answers.send((ID.to_owned(), Some(cart()))).await.unwrap();
    node.alerts(4).await;
    let alerts = node.finish().await;
    // Neither lost nor twice.
    assert_eq!(names(&alerts), ["by itself", "new", "by its pod", "by its image"]);
    assert_eq!(alerts[2].output_fields["k8s.pod.name"], "cart-1");
}
