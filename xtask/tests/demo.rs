//! `cargo xtask demo`, as a person runs it.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lanner_testkit::{eventually, not_run, programs::cache_dir};

const DEADLINE: Duration = Duration::from_secs(120);

/// A demo whose folders are its own, so that what it leaves can be seen.
struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, program: &str, before: &[&str], flags: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(before);
        if program != XTASK {
            command.arg(XTASK);
        }
        command.arg("demo").args(flags).stdin(Stdio::null());
        command.env("TMPDIR", self.folder.path()).env_remove("KUBECONFIG");
        command
    }

    fn run(&self, program: &str, before: &[&str], flags: &[&str]) -> String {
        told(self.command(program, before, flags).output().unwrap())
    }

    /// No file, no process, no control group of it.
    fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        let folder = self.folder.path().to_str().unwrap();
        eventually("its processes end", DEADLINE, || processes_of(folder).is_empty().then_some(()));
    }
}

const XTASK: &str = env!("CARGO_BIN_EXE_lanner-xtask");

fn told(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    text
}

/// The command lines that name `folder`.
fn processes_of(folder: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

/// Everything the issue of a demo is: what happened, alert, subject, plan with
/// the places of its steps, outcome, and the times.
#[track_caller]
fn assert_story(text: &str, node: &str, outcome: &str) {
    for part in [
        "Read sensitive file untrusted",
        &format!("lanner.alerts.warning.filesystem.read_sensitive_file_untrusted.{node}"),
        "by playbook delete-shell-pod",
        "delete-shell-pod.rhai:",
        "delete pod",
        &format!("lanner.responses.{outcome}.delete_shell_pod.{node}"),
        " ms  outcome  ",
    ] {
        assert!(text.contains(part), "{part:?} is not told:\n{text}");
    }
}

fn node() -> String {
    lanner_alert::node_token(&rustix::system::uname().nodename().to_string_lossy())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn without_the_rights_for_ebpf_it_replays_a_recording_and_says_why() {
    let demo = Demo::new();
    let without = ["--bounding-set", "-bpf,-perfmon,-sys_admin", "--inh-caps", "-all", "--"];
    let text = demo.run("setpriv", &without, &["--once"]);
    assert!(text.contains("replays a recorded event, no eBPF: CAP_BPF"), "{text}");
    assert_story(&text, &node(), "executed");
    assert!(text.contains("pod shop/cart is told to end"), "{text}");
    demo.assert_nothing_is_left();
}

#[test]
fn as_root_it_sees_a_real_process() {
    if !is_root() {
        not_run("the demo with eBPF", "it needs root");
        return;
    }
    let demo = Demo::new();
    let text = demo.run(XTASK, &[], &["--once"]);
    if text.contains("no eBPF") {
        not_run("the demo with eBPF", "this kernel does not load the programs");
        return;
    }
    assert!(text.contains("eBPF, rules of rules/"), "{text}");
    assert_story(&text, &node(), "executed");
    demo.assert_nothing_is_left();
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let demo = Demo::new();
    let out = demo.folder.path().join("out");
    let mut command = demo.command(XTASK, &[], &[]);
    let mut child: Child =
        command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it watches on", DEADLINE, || {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        fs::read_to_string(&out).unwrap().contains("watching on").then_some(())
    });
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(fs::read_to_string(&out).unwrap().contains("stopped; cleaning up"));
    fs::remove_file(&out).unwrap();
    demo.assert_nothing_is_left();
}

/// The whole of it, for real: `kubectl exec` into a pod, the sensor on its
/// node, the responder in the cluster, the kubelet that ends the pod.
#[test]
fn on_a_real_node_the_pod_is_gone() {
    if !can_run_a_node("the demo on a real node") {
        return;
    }
    let _alone = one_at_a_time();
    let demo = Demo::new();
    let text = demo.run(XTASK, &[], &["--cluster", "--once"]);
    assert_story(&text, "lanner-node", "executed");
    assert!(text.contains("pod shop/cart, uid "), "the entity has the pod's uid:\n{text}");
    assert!(text.contains("pod shop/cart is gone: the kubelet has ended"), "{text}");
    assert!(!cache_dir().with_file_name("cluster").exists(), "the cluster's folder is left");
    demo.assert_nothing_is_left();
}

/// A cluster of which the demo knows the kubeconfig only: it acts there when it
/// is told to, and else observes.
#[test]
fn beside_somebodys_cluster_it_observes_unless_told_to_act() {
    if !can_run_a_node("the demo beside a cluster") {
        return;
    }
    let _alone = one_at_a_time();
    let cluster = SomebodysCluster::up();
    for (flags, outcome, aftermath) in
        [(&[][..], "observed", "is as it was"), (&["--enforce"], "executed", "/cart is ")]
    {
        let demo = Demo::new();
        let flags = [&["--once", "--image", "lanner.local/busybox:1"], flags].concat();
        let mut command = demo.command(XTASK, &[], &flags);
        let text = told(command.env("KUBECONFIG", cluster.kubeconfig()).output().unwrap());
        assert_story(&text, "lanner-node", outcome);
        assert!(text.contains(aftermath), "{text}");
        demo.assert_nothing_is_left();
    }
}

/// Two clusters at once wait too long for their pods on two cores.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static RUNS: Mutex<()> = Mutex::new(());
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct SomebodysCluster {
    folder: tempfile::TempDir,
}

impl SomebodysCluster {
    fn up() -> Self {
        let cluster = Self { folder: tempfile::tempdir().unwrap() };
        cluster.xtask("up");
        cluster
    }

    fn xtask(&self, action: &str) {
        let dir = self.dir();
        let mut command = Command::new(XTASK);
        told(command.args(["cluster", action, "--dir"]).arg(dir).output().unwrap());
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.dir().join("pki/admin.kubeconfig")
    }
}

impl Drop for SomebodysCluster {
    fn drop(&mut self) {
        self.xtask("down");
    }
}

fn can_run_a_node(test: &str) -> bool {
    if !is_root() {
        not_run(test, "it needs root");
        return false;
    }
    true
}
