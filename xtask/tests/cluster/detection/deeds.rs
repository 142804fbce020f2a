//! `lanner generate` in pods, by `kubectl exec`: the alerts that come to the bus are of
//! that pod. What a terminal of `kubectl exec -it` does is seen as that.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use lanner_testkit::{eventually, not_run, programs::Program};
use serde_json::Value;

use super::pods::Node;
use crate::{DEADLINE, bus::Forward};

/// What no pod can do: the rules about it leave containers out.
const OF_HOSTS: [&str; 4] =
    ["load-kernel-module-on-host", "manage-users", "netcat-on-host", "reverse-shell-on-host"];

/// What is done in a privileged pod, too: their rules are about such.
const OF_PRIVILEGED: [&str; 2] = ["debugfs-in-container", "read-disk"];

/// All actions, each in `cart` or, if it may not do that, in `device`, which may do everything.
pub(super) fn every_deed_is_told_with_its_pod(node: &Node<'_>, forward: &Forward) {
    let rows = generate(node, forward, "cart", ["all"]);
    assert_eq!(actions(&rows), actions_of_our_rules(node));
    let (not_done, done): (Vec<Value>, Vec<Value>) =
        rows.into_iter().partition(|row| row["result"] == "not run");
    assert_told(node, "cart", &done);

    let mut rest = actions(&not_done);
    for action in OF_HOSTS {
        assert!(rest.remove(action), "{action} is done in a pod");
    }
    for (action, lack) in lacks_of_machine() {
        not_run(&format!("{action} in a pod"), lack);
        assert!(rest.remove(action), "{action} is done without {lack}");
    }
    rest.extend(OF_PRIVILEGED.map(str::to_owned));
    let rows = generate(node, forward, "device", rest.iter());
    assert_eq!(actions(&rows), rest);
    assert_told(node, "device", &rows);
}

/// What pods share with the machine and cannot be given.
fn lacks_of_machine() -> Vec<(&'static str, &'static str)> {
    let mut lacks = Vec::new();
    if !Path::new("/proc/modules").exists() {
        lacks.push(("load-kernel-module", "a kernel that takes modules"));
    }
    // Inherited from who started the cluster.
    let login = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    if login.trim() == "0" {
        let of_session = ["misuse-loader-environment", "pkexec-without-arguments", "sudo-overflow"];
        lacks.extend(of_session.map(|action| (action, "a session in which root did not log in")));
    }
    lacks
}

/// Runs it in that pod with the alerts of the bus as its input; gives a row an action.
fn generate(
    node: &Node<'_>,
    forward: &Forward,
    pod: &str,
    actions: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Vec<Value> {
    let mut tail = Tail::start(forward);
    let output = node
        .kubectl(&["exec", "-i", pod, "--", "lanner", "generate", "run"])
        .args(actions)
        .args(["--json", "--timeout", "60", "--verify-file", "-"])
        .stdin(tail.0.stdout.take().unwrap())
        .output()
        .unwrap();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    json_lines(&String::from_utf8(output.stdout).unwrap())
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn actions(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| text(&row["action"])).collect()
}

/// As the tool lists them in the pod.
fn actions_of_our_rules(node: &Node<'_>) -> BTreeSet<String> {
    let printed = node.shop(&["exec", "cart", "--", "lanner", "generate", "list", "--json"]);
    let mut list = json_lines(&printed);
    list.retain(|action| action["rules"] != Value::Array(Vec::new()));
    actions(&list)
}

/// Fails on each deed whose alert did not come, or says what is not so: to the tool, or of what
/// the tool cannot know, who its pod is outside.
fn assert_told(node: &Node<'_>, pod: &str, rows: &[Value]) {
    let id = |row: &Value| row["deed"]["alert"]["id"].as_str().map(str::to_owned);
    let ids: BTreeSet<String> = rows.iter().filter_map(id).collect();
    let told = eventually("the sensor prints what it sent", DEADLINE, || {
        let mut told = node.told();
        told.retain(|alert| ids.contains(alert["id"].as_str().unwrap()));
        (told.len() == ids.len()).then_some(told)
    });
    let pod = node.pod(pod);
    let differences =
        |row: &Value| match told.iter().find(|alert| row["deed"]["alert"]["id"] == alert["id"]) {
            Some(alert) if row["result"] == "alerted" => pod.differences(alert),
            _ => vec![format!("is {}", row["result"])],
        };
    let wrong = rows.iter().map(|row| (differences(row), row));
    let wrong: Vec<String> = wrong
        .filter(|(differences, _)| !differences.is_empty())
        .map(|(differences, row)| format!("{}\n  {row}", differences.join(", ")))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// As a person does it: with the terminal of this end.
pub(super) fn a_terminal_is_seen(node: &Node<'_>) {
    let kubectl = node.kubectl(&["exec", "-it", "shell", "--", "sh", "-c"]);
    let mut words = vec![Program::Kubectl.path().display().to_string()];
    words.extend(kubectl.get_args().map(|arg| arg.to_str().unwrap().to_owned()));
    let exec = format!("{} 'cat /etc/shadow; exit'", words.join(" "));
    let typed = Command::new("script")
        .args(["-qec", &exec, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(typed.success());
    let pod = node.pod("shell");
    for rule in ["Terminal shell in container", "Read sensitive file untrusted"] {
        let alert = node.told_eventually("what is typed is told", |alert| {
            alert["rule"] == rule && alert["entity"]["pod_name"] == "shell"
        });
        assert_eq!(pod.differences(&alert), Vec::<String>::new(), "{alert}");
        let tty = &alert["output_fields"]["proc.tty"];
        assert!(tty.as_i64().is_some_and(|tty| tty != 0), "{alert}");
    }
}

/// `lanner alerts tail --json`, ended with the test.
struct Tail(Child);

impl Tail {
    /// Returns once it reads.
    fn start(forward: &Forward) -> Self {
        let mut tail = forward.command("subscriber", &["alerts", "tail", "--json"]);
        let mut child = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("reading lanner."), "{said}");
        Self(child)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // An error here means that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
