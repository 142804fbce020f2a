//! `lanner generate` in a pod, by `kubectl exec`: the alerts that come to the bus
//! name that pod, and what a terminal of `kubectl exec -it` does is seen as that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use lanner_testkit::{eventually, not_run, programs::Program};
use serde_json::Value;

use crate::{DEADLINE, Xtask, bus::Forward, one_at_a_time};

/// `lanner filter check -` waits for the end of its input, which does not come.
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: "lanner.local/lanner:dev"
    imagePullPolicy: Never
    command: [lanner, filter, check, "-"]
    stdin: true
    securityContext: {runAsUser: 0}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: shell, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "lanner.local/busybox:1", command: [sleep, "3600"]}
"#;

/// What that pod lacks, and the actions that cannot be done without it. All others are.
const LACKS: [(&str, &[&str]); 7] = [
    (
        "needs the host itself",
        &["manage-users", "netcat-on-host", "reverse-shell-on-host", "load-kernel-module-on-host"],
    ),
    ("needs CAP_SYS_ADMIN", &["write-release-agent", "change-namespace"]),
    ("needs CAP_SYS_MODULE", &["load-kernel-module"]),
    // Our image holds our programs and no users.
    (
        "needs /etc/shadow",
        &[
            "read-shadow",
            "read-shadow-in-container",
            "read-shadow-relative",
            "read-shadow-dotdot",
            "traverse-directories",
            "read-shadow-symlink",
            "read-shadow-proc-root",
            "read-shadow-openat2",
            "read-shadow-32-bit",
            "read-shadow-io-uring",
            "hard-link-shadow",
        ],
    ),
    ("needs a user called nobody", &["system-user-interactive"]),
    // What a runtime gives a container is smaller than our program as it is built for tests.
    (
        "cannot copy our program: No space left on device (os error 28)",
        &["execute-from-shared-memory"],
    ),
    // That is in /proc/sys.
    ("cannot open it: Read-only file system (os error 30)", &["change-kernel-helper"]),
];

/// What a pod inherits from who started the cluster: that root logged in.
const LACKS_OF_ROOTS_SESSION: (&str, &[&str]) = (
    "needs a session in which nobody logged in as root",
    &["sudo-overflow", "pkexec-without-arguments", "misuse-loader-environment"],
);

fn lacks() -> BTreeMap<&'static str, &'static str> {
    let login = fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    let of_session = (login.trim() == "0").then_some(LACKS_OF_ROOTS_SESSION);
    let all = LACKS.into_iter().chain(of_session);
    all.flat_map(|(why, actions)| actions.iter().map(move |action| (*action, why))).collect()
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

#[test]
fn deeds_in_a_pod_are_told_with_the_pods_name() {
    if !rustix::process::geteuid().is_root() {
        not_run("deeds in a pod of a real node", "it needs root");
        return;
    }
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let xtask = Xtask { dir: folder.path().join("cluster") };
    xtask.cluster(&["up"]).unwrap();
    // No playbook may end the pod in the midst of it.
    xtask.cluster(&["deploy", "--profile", "dev"]).unwrap();
    xtask.kubectl(&["create", "namespace", "shop"]).unwrap();
    let pods = folder.path().join("pods.yaml");
    fs::write(&pods, POD).unwrap();
    xtask.kubectl(&["apply", "-f", pods.to_str().unwrap()]).unwrap();
    for pod in ["pod/cart", "pod/shell"] {
        let ready = ["-n", "shop", "wait", "--for=condition=Ready", "--timeout=60s", pod];
        xtask.kubectl(&ready).unwrap();
    }
    let forward = Forward::to_the_bus(&xtask, folder.path());

    every_deed_names_the_pod(&xtask, &forward);
    a_terminal_is_seen(&xtask, &forward);
}

fn every_deed_names_the_pod(xtask: &Xtask, forward: &Forward) {
    let mut tail = Tail::start(forward);
    let output = kubectl(xtask)
        .args(["-n", "shop", "exec", "-i", "cart", "--", "lanner", "generate", "run", "all"])
        .args(["--json", "--timeout", "60", "--verify-file", "-"])
        .stdin(tail.0.stdout.take().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let rows: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done: BTreeSet<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(done, actions_of_our_rules(&list(xtask)), "{errors}");

    let lacks = lacks();
    let is_right = |row: &Value| match lacks.get(row["action"].as_str().unwrap()) {
        Some(why) => {
            not_run(&format!("{} in a pod", row["action"].as_str().unwrap()), why);
            row["result"] == "not run" && row["why"] == *why
        }
        None => {
            row["result"] == "alerted"
                && row["deed"]["pod"]["namespace"] == "shop"
                && row["deed"]["pod"]["name"] == "cart"
        }
    };
    let wrong: Vec<String> =
        rows.iter().filter(|row| !is_right(row)).map(Value::to_string).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}\n{errors}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// All actions, as the tool lists them in the pod.
fn list(xtask: &Xtask) -> Vec<Value> {
    let exec = ["-n", "shop", "exec", "cart", "--", "lanner", "generate", "list", "--json"];
    let printed = xtask.kubectl(&exec).unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn actions_of_our_rules(list: &[Value]) -> BTreeSet<&str> {
    let of_ours = list.iter().filter(|action| action["rules"] != Value::Array(Vec::new()));
    of_ours.map(|action| action["action"].as_str().unwrap()).collect()
}

/// As a person does it: with the terminal of this end.
fn a_terminal_is_seen(xtask: &Xtask, forward: &Forward) {
    let mut tail = Tail::start(forward);
    let exec = format!(
        "{} --kubeconfig {} -n shop exec -it shell -- sh -c 'cat /etc/shadow; exit'",
        Program::Kubectl.path().display(),
        xtask.dir.join("pki/admin.kubeconfig").display(),
    );
    let typed = Command::new("script")
        .args(["-qec", &exec, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(typed.success());
    let (send, alerts) = std::sync::mpsc::sync_channel(1024);
    let lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if send.send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    let alert = eventually("the shell with a terminal is told", DEADLINE, || {
        let mut seen = alerts.try_iter().map(|mut line| line["alert"].take());
        seen.find(|alert| alert["rule"] == "Terminal shell in container")
    });
    let fields = &alert["output_fields"];
    assert_eq!(fields["k8s.ns.name"], "shop", "{alert}");
    assert_eq!(fields["k8s.pod.name"], "shell", "{alert}");
    assert_eq!(alert["entity"]["pod_name"], "shell", "{alert}");
    assert!(fields["proc.tty"].as_i64().is_some_and(|tty| tty != 0), "{alert}");
}

fn kubectl(xtask: &Xtask) -> Command {
    let mut command = Command::new(Program::Kubectl.path());
    command.arg("--kubeconfig").arg(xtask.dir.join("pki/admin.kubeconfig"));
    command
}
