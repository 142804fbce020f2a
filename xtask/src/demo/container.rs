//! A container as the kernel sees it: processes in a control group whose path
//! is one that containerd gives.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::run::output_of;

const PARENT: &str = "lanner-demo";

/// The control groups of one container, one in each hierarchy. Gone on drop.
pub(crate) struct Container {
    groups: Vec<PathBuf>,
}

impl Container {
    /// Makes the groups of the container with this id. Takes root.
    pub(crate) fn make(id: &str) -> anyhow::Result<Self> {
        let mut made = Self { groups: Vec::new() };
        for hierarchy in hierarchies()? {
            let group = hierarchy.join(PARENT).join(format!("cri-containerd-{id}.scope"));
            fs::create_dir_all(&group)
                .with_context(|| format!("cannot make {}", group.display()))?;
            made.groups.push(group);
        }
        Ok(made)
    }

    /// Runs a shell in it that runs `command`, and waits for its end.
    pub(crate) fn run(&self, command: &str) -> anyhow::Result<()> {
        let joins: String = self
            .groups
            .iter()
            .map(|group| format!("echo 0 > '{}/cgroup.procs' || exit 1; ", group.display()))
            .collect();
        // The second shell is the one in the container: the first joins the groups.
        output_of(
            Command::new("/bin/sh")
                .args(["-c", &format!("{joins} exec /bin/sh -c '{command}; true'")])
                .stderr(Stdio::null()),
        )
        .map(drop)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for group in &self.groups {
            // A process that still ends keeps it; the next demo removes it then.
            let _ = fs::remove_dir(group);
            let _ = group.parent().map(fs::remove_dir);
        }
    }
}

/// Where the machine's control groups are mounted: one place with cgroup v2,
/// many with v1.
fn hierarchies() -> anyhow::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    let found = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        // A cpuset of v1 takes nobody before it is set up, and names no container better.
        let usable = kind.starts_with("cgroup") && !place.ends_with("/cpuset");
        usable.then(|| Path::new(place).to_owned())
    });
    let found: Vec<PathBuf> = found.collect();
    anyhow::ensure!(!found.is_empty(), "no control groups are mounted");
    Ok(found)
}
