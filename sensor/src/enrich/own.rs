//! The sensor's own container and pod, whose processes are not reported.
//!
//! A rule that matched us would match again for each alert that we send. Known by ids
//! that nobody in a container can choose, never by a name or an image. Without
//! containers there is nothing to find: the kernel side leaves out the sensor's own
//! process in any case.
//!
//! The container is ours if we are its first process. A sensor that somebody starts in a
//! container that is there for something else watches all of it.

use std::path::Path;

use super::{
    container::{ContainerId, container_of_proc},
    entry::Entry,
};

/// Whose processes are not reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    container: Option<String>,
    /// The forwarder is in another container of the same pod.
    pod_uid: Option<String>,
}

/// Files that a runtime mounts into each container, from places that bear its id.
const MOUNTED: [&str; 4] =
    ["/etc/hosts", "/dev/termination-log", "/etc/hostname", "/etc/resolv.conf"];

impl Own {
    /// Looks at our own process in `/proc`.
    pub fn find() -> Self {
        let read = |file: &str| std::fs::read_to_string(Path::new("/proc").join(file));
        let parent = std::os::unix::process::parent_id();
        let of_parent = read(&format!("{parent}/cgroup")).unwrap_or_default();
        let (groups, mounts) = (read("self/cgroup"), read("self/mountinfo"));
        // Nobody we see started us: we are number 1. Or it was somebody outside.
        if parent != 0 && Some(&of_parent) == groups.as_ref().ok() {
            return Self::default();
        }
        Self::of(&groups.unwrap_or_default(), &mounts.unwrap_or_default())
    }

    /// From the text of `/proc/PID/cgroup`, or, where a namespace hides the groups, of
    /// `/proc/PID/mountinfo`.
    pub fn of(groups: &str, mounts: &str) -> Self {
        if let Some(container) = container_of_proc(groups).filter(|found| found.is_certain) {
            return Self { container: Some(container.full), pod_uid: container.pod_uid };
        }
        let mut own = Self::default();
        for line in mounts.lines() {
            // id, parent, device, path in its file system, mount point (proc(5))
            let mut columns = line.split(' ').skip(3);
            let (Some(from), Some(at)) = (columns.next(), columns.next()) else { continue };
            if !MOUNTED.contains(&at) {
                continue;
            }
            let behind = |name| from.split_once(name)?.1.split('/').next();
            let pod = behind("/pods/").filter(|uid| is_hexadecimal(uid, 32..=36));
            own.pod_uid = own.pod_uid.or(pod.map(str::to_owned));
            let container = behind("/containers/").filter(|id| is_hexadecimal(id, 64..=64));
            own.container = own.container.or(container.map(str::to_owned));
        }
        own
    }

    /// Whether a process is one of ours. Who came by the runtime's exec is not: somebody
    /// looks at us.
    pub fn has(&self, container: &ContainerId, entry: &Entry) -> bool {
        let is_same =
            |own: &Option<String>, of: Option<&String>| own.is_some() && own.as_ref() == of;
        let is_here = is_same(&self.container, Some(&container.full))
            || is_same(&self.pod_uid, container.pod_uid.as_ref());
        is_here && !matches!(entry, Entry::Entered { .. })
    }
}

fn is_hexadecimal(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    lengths.contains(&text.len()) && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::Own;
    use crate::enrich::{
        container::{ContainerId, Runtime, container_of_path},
        entry::Entry,
    };

    const POD: &str = "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa";
    const STARTED: Entry = Entry::Outside;

    fn id() -> String {
        "c".repeat(64)
    }

    #[track_caller]
    fn check(groups: &str, mounts: &str, container: Option<&str>, pod: Option<&str>) {
        let expected =
            Own { container: container.map(str::to_owned), pod_uid: pod.map(str::to_owned) };
        assert_eq!(Own::of(groups, mounts), expected);
    }

    #[test]
    fn our_ids_are_in_our_groups_or_our_mounts() {
        let id = id();
        check(&format!("0::/kubepods/pod{POD}/{id}\n"), "", Some(&id), Some(POD));
        check(&format!("0::/docker/{id}\n"), "", Some(&id), None);
        let kubelet = format!(
            "612 600 254:1 /var/lib/kubelet/pods/{POD}/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw"
        );
        check("0::/\n", &kubelet, None, Some(POD));
        let docker = format!(
            "612 600 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 x rw"
        );
        check("0::/\n", &docker, Some(&id), None);
    }

    #[test]
    fn a_node_has_the_mounts_of_all_pods_and_is_none() {
        let volume = format!(
            "612 600 0:99 / /var/lib/kubelet/pods/{POD}/volumes/x rw - tmpfs tmpfs rw\n\
             613 600 0:99 /pods/{POD}/x /mnt rw - tmpfs tmpfs rw\nnonsense\n\n"
        );
        check("0::/system.slice/lanner-sensor.service\n", &volume, None, None);
        check("0::/a/b\n", "", None, None);
    }

    #[test]
    fn who_comes_in_by_exec_is_reported() {
        let own = Own::of(&format!("0::/kubepods/pod{POD}/{}\n", id()), "");
        let beside = format!("/kubepods/pod{POD}/{}", "d".repeat(64));
        let beside = container_of_path(&beside).unwrap();
        assert!(own.has(&beside, &STARTED));
        let container = beside.full.as_str().into();
        let entry = Entry::Entered { container, session: "s".into(), is_probe: false };
        assert!(!own.has(&beside, &entry));
        let other = ContainerId::new(&"e".repeat(64), Runtime::Docker);
        assert!(!own.has(&other, &STARTED));
        // Who found nothing leaves nothing out.
        assert!(!Own::default().has(&other, &STARTED));
    }
}
