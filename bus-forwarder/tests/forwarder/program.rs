//! The real program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use lanner_testkit::{eventually, process::Process};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, SOON};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_lanner-forwarder");

/// `lanner-forwarder run`, killed on drop.
pub(crate) struct Program {
    process: Process,
}

impl Program {
    pub(crate) fn run(rig: &Rig, inputs: &str, rest: &str) -> Self {
        let config = write_config(rig, inputs, rest);
        let log = rig.dir.path().join("forwarder.log");
        let args = ["run".into(), "--config".into(), config.into_os_string()];
        Self { process: Process::spawn(Path::new(PROGRAM), args, &log) }
    }

    pub(crate) fn kill_9(&mut self) {
        self.process.kill();
    }

    /// As `systemctl stop` and the kubelet do.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        eventually("the program ends", SOON, || self.process.exit_status())
    }

    pub(crate) fn log(&self) -> String {
        self.process.log_tail()
    }
}

pub(crate) fn write_config(rig: &Rig, inputs: &str, rest: &str) -> PathBuf {
    let path = rig.dir.path().join("forwarder.yaml");
    fs::write(&path, rig.yaml(inputs, rest)).unwrap();
    path
}
