//! `lanner generate` as root: every deed, the real sensor on the real kernel, and
//! its alerts as a subscriber of a bus with TLS sees them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use lanner_bus::Identity;
use lanner_testkit::{
    Stack, eventually, not_run,
    process::Process,
    product::{Binary, workspace},
    stack::Watch,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const NODE: &str = "node-1";

/// What a sensor may lack here and yet be whole: this kernel may have no modules.
const NOT_DELIVERED: &[&str] = &["init_module"];

/// The tool in a folder for temporary files of its own, so that what it leaves is seen.
struct Tool {
    folder: tempfile::TempDir,
}

impl Tool {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(Binary::Tool.path());
        command.arg("generate").args(args).env("TMPDIR", self.folder.path());
        command
    }

    /// Runs it to its end; gives its exit code and what it printed, a line a value.
    fn run(&self, args: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (status.code(), lines, String::from_utf8_lossy(&stderr).into_owned())
    }

    /// No file, no control group, no process.
    #[track_caller]
    fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        let folder = self.folder.path().to_str().unwrap();
        eventually("its processes end", SOON, || processes_of(folder).is_empty().then_some(()));
        for folder in ["/etc", "/usr/bin", "/root", "/root/.ssh", "/var/log", "/dev", "/dev/shm"] {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let left: Vec<_> = names.filter(|name| name.contains("lanner-generate-")).collect();
            assert!(left.is_empty(), "{folder}: {left:?}");
        }
    }
}

fn processes_of(folder: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("environ")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    let ours = format!("TMPDIR={folder}");
    lines.filter(|line| line.contains(&ours)).collect()
}

fn control_groups() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup").then(|| Path::new(place).join("lanner-generate"))
    });
    hierarchies.filter(|group| group.exists()).collect()
}

/// Whether the sensor can watch here; says so if not.
fn can_watch(test: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sensor.yaml");
    fs::write(&config, "rules_files: [.]\noutputs: {stdout: {}}\n").unwrap();
    let doctor = Command::new(Binary::Sensor.path())
        .args(["doctor", "--config"])
        .arg(&config)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    match told.lines().find(|line| line.starts_with("FATAL")) {
        Some(lack) => not_run(test, lack),
        None if rustix::process::geteuid().is_root() => return true,
        None => not_run(test, "it needs root"),
    }
    false
}

