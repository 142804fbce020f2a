//! Clusters of one real node, which take root.

mod bus;
mod detection;
mod isolation;
mod lifecycle;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lanner_testkit::programs::Program;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Several clusters may run side by side, but on two cores each waits too long
/// for its pods then.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static RUNS: Mutex<()> = Mutex::new(());
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `cargo xtask cluster` on a folder of the test's own.
pub(crate) struct Xtask {
    pub(crate) dir: PathBuf,
}

impl Xtask {
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanner-xtask"));
        output(command.args(args))
    }

    pub(crate) fn cluster(&self, args: &[&str]) -> Result<String, String> {
        self.run(&[&["cluster", "--dir", self.dir.to_str().unwrap()], args].concat())
    }

    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(Program::Kubectl.path());
        command.arg("--kubeconfig").arg(self.dir.join("pki/admin.kubeconfig"));
        output(command.args(args))
    }
}

impl Drop for Xtask {
    fn drop(&mut self) {
        if let Err(error) = self.cluster(&["down"]) {
            eprintln!("the cluster of this test is not gone: {error}");
        }
    }
}

pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}
