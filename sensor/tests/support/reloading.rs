//! A sensor without a kernel that takes over rules and settings.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_engine::RuleSet;
use lanner_sensor::{
    alerts::AlertMaker,
    config::Config,
    output::Outputs,
    reload::{Reloader, Stamps},
    repetition::Repetition,
    rules::{self, LiveRules},
};
use lanner_service::CancellationToken;
use tokio::{sync::watch, task::JoinHandle};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn rule(name: &str, path: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type = openat and fd.name = {path}\n  \
         output: o\n  priority: notice\n  tags: [t]\n"
    )
}

/// A sensor without a kernel.
pub(crate) struct Sensor {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    /// What a follower was told: the names of the rules, each time.
    pub(crate) followed: Arc<Mutex<Vec<Vec<String>>>>,
    stop: CancellationToken,
    _running: JoinHandle<anyhow::Result<()>>,
}

impl Sensor {
    /// `prepare` makes the rules in a folder, and may add settings.
    pub(crate) fn start(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        prepare(at);
        let text = format!(
            "rules_files: [{0}/rules]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n{settings}\n",
            at.display()
        );
        fs::write(at.join("sensor.yaml"), text).unwrap();
        let mut config: Config = lanner_service::config::load(&at.join("sensor.yaml")).unwrap();
        config.path = Some(at.join("sensor.yaml"));
        let stamps = Stamps::of(&config);
        let files = config.rule_files().unwrap();
        let (set, _) = rules::read(&files, &config.rule_options()).unwrap();
        let mut live = LiveRules::new(set);
        let rules = live.watch();
        let followed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&followed);
        live.follow(move |rules| told.lock().unwrap().push(names(rules)));
        let outputs = Outputs::start(&config.outputs, Box::new(|_| panic!("no socket here")));
        let reloader = Reloader {
            config,
            stamps,
            rules: live,
            repetition: Arc::new(Mutex::new(Repetition::new(0))),
            maker: AlertMaker::new("n", None),
            alerts: outputs.sender().clone(),
        };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let running = tokio::spawn(async move {
            let ended = reloader.run(stopping).await;
            outputs.finish().await;
            ended
        });
        Self { directory, rules, followed, stop, _running: running }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn until_rules_are(&self, expected: &[&str]) {
        let started = Instant::now();
        while names(&self.rules.borrow()) != expected {
            assert!(started.elapsed() < DEADLINE, "rules are {:?}", names(&self.rules.borrow()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn alerts(&self, count: usize) -> Vec<Alert> {
        let started = Instant::now();
        loop {
            let text = fs::read_to_string(self.path("alerts")).unwrap_or_default();
            let alerts: Vec<_> =
                text.lines().map(|line| Alert::from_json(line.as_bytes()).unwrap()).collect();
            if alerts.len() >= count {
                return alerts;
            }
            assert!(started.elapsed() < DEADLINE, "{} alerts", alerts.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Of those that are enabled.
pub(crate) fn names(rules: &RuleSet) -> Vec<String> {
    rules.rules().filter(|rule| rule.enabled).map(|rule| rule.name.clone()).collect()
}

pub(crate) fn folder(at: &Path) {
    fs::create_dir(at.join("rules")).unwrap();
    fs::write(at.join("rules/a.yaml"), rule("one", "/a")).unwrap();
}
