//! The control groups of a container, which is what the kernel knows of one. Takes root.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One group in each hierarchy. Gone on drop.
#[derive(Debug)]
pub struct ControlGroups(Vec<PathBuf>);

impl ControlGroups {
    /// Makes those called `name`, a group of our own and in it the container's:
    /// `lanner-demo/cri-containerd-ID.scope`.
    ///
    /// # Errors
    /// When no control groups are mounted, or the kernel refuses.
    pub fn make(name: &str) -> io::Result<Self> {
        let mut made = Self(Vec::new());
        for hierarchy in hierarchies()? {
            let group = hierarchy.join(name);
            fs::create_dir_all(&group)?;
            made.0.push(group);
        }
        Ok(made)
    }

    /// What a shell does to join them, with all that it starts from then on.
    pub fn joining_commands(&self) -> String {
        let join =
            |group: &PathBuf| format!("echo 0 > '{}/cgroup.procs' || exit 1; ", group.display());
        self.0.iter().map(join).collect()
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        for group in &self.0 {
            // A process that still ends keeps it; the next one removes it then.
            let _ = fs::remove_dir(group);
            let _ = group.parent().map(fs::remove_dir);
        }
    }
}

/// Where the machine's control groups are mounted: one place with cgroup v2,
/// many with v1.
fn hierarchies() -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let found = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        // A cpuset of v1 takes nobody before it is set up, and names no container better.
        let usable = kind.starts_with("cgroup") && !place.ends_with("/cpuset");
        usable.then(|| Path::new(place).to_owned())
    });
    let found: Vec<PathBuf> = found.collect();
    match found.is_empty() {
        true => Err(io::Error::other("no control groups are mounted")),
        false => Ok(found),
    }
}