/// Fails on every deed that was not noticed as it was, and says which could not be done.
#[track_caller]
fn assert_noticed(test: &str, rows: &[Value], rules: &[PathBuf], logs: &str) {
    let known = names_of_rules(rules);
    let events = events_of_actions();
    let (mut alerted, mut wrong) = (0, Vec::new());
    for row in rows {
        let action = row["action"].as_str().unwrap();
        let is_known =
            row["rules"].as_array().unwrap().iter().any(|rule| known.contains(&text(rule)));
        let event = events.iter().find(|(name, _)| name == action).unwrap().1.as_str();
        match row["result"].as_str().unwrap() {
            "alerted" => alerted += 1,
            "not run" => not_run(&format!("{test}: {action}"), row["why"].as_str().unwrap()),
            "missing" if !is_known => not_run(&format!("{test}: {action}"), "no rule for it yet"),
            "missing" if NOT_DELIVERED.contains(&event) || NOT_DELIVERED.contains(&action) => {
                not_run(&format!("{test}: {action}"), "its event is not delivered yet");
            }
            _ => wrong.push(row.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}\n{logs}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(alerted >= 20, "{alerted} alerts only");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn names_of_rules(files: &[PathBuf]) -> Vec<String> {
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| {
            let rules = text.lines().filter_map(|line| line.strip_prefix("- rule: "));
            rules.map(|name| name.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

fn events_of_actions() -> Vec<(String, String)> {
    let (code, actions, errors) = Tool::new().run(&["list", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    actions.iter().map(|action| (text(&action["action"]), text(&action["event"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_noticed_by_our_rules_and_the_alert_tells_the_truth() {
    let test = "every_deed_is_noticed_by_our_rules_and_the_alert_tells_the_truth";
    if !can_watch(test) {
        return;
    }
    let stack = Stack::start(NODE).await;
    let _forwarder = stack.start_forwarder();
    let _sensor = stack.start_sensor(&Watch::Kernel);

    let config = stack.dir().join("subscriber.yaml");
    let connection = stack.bus.connection_yaml(&Identity::Subscriber, "  ");
    fs::write(&config, format!("bus:\n{connection}")).unwrap();
    let tool = Tool::new();
    let config = config.to_str().unwrap().to_owned();
    let (tool, (_, rows, errors)) = tokio::task::spawn_blocking(move || {
        let told = tool.run(&["run", "all", "--json", "--verify", "--config", &config]);
        (tool, told)
    })
    .await
    .unwrap();

    assert!(!rows.is_empty(), "{errors}");
    let rules = fs::read_dir(workspace().join("rules")).unwrap().flatten();
    let rules: Vec<PathBuf> = rules
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    assert_noticed(test, &rows, &rules, &stack.logs());
    tool.assert_nothing_is_left();
    assert_eq!(control_groups(), Vec::<PathBuf>::new());
}

/// The official rules are not ours to copy: they lie beside the workspace, or at
/// `LANNER_FALCO_RULES`.
#[test]
fn every_deed_is_noticed_by_falcos_rules() {
    let test = "every_deed_is_noticed_by_falcos_rules";
    if !can_watch(test) {
        return;
    }
    let beside = || workspace().join("../shared/data/falco_rules.yaml");
    let rules = env::var_os("LANNER_FALCO_RULES").map_or_else(beside, PathBuf::from);
    if !rules.exists() {
        not_run(test, &format!("no Falco rules at {}; set LANNER_FALCO_RULES", rules.display()));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, alerts) = (folder.path().join("sensor.yaml"), folder.path().join("alerts.jsonl"));
    let yaml = format!(
        "node: {NODE}\nrules_files: [{}]\noutputs: {{ file: {{ path: {} }} }}\n",
        rules.display(),
        alerts.display()
    );
    fs::write(&config, yaml).unwrap();
    let args = ["run", "--config", config.to_str().unwrap()];
    let mut sensor = Process::spawn(&Binary::Sensor.path(), args, &folder.path().join("log"));
    eventually("the sensor watches", SOON, || {
        sensor.assert_running();
        sensor.log_tail().contains(" watching ").then_some(())
    });

    // Not all of Falco's rules: this file may hold the stable ones alone.
    let names = names_of_rules(std::slice::from_ref(&rules));
    let (_, actions, _) = Tool::new().run(&["list", "--json"]);
    let has_rule = |action: &&Value| {
        let rules = action["falco_rules"].as_array().unwrap();
        rules.iter().any(|rule| names.contains(&text(rule)))
    };
    let actions: Vec<String> =
        actions.iter().filter(has_rule).map(|action| text(&action["action"])).collect();
    let tool = Tool::new();
    let mut args = vec!["run", "--json", "--verify-file", alerts.to_str().unwrap()];
    args.extend(actions.iter().map(String::as_str));
    let (_, rows, errors) = tool.run(&args);
    assert!(!rows.is_empty(), "{errors}");
    assert_noticed(test, &rows, &[rules], &sensor.log_tail());
    tool.assert_nothing_is_left();
}

/// In the midst of it, with a container that is being made or taken down.
#[test]
fn ctrl_c_leaves_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        not_run("ctrl_c_leaves_nothing_behind", "it needs root");
        return;
    }
    for signal in ["INT", "TERM"] {
        let tool = Tool::new();
        let mut child = tool.command(&["run", "all"]).spawn().unwrap();
        // The third action is in a container already.
        eventually("it is at work", SOON, || {
            let stage = fs::read_dir(tool.folder.path()).unwrap().flatten().next()?;
            let folders = fs::read_dir(stage.path()).ok()?.flatten();
            (folders.filter(|entry| entry.path().is_dir()).count() > 3).then_some(())
        });
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(1));
        tool.assert_nothing_is_left();
    }
}
