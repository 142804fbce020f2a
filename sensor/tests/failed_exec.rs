//! Programs that could not be started, as the whole daemon tells of them. Needs root and kernel
//! BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::BTreeSet,
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

const ASKING: &str = r"
- rule: could not start
  desc: a program of this test that is not there
  condition: evt.type in (execve, execveat) and evt.failed=true and evt.arg.filename endswith lanner-not-there
  output: '%proc.name wanted %evt.arg.filename: %evt.res'
  priority: notice
";

const OTHERS: &str = r"
- rule: started
  desc: a shell of this test, started or as it fails to start something
  condition: evt.type in (execve, execveat) and proc.env[LANNER] = failed
  output: '%proc.args %evt.type %evt.res'
  priority: notice
";

fn sensor(directory: &Path, failed_exec: &str) -> Config {
    let yaml = format!(
        "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n\
         ebpf: {{ failed_exec: {failed_exec} }}\nrepetition: {{ enabled: false }}\n",
        directory.display()
    );
    config::parse(&yaml, "sensor.yaml".as_ref()).unwrap()
}

/// What the alerts say, each once.
fn outputs(directory: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(directory.join("alerts")).unwrap_or_default();
    let alerts = text.lines().filter_map(|line| Alert::from_json(line.as_bytes()).ok());
    let message = |alert: &Alert| {
        let words = alert.output.split_once(": ").map_or("", |(_, line)| line);
        words.split_once(' ').map_or_else(String::new, |(_, message)| message.to_owned())
    };
    alerts.map(|alert| (alert.rule.clone(), message(&alert))).collect()
}

/// What is told of two whole rounds, and until all of `wanted` is.
async fn told(
    rules: &str,
    failed_exec: &str,
    wanted: &[(&str, &str)],
) -> BTreeSet<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    fs::write(at.join("rules.yaml"), rules).unwrap();
    let stop = CancellationToken::new();
    let flags = Flags { replay: None, record: None };
    let daemon = tokio::spawn(Sensor::run(sensor(&at, failed_exec), flags, stop.clone()));
    let until = Instant::now() + DEADLINE;
    let has_round =
        |number: u32| has(&outputs(&at), "started", &format!("{number} execve SUCCESS"));
    // The sensor takes its time to start, so the first round may not be seen whole.
    let (mut round, mut first) = (0, None);
    loop {
        assert!(!daemon.is_finished(), "the sensor ended: {:?}", daemon.await);
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {:?}", outputs(&at));
        round += 1;
        for script in ["./lanner-not-there; exit 0".to_owned(), format!(": round {round}")] {
            Command::new("sh")
                .args(["-c", &script])
                .current_dir(&at)
                .env("LANNER", "failed")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        first = first.or_else(|| has_round(round).then_some(round));
        let is_whole = first.is_some_and(|first| (first + 2..=round).any(has_round));
        let told = outputs(&at);
        if is_whole && wanted.iter().all(|(rule, end)| has(&told, rule, end)) {
            break;
        }
    }
    stop.cancel();
    daemon.await.unwrap().unwrap();
    outputs(&at)
}

fn has(told: &BTreeSet<(String, String)>, rule: &str, end: &str) -> bool {
    told.iter().any(|(of, output)| of == rule && output.ends_with(end))
}

const STARTED: (&str, &str) = ("started", "exit 0 execve SUCCESS");
const FAILED: (&str, &str) = ("started", "execve ENOENT");
const ASKED: (&str, &str) = ("could not start", "lanner-not-there: ENOENT");

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_ask_see_failed_execs_and_no_other_does() {
    if !can_watch("rules_that_ask_see_failed_execs_and_no_other_does") {
        return;
    }
    let told = told(&[ASKING, OTHERS].concat(), "auto", &[STARTED, ASKED]).await;
    assert!(!has(&told, FAILED.0, FAILED.1), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rules_see_failed_execs_as_in_falco() {
    if !can_watch("all_rules_see_failed_execs_as_in_falco") {
        return;
    }
    told(&[ASKING, OTHERS].concat(), "always", &[STARTED, FAILED, ASKED]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rule_sees_failed_execs() {
    if !can_watch("no_rule_sees_failed_execs") {
        return;
    }
    let told = told(&[ASKING, OTHERS].concat(), "never", &[STARTED]).await;
    assert!(!has(&told, ASKED.0, ASKED.1) && !has(&told, FAILED.0, FAILED.1), "{told:?}");
}
