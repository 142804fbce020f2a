//! A pipeline in a test: records and rules in, alerts out of a file.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_engine::RuleSet;
use lanner_sensor::{
    alerts::AlertMaker,
    config::Config,
    enrich::{Node, metadata::Answer},
    output::Outputs,
    pipeline::{Common, EARLY_MAX, HELD_MAX, LossCounts, Metrics, Pipeline, Upkeep},
    repetition::Repetition,
    rules::LiveRules,
    source::Records,
};
use lanner_service::CancellationToken;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Without anything new.
const DEADLINE: Duration = Duration::from_secs(30);

/// Longer than any test takes.
pub(crate) const FOREVER: Duration = Duration::from_secs(3600);

/// What a pipeline is made of.
pub(crate) struct Parts {
    pub(crate) rules: String,
    pub(crate) node: Node,
    pub(crate) sources: Vec<Box<dyn Records>>,
    pub(crate) early_max: Duration,
    pub(crate) held_max: Duration,
    pub(crate) recount: Box<dyn FnMut(&LossCounts) + Send>,
}

impl Parts {
    pub(crate) fn new(rules: &str, node: Node, sources: Vec<Box<dyn Records>>) -> Self {
        Self {
            rules: rules.to_owned(),
            node,
            sources,
            early_max: EARLY_MAX,
            held_max: HELD_MAX,
            recount: Box::new(|_| {}),
        }
    }
}

/// A pipeline at work.
pub(crate) struct Started {
    pub(crate) rules: LiveRules,
    pub(crate) answers: mpsc::Sender<Answer>,
    pub(crate) stop: CancellationToken,
    /// What it tells a forwarder of itself.
    pub(crate) status: watch::Receiver<Option<Arc<[u8]>>>,
    ended: JoinHandle<io::Result<()>>,
    alerts: PathBuf,
    _directory: tempfile::TempDir,
}

impl Started {
    pub(crate) fn start(parts: Parts) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let alerts = directory.path().join("alerts");
        let yaml = format!(
            "outputs: {{ file: {{ path: {} }} }}\nmetrics: {{ enabled: true, interval: 100ms }}\n",
            alerts.display()
        );
        let config: Config = lanner_service::config::parse(&yaml, "x".as_ref()).unwrap();
        let outputs = Outputs::start(&config.outputs, Box::new(|_| panic!("no socket here")));
        let rules = LiveRules::new(read_rules(&parts.rules));
        let common = Common {
            node: Arc::new(parts.node),
            maker: AlertMaker::new("n", None),
            rules: rules.watch(),
            alerts: outputs.sender().clone(),
            recorder: None,
            losses: Arc::default(),
            repetition: Arc::new(Mutex::new(Repetition::new(0))),
            early_max: parts.early_max,
            held_max: parts.held_max,
            matches: Mutex::default(),
        };
        let stop = CancellationToken::new();
        let pipeline = Pipeline::start(common, parts.sources, &stop).unwrap();
        let (answers, answered) = mpsc::channel(16);
        let mut metrics = Metrics::new(&config.metrics);
        metrics.tell(outputs.status().clone(), Duration::from_millis(100));
        let status = outputs.status().subscribe();
        let upkeep = Upkeep { recount: parts.recount, metrics };
        let ended = tokio::spawn(async move {
            let ended = pipeline.run(answered, upkeep).await;
            outputs.finish().await;
            ended
        });
        Self { rules, answers, stop, status, ended, alerts, _directory: directory }
    }

    /// All that it sent so far; what it tells of itself, too.
    pub(crate) fn all_alerts(&self) -> Vec<Alert> {
        let text = fs::read_to_string(&self.alerts).unwrap_or_default();
        text.lines().filter_map(|line| Alert::from_json(line.as_bytes()).ok()).collect()
    }

    /// Those of rules.
    pub(crate) fn alerts(&self) -> Vec<Alert> {
        let mut alerts = self.all_alerts();
        alerts.retain(|alert| alert.source == "syscall");
        alerts
    }

    /// As soon as there are so many of rules.
    pub(crate) async fn until(&self, count: usize) -> Vec<Alert> {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let alerts = self.alerts();
            if alerts.len() >= count {
                return alerts;
            }
            if alerts.len() > seen {
                (seen, since) = (alerts.len(), Instant::now());
            }
            assert!(since.elapsed() < DEADLINE, "{seen} alerts of {count}: {alerts:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The first alert about itself that `is_it` says yes to.
    pub(crate) async fn own_alert(&self, what: &str, is_it: impl Fn(&Alert) -> bool) -> Alert {
        let since = Instant::now();
        loop {
            let own = self.all_alerts().into_iter().filter(|alert| alert.source == "lanner");
            if let Some(found) = own.into_iter().find(&is_it) {
                return found;
            }
            assert!(since.elapsed() < DEADLINE, "{what}: {:?}", self.all_alerts().last());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How it ended, and what its rules said until then. Its sources ended, or it was stopped.
    pub(crate) async fn finish(mut self) -> (io::Result<()>, Vec<Alert>) {
        let ended = tokio::time::timeout(DEADLINE, &mut self.ended).await.unwrap().unwrap();
        (ended, self.alerts())
    }
}

pub(crate) fn read_rules(text: &str) -> RuleSet {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.yaml");
    fs::write(&path, text).unwrap();
    let (set, diagnostics) = lanner_sensor::rules::read(&[path], &Default::default()).unwrap();
    assert_eq!(lanner_sensor::rules::count_errors(&diagnostics), 0, "{diagnostics:?}");
    set
}
