//! A container as the kernel sees it: processes in a control group whose path
//! is one that containerd gives.

use std::process::{Command, Stdio};

use anyhow::Context as _;
use lanner_testkit::control_groups::ControlGroups;

use crate::run::output_of;

/// Gone on drop.
pub(crate) struct Container(ControlGroups);

impl Container {
    /// Makes the groups of the container with this id. Takes root.
    pub(crate) fn make(id: &str) -> anyhow::Result<Self> {
        let groups = ControlGroups::make(&format!("lanner-demo/cri-containerd-{id}.scope"));
        groups.context("cannot make control groups").map(Self)
    }

    /// Runs a shell in it that runs `command`, and waits for its end.
    pub(crate) fn run(&self, command: &str) -> anyhow::Result<()> {
        let joins = self.0.joining_commands();
        // The second shell is the one in the container: the first joins the groups.
        output_of(
            Command::new("/bin/sh")
                .args(["-c", &format!("{joins} exec /bin/sh -c '{command}; true'")])
                .stderr(Stdio::null()),
        )
        .map(drop)
    }
}
