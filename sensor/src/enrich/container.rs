//! The container that a control group belongs to, told by its path.
//!
//! Each runtime names the group after the container's 64 hexadecimal digits:
//!
//! ```text
//! docker      /docker/ID                      /system.slice/docker-ID.scope
//! containerd  /kubepods/burstable/podUID/ID   /kubepods.slice/…/cri-containerd-ID.scope
//!             /system.slice/containerd.service/kubepods-….slice:cri-containerd:ID
//! CRI-O       /kubepods/besteffort/podUID/crio-ID    /kubepods.slice/…/crio-ID.scope
//! Podman      /machine.slice/libpod-ID.scope[/container]   /libpod_parent/libpod-ID
//! ```
//!
//! CRI-O's monitor has a group of the same look, `crio-conmon-ID.scope`, in the
//! pod's slice; it is not in the container.

/// Which runtime's naming was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    Containerd,
    Crio,
    Podman,
    /// The naming does not tell: kubelet's own driver, or a plain `/ID`.
    Other,
}

impl Runtime {
    /// Falco's `container.type`, where the path tells it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Docker => Some("docker"),
            Self::Containerd => Some("containerd"),
            Self::Crio => Some("cri-o"),
            Self::Podman => Some("podman"),
            Self::Other => None,
        }
    }
}

/// A container as the control group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerId {
    /// 64 lower-case hexadecimal digits.
    pub full: String,
    pub runtime: Runtime,
}

/// How much of the id Falco shows.
const SHORT_LEN: usize = 12;
const ID_LEN: usize = 64;

impl ContainerId {
    /// Falco's `container.id`.
    pub fn short(&self) -> &str {
        self.full.get(..SHORT_LEN).unwrap_or(&self.full)
    }
}

/// The container that the group at `path` is, or is inside of.
///
/// The outermost one of the kubelet's, or else the outermost of all: a process
/// that may make groups below its own can call them as it likes, and must not
/// pass for another container. A runtime within a container is that container.
pub fn container_of_path(path: &str) -> Option<ContainerId> {
    // The kubelet's node may itself be a container, as kind makes them.
    let of_kubelet = path.split_once("kubepods").map(|(_, below)| below);
    let mut before = "";
    for part in of_kubelet.unwrap_or(path).split('/') {
        if let Some(mut found) = container_of_part(part) {
            if found.runtime == Runtime::Other && before == "docker" {
                found.runtime = Runtime::Docker;
            }
            return Some(found);
        }
        before = part;
    }
    None
}

/// The first container that the lines of `/proc/PID/cgroup` name.
pub fn container_of_proc(lines: &str) -> Option<ContainerId> {
    // hierarchy:controllers:path, and the path may hold colons itself
    lines.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(container_of_path)
}

fn container_of_part(part: &str) -> Option<ContainerId> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = name.split_at_checked(name.len().checked_sub(ID_LEN)?)?;
    let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id {
        return None;
    }
    let runtime = match prefix {
        "" => Runtime::Other,
        "docker-" => Runtime::Docker,
        "cri-containerd-" | "nerdctl-" => Runtime::Containerd,
        "crio-" => Runtime::Crio,
        "libpod-" | "libpod-payload-" => Runtime::Podman,
        _ if prefix.ends_with(":cri-containerd:") || prefix.ends_with(":nerdctl:") => {
            Runtime::Containerd
        }
        _ if prefix.ends_with(":crio:") => Runtime::Crio,
        _ if prefix.ends_with(":docker:") => Runtime::Docker,
        _ => return None,
    };
    Some(ContainerId { full: id.to_owned(), runtime })
}
