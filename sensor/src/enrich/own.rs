//! The sensor's own container and pod, whose processes are not reported.
//!
//! A rule that matched us would match again for each alert that we send. Left out is who
//! descends from the first process of one of our containers, and nobody else: who moves
//! into our control group, or enters our namespaces, is looked at like all others. That a
//! first process is ours is known of this process, and of another one if the runtime says
//! that it is the first of a container of our pod. No name, image or group counts. Without
//! containers there is nothing to find: the kernel side leaves out the sensor's own
//! process in any case.
//!
//! The container is ours if we are its first process. A sensor that somebody starts in a
//! container that is there for something else watches all of it.

use std::{path::Path, sync::Arc};

use super::{
    container::{ContainerId, Groups},
    entry::Entry,
    metadata::ContainerInfo,
    process::ProcessKey,
    procfs::Procfs,
};

/// Whose processes are not reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    container: Option<String>,
    /// The forwarder is in another container of the same pod.
    pod_uid: Option<String>,
    /// This process, by its id in the `/proc` that we see.
    process: Option<ProcessKey>,
}

/// Files that a runtime mounts into each container, from places that bear its id.
const MOUNTED: [&str; 4] =
    ["/etc/hosts", "/dev/termination-log", "/etc/hostname", "/etc/resolv.conf"];

impl Own {
    /// Looks at our own process in `/proc`.
    pub fn find(reading: Groups) -> Self {
        let read = |file: &str| std::fs::read_to_string(Path::new("/proc").join(file));
        let parent = std::os::unix::process::parent_id();
        let of_parent = read(&format!("{parent}/cgroup")).unwrap_or_default();
        let (groups, mounts) = (read("self/cgroup"), read("self/mountinfo"));
        // Nobody we see started us: we are number 1. Or it was somebody outside.
        if parent != 0 && Some(&of_parent) == groups.as_ref().ok() {
            return Self::default();
        }
        let own = Self::of(reading, &groups.unwrap_or_default(), &mounts.unwrap_or_default());
        let process = Procfs::default().process(std::process::id());
        Self { process: process.map(|process| process.key), ..own }
    }

    /// From the text of `/proc/PID/cgroup`, or, where a namespace hides the groups, of
    /// `/proc/PID/mountinfo`.
    pub fn of(reading: Groups, groups: &str, mounts: &str) -> Self {
        let container = reading.container_of_proc(groups).filter(|found| found.is_certain);
        if let Some(ContainerId { full, pod_uid, .. }) = container {
            return Self { container: Some(full), pod_uid, process: None };
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

    /// Whether a process is one of ours. `info` asks what the runtime knows of `container`.
    pub fn has(
        &self,
        container: &ContainerId,
        entry: &Entry,
        info: impl FnOnce() -> Option<Arc<ContainerInfo>>,
    ) -> bool {
        // Who came by the runtime's exec looks at us.
        let Entry::Started { container: started_in, first } = entry else { return false };
        let is_ours = self.container.as_ref() == Some(&container.full);
        let is_beside = self.pod_uid.is_some() && self.pod_uid == container.pod_uid;
        if **started_in != *container.full || !(is_ours || is_beside) {
            return false;
        }
        if is_ours && Some(*first) == self.process {
            return true;
        }
        let Some(info) = info() else { return false };
        let pod_uid = info.pod.as_ref().map(|pod| &pod.uid);
        info.pid == Some(first.pid)
            && (is_ours || pod_uid.is_some() && pod_uid == self.pod_uid.as_ref())
    }
}

fn is_hexadecimal(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    lengths.contains(&text.len()) && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ContainerInfo, Own, ProcessKey};
    use crate::enrich::{
        container::{ContainerId, Groups, Runtime},
        entry::Entry,
        metadata::PodInfo,
    };

    const POD: &str = "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa";
    const SENSOR: ProcessKey = ProcessKey { pid: 70, start_ticks: 700 };
    const FORWARDER: ProcessKey = ProcessKey { pid: 80, start_ticks: 800 };

    fn id() -> String {
        "c".repeat(64)
    }

    fn own(groups: &str, mounts: &str) -> Own {
        Own::of(Groups::default(), groups, mounts)
    }

    #[track_caller]
    fn check(groups: &str, mounts: &str, container: Option<&str>, pod: Option<&str>) {
        let (container, pod_uid) = (container.map(str::to_owned), pod.map(str::to_owned));
        assert_eq!(own(groups, mounts), Own { container, pod_uid, process: None });
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

    /// The sensor in its container.
    fn sensor() -> Own {
        Own { process: Some(SENSOR), ..own(&format!("0::/kubepods/pod{POD}/{}\n", id()), "") }
    }

    fn container(digit: &str) -> ContainerId {
        let path = format!("/kubepods/pod{POD}/{}", digit.repeat(64));
        Groups::default().container_of_path(&path).unwrap()
    }

    fn started(container: &ContainerId, first: ProcessKey) -> Entry {
        Entry::Started { container: container.full.as_str().into(), first }
    }

    /// What a runtime says of a container whose first process has this id.
    fn told(pid: u32, pod: Option<&str>) -> Option<Arc<ContainerInfo>> {
        let pod = pod.map(|uid| PodInfo { uid: uid.to_owned(), ..PodInfo::default() });
        Some(Arc::new(ContainerInfo { pid: Some(pid), pod, ..ContainerInfo::default() }))
    }

    #[test]
    fn who_descends_from_our_first_processes_is_left_out() {
        let (own, here, beside) = (sensor(), container("c"), container("d"));
        assert!(own.has(&here, &started(&here, SENSOR), || None));
        // Without the host's process ids the runtime knows ours.
        let own_ids = Own { process: Some(ProcessKey { pid: 1, ..SENSOR }), ..sensor() };
        assert!(own_ids.has(&here, &started(&here, SENSOR), || told(70, Some(POD))));
        assert!(own.has(&beside, &started(&beside, FORWARDER), || told(80, Some(POD))));
    }

    #[test]
    fn nobody_else_is_left_out() {
        let (own, here, beside) = (sensor(), container("c"), container("d"));
        let no = |container: &ContainerId, entry: &Entry, info: Option<Arc<ContainerInfo>>| {
            assert!(!own.has(container, entry, || info), "{entry:?}");
        };
        // Who moved into our control group, and who came by the runtime's exec.
        no(&here, &Entry::Outside, told(70, Some(POD)));
        no(&here, &started(&beside, SENSOR), told(70, Some(POD)));
        let entered =
            Entry::Entered { container: id().into(), session: "s".into(), is_probe: false };
        no(&here, &entered, told(70, Some(POD)));
        // Number 1 of process ids that somebody made for himself.
        no(&here, &started(&here, FORWARDER), told(70, Some(POD)));
        no(&here, &started(&here, ProcessKey { start_ticks: 9, ..SENSOR }), None);
        // A group that bears our pod's uid, and of which no runtime says that it is our pod's.
        no(&beside, &started(&beside, FORWARDER), None);
        no(&beside, &started(&beside, FORWARDER), told(80, None));
        no(&beside, &started(&beside, FORWARDER), told(80, Some("another")));
        no(&beside, &started(&beside, FORWARDER), told(81, Some(POD)));
        let other = ContainerId::new(&"e".repeat(64), Runtime::Docker);
        no(&other, &started(&other, SENSOR), told(70, Some(POD)));
        // Who found nothing leaves nothing out.
        let nothing = Own::default();
        assert!(!nothing.has(&other, &started(&other, SENSOR), || told(70, None)));
    }
}
