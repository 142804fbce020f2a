//! What each feature needs: the page says it as the program does, and without it all else works.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lanner_sensor::features::{self, FEATURES, Feature, Need};
use lanner_testkit::not_run::not_run;

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn the_page_has_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sensor.md");
    let page = fs::read_to_string(page).unwrap();
    let table = features::markdown();
    assert!(page.contains(&table), "docs/sensor.md lacks this table:\n{table}");
}

/// A need that is not met is told once, with all that goes without it.
#[test]
fn each_need_is_one_finding() {
    let config = lanner_service::config::parse(
        "runtimes: { cri_sockets: [], docker_sockets: [] }",
        "x".as_ref(),
    )
    .unwrap();
    let findings = features::findings(&config);
    let names: Vec<_> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    let socket = "socket of a container runtime (runtimes)";
    assert_eq!(names.iter().filter(|name| **name == "CAP_SYS_PTRACE").count(), 1);
    assert_eq!(names.last(), Some(&socket));
    let lacking: Vec<_> = features::lacking(&config).map(|feature| feature.need.name()).collect();
    assert!(lacking.contains(&socket), "no socket is configured: {lacking:?}");
}

const RULES: &str = "
- rule: marked
  desc: a file of this test
  condition: >
    (evt.type in (open, openat) and fd.name endswith lanner-features-mark)
    or (evt.type = execve and proc.cmdline contains lanner-features-mark)
  output: command=%proc.cmdline user=%user.name
  priority: critical
";

/// A sensor that is started by another program, which takes something away from it; ends with
/// the test.
struct Sensor {
    child: Child,
    at: PathBuf,
    _directory: tempfile::TempDir,
}

impl Sensor {
    fn start_without(capabilities: &[&str]) -> Self {
        let dropped: Vec<_> = capabilities.iter().map(|name| format!("-{name}")).collect();
        let dropped = dropped.join(",");
        let flags = [format!("--bounding-set={dropped}"), format!("--inh-caps={dropped}")];
        Self::start_by(&["setpriv", &flags[0], &flags[1]], "")
    }

    fn start_by(words: &[&str], more_config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = fs::canonicalize(directory.path()).unwrap();
        fs::write(at.join("rules.yaml"), RULES).unwrap();
        fs::write(at.join("lanner-features-mark"), "x").unwrap();
        let yaml = format!(
            "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n{more_config}",
            at.display()
        );
        fs::write(at.join("sensor.yaml"), yaml).unwrap();
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg(env!("CARGO_BIN_EXE_lanner-sensor"))
            .args(["run", "--config"])
            .arg(at.join("sensor.yaml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, at, _directory: directory }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at.join("log")).unwrap_or_default()
    }

    /// The first alert about a file that is read all the time.
    fn alert(&mut self) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let alerts = fs::read_to_string(self.at.join("alerts")).unwrap_or_default();
            if let Some((alert, _)) = alerts.split_once('\n') {
                return alert.to_owned();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            assert!(Instant::now() < until, "no alert: {}", self.log());
            let mark = self.at.join("lanner-features-mark");
            Command::new("/bin/cat").arg(mark).stdout(Stdio::null()).status().unwrap();
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn code(&mut self) -> Option<i32> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended.code();
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        // An error means that it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The capabilities of the table that are vital, or the others, as setpriv names them.
fn capabilities(is_vital: bool) -> Vec<(String, Vec<&'static str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for Feature { need, lack, .. } in FEATURES.iter().filter(|it| it.is_vital() == is_vital) {
        let Need::Capability(_, name) = need else { continue };
        let name = name.strip_prefix("CAP_").unwrap().to_lowercase();
        match found.iter_mut().find(|(other, _)| *other == name) {
            Some((_, lacks)) => lacks.push(*lack),
            None => found.push((name, vec![*lack])),
        }
    }
    found
}

#[test]
fn a_capability_that_is_missing_disables_its_features_alone() {
    if !can_watch("a_capability_that_is_missing_disables_its_features_alone") {
        return;
    }
    let all = capabilities(false);
    assert_eq!(all.len(), 2);
    for (name, lacks) in &all {
        let mut sensor = Sensor::start_without(&[name.as_str()]);
        let alert = sensor.alert();
        assert!(alert.contains("command=cat ") && alert.contains("user=root"), "{name}: {alert}");
        let log = sensor.log();
        for lack in lacks {
            assert!(log.contains(lack), "without {name} the log lacks {lack:?}:\n{log}");
        }
        // And no other capability's.
        for (other, lacks) in all.iter().filter(|(other, _)| other != name) {
            assert!(!lacks.iter().any(|lack| log.contains(lack)), "{other}:\n{log}");
        }
    }
}

/// What is said of a need that is no capability.
fn lacks_of(is_it: impl Fn(&Need) -> bool) -> Vec<&'static str> {
    FEATURES.iter().filter(|feature| is_it(&feature.need)).map(|feature| feature.lack).collect()
}

#[track_caller]
fn check_without(words: &[&str], config: &str, lacks: &[&str]) {
    let mut sensor = Sensor::start_by(words, config);
    let alert = sensor.alert();
    assert!(alert.contains("command=cat "), "{alert}");
    let log = sensor.log();
    assert!(!lacks.is_empty());
    for lack in lacks {
        assert!(log.contains(lack), "the log lacks {lack:?}:\n{log}");
    }
}

#[test]
fn a_mount_or_a_socket_that_is_missing_disables_its_features_alone() {
    let test = "a_mount_or_a_socket_that_is_missing_disables_its_features_alone";
    if !can_watch(test) {
        return;
    }
    let no_socket = "runtimes: { cri_sockets: [], docker_sockets: [] }\n";
    check_without(&["env"], no_socket, &lacks_of(|need| matches!(need, Need::RuntimeSocket)));

    let may_mount = ["unshare", "--mount", "/bin/mount", "-t", "tmpfs", "none", "/mnt"];
    if !Command::new(may_mount[0]).args(&may_mount[1..]).status().unwrap().success() {
        not_run(test, "mounts are refused here");
        return;
    }
    let own_ids = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    check_without(&own_ids, "", &lacks_of(|need| matches!(need, Need::HostProcesses)));
    let hide = "for at in /sys/kernel/tracing /sys/kernel/debug; do mount -t tmpfs none $at; done; \
                exec \"$@\"";
    check_without(
        &["unshare", "--mount", "/bin/sh", "-c", hide, "sh"],
        "ebpf: { syscall_hooks: tracepoints }\n",
        &lacks_of(|need| matches!(need, Need::Tracefs)),
    );
}

#[test]
fn without_what_is_vital_it_ends_and_says_why() {
    if !can_watch("without_what_is_vital_it_ends_and_says_why") {
        return;
    }
    for (name, _) in capabilities(true) {
        // The wider one stands for it.
        let mut sensor = Sensor::start_without(&[name.as_str(), "sys_admin"]);
        assert_eq!(sensor.code(), Some(1), "{name}: {}", sensor.log());
        let log = sensor.log();
        assert!(log.contains("no kernel events"), "{name}:\n{log}");
    }
}
