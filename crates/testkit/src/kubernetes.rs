//! A real kube-apiserver with its etcd for a test, gone on drop.
//!
//! There is no controller-manager, no scheduler and no node: a pod is created,
//! read, patched and deleted, and never runs. Nothing makes the `default`
//! service account of a namespace, so the admission plugin that asks for it is
//! off; a deleted pod is gone at once if it has no node (`spec.nodeName`), and
//! else waits for a kubelet unless its grace period is 0. A deleted namespace
//! stays in "Terminating" for ever. The aggregated roles (`view`, `edit`,
//! `admin`) are empty.

pub mod control_plane;
pub mod pki;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use self::control_plane::ControlPlane;

const START_ATTEMPTS: u32 = 5;

/// A running API server. It listens on 127.0.0.1 only.
pub struct KubeApiserver {
    control_plane: ControlPlane,
    /// Removed after the processes that write to it.
    _dir: TempDir,
}

impl KubeApiserver {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// When it cannot; the message holds the end of the log.
    pub fn start() -> Self {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let dir = tempfile::tempdir().expect("make a temporary folder");
            match ControlPlane::start(dir.path(), control_plane::for_tests()) {
                Ok(control_plane) => return Self { control_plane, _dir: dir },
                // Somebody was quicker than we with a port that was free.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && attempts < START_ATTEMPTS => {}
                Err(error) => panic!("cannot start a kube-apiserver: {error}"),
            }
        }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.control_plane.url()
    }

    /// The kubeconfig file of a user who may do everything (`system:masters`).
    pub fn kubeconfig_path(&self) -> &Path {
        self.control_plane.admin_kubeconfig()
    }

    /// The text of that file. Its certificates are paths, valid until drop.
    pub fn kubeconfig(&self) -> String {
        fs::read_to_string(self.kubeconfig_path()).expect("read the kubeconfig file")
    }

    /// Makes the kubeconfig file of another user, who may do what RBAC says of
    /// this name and this group.
    pub fn kubeconfig_of(&self, user: &str, group: Option<&str>) -> PathBuf {
        let pki = self.control_plane.pki();
        pki.kubeconfig(&self.url(), user, group).expect("write a kubeconfig file")
    }

    /// Makes the kubeconfig file of a service account that exists, with a real
    /// token of one hour.
    ///
    /// # Panics
    /// When there is no such service account.
    pub fn kubeconfig_of_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self
            .kubectl(&["--namespace", namespace, "create", "token", name])
            .expect("make a token for a service account");
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let pki = self.control_plane.pki();
        pki.kubeconfig_with_token(&self.url(), &user, token.trim())
            .expect("write a kubeconfig file")
    }

    /// Runs `kubectl` as the administrator and gives what it printed.
    ///
    /// # Errors
    /// What it printed when it failed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        run(self.control_plane.kubectl().args(args), "")
    }

    /// Runs `kubectl apply --server-side -f -` on these YAML documents.
    ///
    /// # Errors
    /// What it printed when it failed.
    pub fn apply(&self, yaml: &str) -> Result<String, String> {
        let mut command = self.control_plane.kubectl();
        run(command.args(["apply", "--server-side", "-f", "-"]), yaml)
    }

    /// Kills the API server as an outage would; what it stored stays in etcd.
    pub fn kill(&mut self) {
        self.control_plane.kill_apiserver();
    }
}

fn run(command: &mut Command, stdin: &str) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start kubectl: {error}"))?;
    // kubectl may end without having read everything; its exit code tells.
    let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().map_err(|error| format!("kubectl: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
