//! The cluster's cgroup: everything that runs for it is in there, whoever
//! started it, so that everything can be found and ended.
//!
//! ```text
//! lanner-1c0ffee1/node      the supervisor and all it starts, containers' shims too
//! lanner-1c0ffee1/kubepods  the pods, made by the kubelet
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

const KILL_MAX: Duration = Duration::from_secs(30);

/// Makes the cgroup and moves this process into it.
pub(super) fn enter(name: &str) -> anyhow::Result<()> {
    let hierarchies = hierarchies()?;
    anyhow::ensure!(!hierarchies.is_empty(), "no cgroup hierarchy is mounted");
    let mut entered = false;
    for hierarchy in hierarchies {
        let dir = hierarchy.join(name);
        let node = dir.join("node");
        fs::create_dir_all(&node).with_context(|| format!("cannot make {}", node.display()))?;
        // Version 1's cpuset takes nobody before it has processors: one
        // hierarchy that takes us is enough to be found.
        entered |= fs::write(node.join("cgroup.procs"), process::id().to_string()).is_ok();
    }
    anyhow::ensure!(entered, "no cgroup hierarchy lets this process in");
    Ok(())
}

/// Moves this process out again, so that the cgroup can go before it does.
pub(super) fn leave() -> anyhow::Result<()> {
    for hierarchy in hierarchies()? {
        // Where we are not in the cgroup we need not leave it.
        let _ = fs::write(hierarchy.join("cgroup.procs"), process::id().to_string());
    }
    Ok(())
}

/// All processes in it, but not this one.
pub(super) fn processes(name: &str) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for hierarchy in hierarchies()? {
        for dir in with_children(&hierarchy.join(name)) {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)));
        }
    }
    let own = rustix::process::getpid();
    found.retain(|pid| *pid != own);
    found.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
    found.dedup();
    Ok(found)
}

/// Kills all processes in it, again and again until none is left, and removes
/// it.
pub(super) fn kill_and_remove(name: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let processes = processes(name)?;
        for pid in &processes {
            // It may have ended by itself just now.
            let _ = kill_process(*pid, Signal::KILL);
        }
        if processes.is_empty() && remove(name)? {
            return Ok(());
        }
        anyhow::ensure!(
            started.elapsed() < KILL_MAX,
            "processes of the local cluster do not end: {processes:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether nothing is left of it.
fn remove(name: &str) -> anyhow::Result<bool> {
    let mut all_gone = true;
    for hierarchy in hierarchies()? {
        // Children come after their parents in the list.
        for dir in with_children(&hierarchy.join(name)).iter().rev() {
            match fs::remove_dir(dir) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => all_gone = false,
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
                }
            }
        }
    }
    Ok(all_gone)
}

/// The folder and all folders below it, each before its children.
fn with_children(dir: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        let children = entries.flatten().map(|entry| entry.path());
        open.extend(children.filter(|path| path.is_dir()));
        dirs.push(dir);
    }
    dirs
}

/// Where cgroups are mounted: one place on a system with version 2 only, a
/// dozen with version 1 or both.
fn hierarchies() -> anyhow::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read our mounts")?;
    let mut dirs: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_device, dir, kind) = (fields.next()?, fields.next()?, fields.next()?);
            matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(dir))
        })
        .collect();
    dirs.sort();
    dirs.dedup();
    Ok(dirs)
}
