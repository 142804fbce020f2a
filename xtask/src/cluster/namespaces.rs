//! The cluster's own network and its own view of a few folders.
//!
//! ```text
//! the machine                  the node's network namespace
//! lanner1c0ffee1 10.231.9.1 ── node0 10.231.9.2 ── pods 10.77.0.0/24
//! ```

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::place::Place;
use crate::run::output_of;

/// The pods' addresses, which nobody but the node knows.
pub(super) const POD_RANGE: &str = "10.77.0.0/24";

const NODE_LINK: &str = "node0";
const LINK_MAX: Duration = Duration::from_secs(10);

/// Folders of the machine that the node gets its own of, and their names in the
/// cluster's folder.
const FOLDERS: [(&str, &str); 3] =
    [("/run", "run"), ("/var/lib", "var-lib"), ("/var/log", "var-log")];

/// The kernel's settings that a kubelet makes for its whole machine. Here it
/// finds them made, in files of ours, and leaves the machine's alone.
const KUBELET_SETTINGS: [(&str, &str); 7] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
    ("kernel/keys/maxkeys", "200"),
];

/// Refuses a folder that the node would not see.
pub(super) fn check(place: &Place) -> anyhow::Result<()> {
    let dir = place.dir();
    for (folder, _name) in FOLDERS {
        // `/var/run` and the like: what counts is where it leads to.
        let folder = Path::new(folder).canonicalize().unwrap_or_else(|_| folder.into());
        anyhow::ensure!(
            !dir.starts_with(&folder),
            "{} cannot hold a cluster: it lies in {}, of which the node has its own",
            dir.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Gives this process, which has a mount namespace of its own, the node's
/// folders from `dir`.
pub(super) fn mount_folders(dir: &Path) -> anyhow::Result<()> {
    // Volumes that share their mounts need it, and nobody outside shares ours.
    output_of(Command::new("mount").args(["--make-rshared", "/"]))?;
    let settings = dir.join("kernel");
    for (name, value) in KUBELET_SETTINGS {
        let file = settings.join(name);
        let target = Path::new("/proc/sys").join(name);
        if target.exists() {
            fs::create_dir_all(file.parent().context("a setting lies in a folder")?)?;
            fs::write(&file, value)?;
            bind(&file, &target)?;
        }
    }
    for (target, name) in FOLDERS {
        let source = dir.join(name);
        fs::create_dir_all(&source)?;
        bind(&source, Path::new(target))?;
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> anyhow::Result<()> {
    output_of(Command::new("mount").arg("--bind").arg(source).arg(target)).map(drop)
}

/// Whether that process has left our network namespace.
pub(super) fn has_own_network(pid: u32) -> bool {
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let theirs = network(&pid.to_string());
    theirs.is_some() && theirs != network("self")
}

/// Connects the machine to the network namespace of that process.
pub(super) fn connect(place: &Place, pid: u32) -> anyhow::Result<()> {
    let (link, address) = (place.link(), place.machine_address());
    ip(&format!("link add {link} type veth peer name {NODE_LINK} netns {pid}"))?;
    ip(&format!("address add {address}/30 dev {link}"))?;
    ip(&format!("link set {link} up"))
}

/// Removes the machine's end of the connection. The kernel does so when the
/// network namespace goes, which is a moment after its last process.
pub(super) fn disconnect(place: &Place) -> anyhow::Result<()> {
    let link = place.link();
    let exists = || Path::new("/sys/class/net").join(&link).exists();
    if !exists() {
        return Ok(());
    }
    match ip(&format!("link delete {link}")) {
        Err(_error) if !exists() => Ok(()),
        result => result,
    }
}

/// Sets up the node's end, once it is there.
pub(super) fn set_up_node_network(place: &Place) -> anyhow::Result<()> {
    ip("link set lo up")?;
    let started = Instant::now();
    while ip(&format!("link show {NODE_LINK}")).is_err() {
        anyhow::ensure!(started.elapsed() < LINK_MAX, "nobody connected the node's network");
        thread::sleep(Duration::from_millis(20));
    }
    ip(&format!("address add {}/30 dev {NODE_LINK}", place.node_address()))?;
    ip(&format!("link set {NODE_LINK} up"))?;
    ip(&format!("route add default via {}", place.machine_address()))?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot let the node route")
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    output_of(Command::new("ip").args(arguments.split(' '))).map(drop)
}
