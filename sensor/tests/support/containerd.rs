//! A containerd of the test's own: its directories, its socket, gone on drop.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const START_MAX: Duration = Duration::from_secs(30);
const TOOLS: [&str; 4] = ["containerd", "ctr", "runc", "busybox"];

pub(crate) struct Containerd {
    child: Child,
    directory: tempfile::TempDir,
    containers: std::cell::RefCell<Vec<String>>,
}

impl Containerd {
    /// `None`, said loudly, where it cannot run.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let missing = TOOLS.iter().find(|tool| !is_there(tool));
        let lack = match missing {
            _ if !rustix::process::geteuid().is_root() => Some("root".to_owned()),
            Some(tool) => Some((*tool).to_owned()),
            None => None,
        };
        if let Some(lack) = lack {
            lanner_testkit::not_run::not_run(test, &format!("needs {lack}"));
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let root = at.join("rootfs");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nshop:x:1234:1234::/:\n")
            .unwrap();
        fs::copy(busybox(), root.join("bin/busybox")).unwrap();
        for applet in ["sh", "sleep", "cat", "true"] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        // No plugin that looks after networks, images or pods.
        let config = format!(
            "version = 2\nroot = {root:?}\nstate = {state:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n",
            root = at.join("root"),
            state = at.join("state"),
            socket = at.join("containerd.sock"),
        );
        fs::write(at.join("config.toml"), config).unwrap();
        let child = Command::new("containerd")
            .arg("--config")
            .arg(at.join("config.toml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at.join("log")).unwrap())
            .spawn()
            .unwrap();
        let this = Self { child, directory, containers: Default::default() };
        let until = Instant::now() + START_MAX;
        while !this.ctr(&["version"]).status.success() {
            assert!(Instant::now() < until, "containerd did not start:\n{}", this.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(this)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("containerd.sock")
    }

    /// Starts a container that sleeps.
    pub(crate) fn run(&self, name: &str) {
        let root = self.directory.path().join("rootfs");
        self.containers.borrow_mut().push(name.to_owned());
        let made = self.ctr(&[
            "run",
            "--detach",
            "--rootfs",
            "--label",
            "app=shop",
            "--mount",
            "type=bind,src=/etc,dst=/host/etc,options=rbind:ro",
            root.to_str().unwrap(),
            name,
            "/bin/sleep",
            "600",
        ]);
        assert!(made.status.success(), "{}\n{}", String::from_utf8_lossy(&made.stderr), self.log());
    }

    /// Runs a command in a container as `kubectl exec` and `docker exec` do.
    #[allow(dead_code, reason = "not every test does")]
    pub(crate) fn exec(&self, name: &str, command: &[&str]) {
        let id = format!("exec-{}", command.len());
        let all = [&["task", "exec", "--exec-id", &id, name], command].concat();
        let ran = self.ctr(&all);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// The first process of a container.
    #[allow(dead_code, reason = "not every test does")]
    pub(crate) fn pid_of(&self, name: &str) -> u32 {
        let list = self.ctr(&["task", "ls"]);
        let list = String::from_utf8(list.stdout).unwrap();
        let mut lines = list.lines().map(|line| line.split_whitespace());
        let found = lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()));
        found.flatten().unwrap().parse().unwrap()
    }

    fn ctr(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket()).args(["--namespace", "lanner-test"]);
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for name in self.containers.borrow().iter() {
            self.ctr(&["task", "kill", "--signal", "9", name]);
            self.ctr(&["task", "delete", "--force", name]);
            self.ctr(&["container", "delete", name]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).exists())
}

fn busybox() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|directory| directory.join("busybox"));
    places.find(|place| Path::exists(place)).unwrap()
}
