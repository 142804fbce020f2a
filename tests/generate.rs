//! `lanner generate` as root: every deed, the real sensor on the real kernel, and
//! its alerts as a subscriber of a bus with TLS sees them.

#[path = "generate/official.rs"]
mod official;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use lanner_bus::Identity;
use lanner_testkit::{Stack, eventually, not_run, product::Binary, stack::Watch};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
/// For alerts, when all deeds are done.
const SECONDS: &str = "60";
const NODE: &str = "node-1";

/// One test at a time: what one leaves behind would be another's that is at work, and alerts of one
/// rule about the descendants of one process are so many a minute, whichever test they are for.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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

/// Fails on every deed that was not noticed as it was, and on each that was not done though
/// nothing lacks for it here; says which lack something.
#[track_caller]
fn assert_noticed(test: &str, rows: &[Value], logs: &str) {
    let lacks = lacks_of_actions();
    let is_right = |row: &&Value| match lacks.get(row["action"].as_str().unwrap()) {
        Some(lack) => {
            not_run(&format!("{test}: {}", text(&row["action"])), lack);
            row["result"] == "not run"
        }
        None => row["result"] == "alerted",
    };
    let wrong: Vec<String> =
        rows.iter().filter(|row| !is_right(row)).map(Value::to_string).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}\n{logs}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// What this machine lacks, by the action that needs it: looked up here, and not as the tool does.
fn lacks_of_actions() -> BTreeMap<String, String> {
    let mut lacks = BTreeMap::new();
    for action in list() {
        let needs = action["needs"].as_array().unwrap().iter().map(text);
        let of_kernel = match action["event"].as_str().unwrap() {
            "init_module" => Some("a kernel that takes modules".to_owned()),
            _ if action["action"] == "read-shadow-io-uring" => Some("io_uring".to_owned()),
            _ => None,
        };
        if let Some(lack) = needs.chain(of_kernel).find(|need| !is_here(need)) {
            lacks.insert(text(&action["action"]), format!("needs {lack}"));
        }
    }
    lacks
}

fn is_here(need: &str) -> bool {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let held = |name: &str| {
        let status = read("/proc/self/status");
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        let bits = u64::from_str_radix(line.trim(), 16).unwrap();
        // include/uapi/linux/capability.h
        let known = [("CAP_NET_RAW", 13), ("CAP_SYS_MODULE", 16), ("CAP_SYS_ADMIN", 21)];
        let (_, bit) = known.iter().find(|(known, _)| *known == name).unwrap();
        bits >> bit & 1 == 1
    };
    match need {
        "root" => rustix::process::geteuid().is_root(),
        "root, CAP_SYS_ADMIN or a container" => held("CAP_SYS_ADMIN"),
        // PROC_PID_INIT_INO of include/linux/proc_ns.h
        "the host itself" => {
            fs::read_link("/proc/self/ns/pid").unwrap() == Path::new("pid:[4026531836]")
        }
        // Whatever runs these tests is in none.
        "a privileged container" => false,
        "an x86-64 processor" => cfg!(target_arch = "x86_64"),
        "a user called nobody" => read("/etc/passwd").lines().any(|it| it.starts_with("nobody:")),
        "a session in which nobody logged in as root" => read("/proc/self/loginuid").trim() != "0",
        "a kernel that takes modules" => {
            Path::new("/proc/modules").exists()
                && read("/proc/sys/kernel/modules_disabled").trim() != "1"
        }
        "io_uring" => ["", "0"].contains(&read("/proc/sys/kernel/io_uring_disabled").trim()),
        need if need.starts_with("CAP_") => held(need),
        need if need.starts_with('/') => Path::new(need).exists(),
        need => panic!("nobody knows how to tell whether {need:?} is here"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// All actions, as the tool lists them.
fn list() -> Vec<Value> {
    let (code, actions, errors) = Tool::new().run(&["list", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    actions
}

/// Those that a rule should notice, by the key that names the rules.
fn named(key: &str, is_there: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let is_named =
        |action: &Value| action[key].as_array().unwrap().iter().any(|it| is_there(&text(it)));
    list().iter().filter(|action| is_named(action)).map(|it| text(&it["action"])).collect()
}

fn done(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| text(&row["action"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_noticed_by_our_rules_and_the_alert_tells_the_truth() {
    let test = "every_deed_is_noticed_by_our_rules_and_the_alert_tells_the_truth";
    if !can_watch(test) {
        return;
    }
    let _alone = ALONE.lock().await;
    let stack = Stack::start(NODE).await;
    let _forwarder = stack.start_forwarder();
    let _sensor = stack.start_sensor(&Watch::Kernel);

    let config = stack.dir().join("subscriber.yaml");
    let connection = stack.bus.connection_yaml(&Identity::Subscriber, "  ");
    fs::write(&config, format!("bus:\n{connection}")).unwrap();
    let tool = Tool::new();
    let config = config.to_str().unwrap().to_owned();
    let (tool, (_, rows, errors)) = tokio::task::spawn_blocking(move || {
        let run = ["run", "all", "--json", "--timeout", SECONDS, "--verify", "--config", &config];
        let told = tool.run(&run);
        (tool, told)
    })
    .await
    .unwrap();

    assert_eq!(done(&rows), named("rules", |_| true), "{errors}");
    assert_noticed(test, &rows, &stack.logs());
    tool.assert_nothing_is_left();
    assert_eq!(control_groups(), Vec::<PathBuf>::new());
}

/// In the midst of it, with a container that is being made or taken down.
#[test]
fn ctrl_c_leaves_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        not_run("ctrl_c_leaves_nothing_behind", "it needs root");
        return;
    }
    let _alone = ALONE.blocking_lock();
    for signal in ["INT", "TERM"] {
        let tool = Tool::new();
        let mut child = tool.command(&["run", "all"]).spawn().unwrap();
        // The first of them are in containers.
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
