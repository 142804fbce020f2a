//! A control group that is named as containerd names those of its containers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// One in each hierarchy: one place with cgroup v2, many with v1. Gone on drop, like all that were
/// in it by then.
pub(crate) struct ContainerGroup {
    paths: Vec<PathBuf>,
}

impl ContainerGroup {
    pub(crate) fn make() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("cri-containerd-{now:032x}{:032x}.scope", std::process::id());
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let hierarchies = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            // A cpuset of v1 takes nobody before it is set up.
            let usable = kind.starts_with("cgroup") && !place.ends_with("/cpuset");
            usable.then(|| Path::new(place).join(&name))
        });
        let paths: Vec<_> = hierarchies.collect();
        assert!(!paths.is_empty(), "no control groups are mounted");
        paths.iter().for_each(|path| fs::create_dir(path).unwrap());
        Self { paths }
    }

    /// What a shell does to be in it.
    pub(crate) fn enter(&self) -> String {
        let paths = self.paths.iter().map(|path| path.display().to_string());
        let paths = paths.collect::<Vec<_>>().join(" ");
        format!("for group in {paths}; do echo 0 > $group/cgroup.procs; done")
    }
}

impl Drop for ContainerGroup {
    fn drop(&mut self) {
        for path in &self.paths {
            // One that a failed test left somebody in stays.
            let _ = fs::remove_dir(path);
        }
    }
}
