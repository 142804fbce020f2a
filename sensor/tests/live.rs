//! The whole daemon on the running kernel: what is recorded gives the same
//! alerts when it is replayed. Needs root and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_sensor::{
    config::Config,
    sensor::{Flags, Sensor},
};
use lanner_service::{CancellationToken, Daemon as _, config};

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(30);

const RULES: &str = r"
- rule: marked command
  desc: a command of this test
  condition: evt.type = execve and proc.args contains lanner-live-marker and proc.env[LANNER] = yes
  output: '%proc.cmdline by %proc.aname[1] and %proc.aname[2] as %user.name'
  priority: notice
- rule: marked file
  desc: a file of this test, by whatever name it is opened
  condition: evt.type in (open, openat) and fd.name endswith lanner-live-secret
  output: '%fd.name raw=%fd.nameraw by %proc.name'
  priority: warning
";

fn sensor(directory: &Path, alerts: &str) -> Config {
    let yaml = format!(
        "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/{alerts} }} }}\n",
        directory.display()
    );
    config::parse(&yaml, "sensor.yaml".as_ref()).unwrap()
}

fn read(directory: &Path, alerts: &str) -> Vec<Alert> {
    let text = fs::read_to_string(directory.join(alerts)).unwrap_or_default();
    text.lines().filter_map(|line| Alert::from_json(line.as_bytes()).ok()).collect()
}

fn run(directory: &Path, program: &str, arguments: &[&str]) {
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LANNER", "yes")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_gives_the_alerts_of_the_live_run() {
    if !can_watch("a_recording_gives_the_alerts_of_the_live_run") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    fs::write(at.join("rules.yaml"), RULES).unwrap();
    fs::write(at.join("lanner-live-secret"), "x").unwrap();
    std::os::unix::fs::symlink(at.join("lanner-live-secret"), at.join("link")).unwrap();

    let stop = CancellationToken::new();
    let flags = Flags { replay: None, record: Some(at.join("events.jsonl")) };
    let daemon = tokio::spawn(Sensor::run(sensor(&at, "live.jsonl"), flags, stop.clone()));

    // The sensor takes its time to start: the deed is repeated until it is seen.
    let until = Instant::now() + DEADLINE;
    let seen = |rule: &str| read(&at, "live.jsonl").iter().any(|alert| alert.rule == rule);
    while !(seen("marked command") && seen("marked file")) {
        assert!(!daemon.is_finished(), "the sensor ended: {:?}", daemon.await);
        assert!(Instant::now() < until, "no alerts within {DEADLINE:?}");
        run(&at, "/bin/sh", &["-c", "/bin/true lanner-live-marker; cat link"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    daemon.await.unwrap().unwrap();

    let flags = Flags { replay: Some(at.join("events.jsonl")), record: None };
    Sensor::run(sensor(&at, "replayed.jsonl"), flags, CancellationToken::new()).await.unwrap();

    let (live, replayed) = (read(&at, "live.jsonl"), read(&at, "replayed.jsonl"));
    let told = |alerts: &[Alert]| -> Vec<_> {
        let all = alerts.iter();
        all.map(|alert| (alert.rule.clone(), alert.output.clone(), alert.time)).collect()
    };
    assert_eq!(told(&live), told(&replayed));

    let file = live.iter().find(|alert| alert.rule == "marked file").unwrap();
    let secret = at.join("lanner-live-secret").display().to_string();
    assert_eq!(file.output_fields["fd.name"], secret.as_str(), "by its resolved name");
    assert_eq!(file.output_fields["fd.nameraw"], "link");
    let command = live.iter().find(|alert| alert.output.contains("true lanner-live-marker by sh"));
    let command = command.expect("the command with its parent");
    assert!(command.entity.boot_id.is_some() && command.entity.start_time.is_some());
}
