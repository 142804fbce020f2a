//! A container as the kernel and the sensor see one: processes in control
//! groups named as containerd names them, with processes, mounts and a file
//! system of their own.
//!
//! Its files are those of the host, read-only below an overlay whose upper layer
//! is in memory: whatever is written in it is gone with its last process.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::sched::CloneFlags;
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    io::Errno,
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
    },
    process::{chdir, pivot_root},
};

use super::told::Orders;

/// Who holds our containers' control groups.
const PARENT: &str = "lanner-generate";

/// How long the last process of a container may take to be gone.
const EMPTY_MAX: Duration = Duration::from_secs(5);

/// The control groups of one container, one in each hierarchy. Gone on drop.
pub(super) struct Groups {
    id: String,
    paths: Vec<PathBuf>,
}

impl Groups {
    /// Makes the groups of the container with this id, of 64 hexadecimal digits.
    pub(super) fn make(id: String) -> anyhow::Result<Self> {
        let mut made = Self { id, paths: Vec::new() };
        for hierarchy in hierarchies()? {
            let group = hierarchy.join(PARENT).join(format!("cri-containerd-{}.scope", made.id));
            fs::create_dir_all(&group)
                .with_context(|| format!("cannot make {}", group.display()))?;
            made.paths.push(group);
        }
        Ok(made)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let started = Instant::now();
        for path in &self.paths {
            // A process that is being killed still keeps it.
            while let Err(error) = fs::remove_dir(path)
                && error.kind() == io::ErrorKind::ResourceBusy
                && started.elapsed() < EMPTY_MAX
            {
                thread::sleep(Duration::from_millis(5));
            }
            // Another run's container may be in it.
            let _ = path.parent().map(fs::remove_dir);
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

/// Makes this process the one outside of the container, as a runtime's shim is:
/// its children are in it, and the first of them is its process 1.
pub(super) fn make(orders: &Orders, groups: &[PathBuf]) -> anyhow::Result<()> {
    for group in groups {
        let file = group.join("cgroup.procs");
        fs::write(&file, "0").with_context(|| format!("cannot join {}", group.display()))?;
    }
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    nix::sched::unshare(flags).context("cannot make namespaces")?;
    // Before anything else: no mount of ours may show outside.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("cannot make the mounts private")?;

    let memory = orders.run_folder.join("memory");
    fs::create_dir_all(&memory).context("cannot make a folder")?;
    mount("lanner-generate", &memory, "tmpfs", MountFlags::NODEV, c"mode=0755")
        .context("cannot mount a file system in memory")?;
    for layer in ["upper", "work", "root"] {
        fs::create_dir(memory.join(layer)).context("cannot make a layer")?;
    }
    let options = format!(
        "lowerdir=/,upperdir={0}/upper,workdir={0}/work",
        // The path is ours: no comma or colon is in it.
        memory.display()
    );
    let options = std::ffi::CString::new(options).context("a path without a zero byte")?;
    mount("overlay", root(orders), "overlay", MountFlags::empty(), options.as_c_str())
        .context("cannot mount an overlay")
}

fn root(orders: &Orders) -> PathBuf {
    orders.run_folder.join("memory/root")
}

/// Makes this process, the container's first, see nothing but the container.
pub(super) fn enter(orders: &Orders) -> anyhow::Result<()> {
    let root = root(orders);
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let none = MountFlags::empty();

    fs::create_dir_all(inside("/proc")).context("cannot make /proc")?;
    mount("proc", inside("/proc"), "proc", none, None).context("cannot mount /proc")?;
    fs::create_dir_all(inside("/dev")).context("cannot make /dev")?;
    mount("dev", inside("/dev"), "tmpfs", MountFlags::NOSUID, c"mode=0755")
        .context("cannot mount /dev")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let (from, to) = (Path::new("/dev").join(device), inside("/dev").join(device));
        mknodat(CWD, &to, FileType::RegularFile, Mode::from_raw_mode(0o666), 0)
            .context("cannot make a device's place")?;
        mount_bind(from, to).with_context(|| format!("cannot bind /dev/{device}"))?;
    }
    symlink("/proc/self/fd", inside("/dev/fd")).context("cannot link /dev/fd")?;
    for folder in ["/tmp", "/var/log"] {
        fs::create_dir_all(inside(folder)).with_context(|| format!("cannot make {folder}"))?;
    }
    // Our programs and the socket, by the same path as outside.
    let folder = inside(&orders.run_folder.to_string_lossy());
    fs::create_dir_all(&folder).context("cannot make the run folder's place")?;
    mount_bind(&orders.run_folder, &folder).context("cannot bind the run folder")?;

    chdir(&root).context("cannot go to the container's root")?;
    // The old root lies over the new one, and is taken off.
    pivot_root(".", ".").context("cannot change the root")?;
    unmount(".", UnmountFlags::DETACH).context("cannot take off the old root")?;
    match chdir("/") {
        Err(error) if error != Errno::NOENT => Err(error).context("cannot go to /"),
        _ => Ok(()),
    }
}
