//! Rules and settings that change while the sensor runs.

use std::{
    fs,
    os::unix::fs::symlink,
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

const DEADLINE: Duration = Duration::from_secs(20);

fn rule(name: &str, path: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: evt.type = openat and fd.name = {path}\n  \
         output: o\n  priority: notice\n  tags: [t]\n"
    )
}

/// A sensor without a kernel.
struct Sensor {
    directory: tempfile::TempDir,
    rules: watch::Receiver<Arc<RuleSet>>,
    /// What a follower was told: the names of the rules, each time.
    followed: Arc<Mutex<Vec<Vec<String>>>>,
    stop: CancellationToken,
    _running: JoinHandle<anyhow::Result<()>>,
}

impl Sensor {
    /// `prepare` makes the rules in a folder, and may add settings.
    fn start(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn until_rules_are(&self, expected: &[&str]) {
        let started = Instant::now();
        while names(&self.rules.borrow()) != expected {
            assert!(started.elapsed() < DEADLINE, "rules are {:?}", names(&self.rules.borrow()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn alerts(&self, count: usize) -> Vec<Alert> {
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
fn names(rules: &RuleSet) -> Vec<String> {
    rules.rules().filter(|rule| rule.enabled).map(|rule| rule.name.clone()).collect()
}

fn folder(at: &Path) {
    fs::create_dir(at.join("rules")).unwrap();
    fs::write(at.join("rules/a.yaml"), rule("one", "/a")).unwrap();
}

#[tokio::test]
async fn a_changed_file_and_a_new_one_and_a_removed_one() {
    let sensor = Sensor::start("", folder);
    sensor.until_rules_are(&["one"]).await;
    fs::write(sensor.path("rules/a.yaml"), rule("two", "/a")).unwrap();
    sensor.until_rules_are(&["two"]).await;
    fs::write(sensor.path("rules/b.yaml"), rule("three", "/b")).unwrap();
    sensor.until_rules_are(&["two", "three"]).await;
    // As editors do.
    fs::write(sensor.path("new"), rule("four", "/b")).unwrap();
    fs::rename(sensor.path("new"), sensor.path("rules/b.yaml")).unwrap();
    sensor.until_rules_are(&["two", "four"]).await;
    fs::remove_file(sensor.path("rules/a.yaml")).unwrap();
    sensor.until_rules_are(&["four"]).await;
    let followed = sensor.followed.lock().unwrap();
    let expected: [&[&str]; 5] =
        [&["one"], &["two"], &["two", "three"], &["two", "four"], &["four"]];
    assert_eq!(*followed, expected);
    assert!(!sensor.path("alerts").exists());
}

/// `rules -> ..data/rules`, and `..data` is changed at once: kubelet's way.
#[tokio::test]
async fn a_config_map_is_swapped() {
    let version = |at: &Path, name: &str, of: &str| {
        fs::create_dir(at.join(name)).unwrap();
        fs::create_dir(at.join(name).join("rules")).unwrap();
        fs::write(at.join(name).join("rules/a.yaml"), rule(of, "/a")).unwrap();
    };
    let sensor = Sensor::start("", |at| {
        version(at, "..1", "one");
        symlink("..1", at.join("..data")).unwrap();
        symlink("..data/rules", at.join("rules")).unwrap();
    });
    version(sensor.directory.path(), "..2", "two");
    symlink("..2", sensor.path("..new")).unwrap();
    fs::rename(sensor.path("..new"), sensor.path("..data")).unwrap();
    sensor.until_rules_are(&["two"]).await;
}

#[tokio::test]
async fn a_bad_version_raises_one_alert_and_changes_nothing() {
    let sensor = Sensor::start("", folder);
    let bad = rule("two", "/a").replace("evt.type =", "evt.tpye =");
    fs::write(sensor.path("rules/b.yaml"), bad).unwrap();
    let alerts = sensor.alerts(1).await;
    assert_eq!(alerts[0].rule, "Lanner rules reload failed");
    assert_eq!(alerts[0].priority.as_str(), "Critical");
    let place = format!("{}:3:14: ", sensor.path("rules/b.yaml").display());
    assert!(alerts[0].output.contains(&place), "{}", alerts[0].output);
    sensor.until_rules_are(&["one"]).await;
    // The same bad version is told once; the next good one is taken.
    fs::write(sensor.path("rules/b.yaml"), rule("two", "/b")).unwrap();
    sensor.until_rules_are(&["one", "two"]).await;
    assert_eq!(sensor.alerts(1).await.len(), 1);
    // Bytes that are no text, and no file at all.
    fs::write(sensor.path("rules/b.yaml"), b"- rule: \xff\n").unwrap();
    let alerts = sensor.alerts(2).await;
    assert!(alerts[1].output.contains("b.yaml:1:9: the file is not UTF-8"), "{alerts:?}");
    fs::remove_dir_all(sensor.path("rules")).unwrap();
    let alerts = sensor.alerts(3).await;
    assert!(alerts[2].output.contains("cannot read rules"), "{alerts:?}");
    assert_eq!(names(&sensor.rules.borrow()), ["one", "two"]);
    assert_eq!(sensor.followed.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn settings_change_what_rules_are_used() {
    let sensor = Sensor::start("", folder);
    let settings = fs::read_to_string(sensor.path("sensor.yaml")).unwrap();
    let disabled = format!("{settings}rules: [{{ disable: {{ tag: t }} }}]\nnode: other\n");
    fs::write(sensor.path("sensor.yaml"), disabled).unwrap();
    sensor.until_rules_are(&[]).await;
    // A key that is not known.
    fs::write(sensor.path("sensor.yaml"), format!("{settings}rulse: []\n")).unwrap();
    let alerts = sensor.alerts(1).await;
    assert!(alerts[0].output.contains("sensor.yaml:4:1: unknown key `rulse`"), "{alerts:?}");
    sensor.until_rules_are(&[]).await;
    fs::write(sensor.path("sensor.yaml"), settings).unwrap();
    sensor.until_rules_are(&["one"]).await;
}

#[tokio::test]
async fn a_hangup_reads_them_again() {
    let sensor = Sensor::start("watch_config_files: false", folder);
    fs::write(sensor.path("rules/a.yaml"), rule("two", "/a")).unwrap();
    let started = Instant::now();
    while names(&sensor.rules.borrow()) != ["two"] {
        assert!(started.elapsed() < DEADLINE, "not read again");
        // It may not listen yet, and the signal would then end this process: see below.
        if ready(&sensor) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether this process catches SIGHUP by now.
fn ready(_sensor: &Sensor) -> bool {
    const HUP: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & HUP != 0
}

#[test]
fn what_needs_a_restart_is_known() {
    let config = |yaml: &str| -> Config {
        let yaml = format!("rules_files: [/r]\noutputs: {{ stdout: {{}} }}\n{yaml}");
        lanner_service::config::parse(&yaml, "x".as_ref()).unwrap()
    };
    let old = config("");
    let live = "rule_matching: first\npriority: notice\nrepetition: { enabled: false }\n";
    assert_eq!(old.needs_restart(&config(live)), Vec::<&str>::new());
    let fixed = "node: n\nebpf: { ring_size_bytes: 65536 }\nmetrics: { enabled: true }\n";
    assert_eq!(old.needs_restart(&config(fixed)), ["node", "ebpf", "metrics"]);
}
