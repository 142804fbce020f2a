//! The node's name in alerts, wherever it comes from.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use lanner_alert::Alert;
use lanner_testkit::not_run::not_run;

const RULES: &str = "
- rule: seen
  desc: d
  condition: evt.type = openat
  output: o
  priority: notice
";

/// A sensor that replays one event, with nothing of our own environment.
fn command(at: &Path, node: &str, wrapped: &[&str]) -> Command {
    fs::write(at.join("rules.yaml"), RULES).unwrap();
    fs::write(at.join("events.jsonl"), r#"{"evt.type":"openat","fd.name":"/a"}"#).unwrap();
    let yaml = format!(
        "{node}rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n",
        at.display()
    );
    fs::write(at.join("sensor.yaml"), yaml).unwrap();
    let sensor = env!("CARGO_BIN_EXE_lanner-sensor");
    let words = [wrapped, &[sensor, "run", "--config"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(at.join("sensor.yaml")).arg("--replay");
    command.arg(at.join("events.jsonl"));
    command.env_remove("HOSTNAME").env_remove("NODE_NAME");
    command
}

#[track_caller]
fn name_of(at: &Path, output: &Output) -> String {
    let text = fs::read_to_string(at.join("alerts")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().last().unwrap_or_else(|| panic!("no alert: {errors}"));
    let alert = Alert::from_json(line.as_bytes()).unwrap();
    assert_eq!(alert.node, alert.hostname);
    alert.node
}

#[track_caller]
fn check(node: &str, environment: &[(&str, &str)], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path(), node, &[]);
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert_eq!(name_of(directory.path(), &output), expected, "{node:?} {environment:?}");
}

#[test]
fn the_name_is_the_first_that_somebody_gave() {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    check("node: mine\n", &[("NODE_NAME", "downward")], "mine");
    check("", &[("NODE_NAME", "downward")], "downward");
    check("", &[("NODE_NAME", "downward"), ("HOSTNAME", "pod-x7k2p")], "downward");
    // What a template leaves empty is not given.
    check("node: ''\n", &[("NODE_NAME", "downward")], "downward");
    check("node: ' '\n", &[("NODE_NAME", " "), ("HOSTNAME", "pod-x7k2p")], &host);
    check("", &[], &host);
}

#[test]
fn a_host_without_a_name_has_one() {
    for name in ["", "(none)"] {
        let directory = tempfile::tempdir().unwrap();
        // As a host is before anybody names it.
        let rename = format!(
            "import os, socket, sys; socket.sethostname('{name}'); os.execv(sys.argv[1], sys.argv[1:])"
        );
        let wrapped = ["unshare", "--uts", "python3", "-c", &rename];
        let output = command(directory.path(), "", &wrapped).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        if errors.contains("Operation not permitted") || errors.contains("PermissionError") {
            not_run("a_host_without_a_name_has_one", "a namespace of host names needs root");
            return;
        }
        let given = name_of(directory.path(), &output);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(given, format!("unnamed-{}", boot.trim()), "{name:?}");
    }
}
