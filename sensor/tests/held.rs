//! An alert about a container that the runtime was just asked about.

#[path = "support/record.rs"]
mod record;
#[path = "support/records.rs"]
mod records;

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use lanner_alert::Alert;
use lanner_sensor::{
    alerts::AlertMaker,
    config::Config,
    decode::Call,
    enrich::{
        Node as Known,
        metadata::{Answer, ContainerInfo, Containers, ImageName, PodInfo},
        procfs::Procfs,
    },
    output::Outputs,
    pipeline::{Common, EARLY_MAX, Metrics, Pipeline, Upkeep},
    repetition::Repetition,
    rules::LiveRules,
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    record::{EXEC, Head, exec_payload, record},
    records::Queued,
};

const ID: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";
const DEADLINE: Duration = Duration::from_secs(20);

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
    pipeline: JoinHandle<()>,
    alerts: PathBuf,
    _directory: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        Self::start_with(RULES)
    }

    fn start_with(rules_text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rules = directory.path().join("rules.yaml");
        fs::write(&rules, rules_text).unwrap();
        let (set, diagnostics) = lanner_sensor::rules::read(&[rules], &Default::default()).unwrap();
        assert_eq!(lanner_sensor::rules::count_errors(&diagnostics), 0, "{diagnostics:?}");
        let alerts = directory.path().join("alerts");
        let yaml = format!("outputs: {{ file: {{ path: {} }} }}\n", alerts.display());
        let config: Config = lanner_service::config::parse(&yaml, "x".as_ref()).unwrap();
        let outputs = Outputs::start(&config.outputs, Box::new(|_| panic!("no socket here")));
        let (requests, asked) = mpsc::channel(16);
        let procfs = Procfs::new(directory.path().join("proc"));
        let (answers, answered) = mpsc::channel(16);
        let common = Common {
            node: Arc::new(Known::new("n", procfs, Containers::new(Some(requests)))),
            maker: AlertMaker::new("n", None),
            rules: LiveRules::new(set).watch(),
            alerts: outputs.sender().clone(),
            recorder: None,
            losses: Arc::default(),
            repetition: Arc::new(Mutex::new(Repetition::new(0))),
            early_max: EARLY_MAX,
            matches: Mutex::default(),
        };
        let (records, source) = Queued::new();
        let stop = CancellationToken::new();
        let pipeline = Pipeline::start(common, vec![Box::new(source)], &stop).unwrap();
        let recount = Box::new(|_: &_| {});
        let upkeep = Upkeep { recount, metrics: Metrics::new(&config.metrics) };
        let pipeline = tokio::spawn(async move {
            pipeline.run(answered, upkeep).await.unwrap();
            outputs.finish().await;
        });
        Self { records, asked, answers, pipeline, alerts, _directory: directory }
    }

    /// A process in the container becomes another program.
    async fn exec(&self) {
        let cgroup = format!("\x01{ID}\0kubepods\0");
        let payload = exec_payload(b"\x01sh\0", b"\x01", cgroup.as_bytes(), b"sh\0", b"");
        self.records.send(record(&Head::default(), EXEC, Call::Execve.id(), &payload)).unwrap();
    }

    async fn alerts(&self, count: usize) -> Vec<Alert> {
        let read = async {
            loop {
                let text = fs::read_to_string(&self.alerts).unwrap_or_default();
                let lines: Vec<_> = text.lines().collect();
                if lines.len() >= count {
                    let parse = |line: &&str| Alert::from_json(line.as_bytes()).unwrap();
                    return lines.iter().map(parse).collect();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("alerts in time")
    }

    async fn finish(self) {
        drop(self.records);
        self.pipeline.await.unwrap();
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
    let mut node = Node::start();
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
    let mut node = Node::start();
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
    let mut node = Node::start_with(EARLY_AND_LATE);
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
    let mut node = Node::start_with(STARTED);
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
    let node = Node::start_with(STARTED);
    node.exec().await;
    let alerts = node.alerts(1).await;
    assert_eq!(alerts[0].rule, "container started");
    assert_eq!(alerts[0].output_fields["container.incomplete"], true);
    node.finish().await;
}
