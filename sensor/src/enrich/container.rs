//! The container that a control group belongs to, told by its path.
//!
//! Most runtimes name the group after the container's 64 hexadecimal digits, and
//! the others after the name that its owner gave it:
//!
//! ```text
//! docker      /docker/ID                      /system.slice/docker-ID.scope
//! containerd  /kubepods/burstable/podUID/ID   /kubepods.slice/…/cri-containerd-ID.scope
//!             /system.slice/containerd.service/kubepods-….slice:cri-containerd:ID
//!             /NAMESPACE/NAME (ctr)           /system.slice/nerdctl-ID.scope
//! CRI-O       /kubepods/besteffort/podUID/crio-ID    /kubepods.slice/…/crio-ID.scope
//! Podman      /machine.slice/libpod-ID.scope[/container]   /libpod_parent/libpod-ID
//!             ….service/libpod-payload-ID     (control groups split)
//! LXC         /lxc/NAME   /lxc.payload/NAME   /lxc.payload.NAME
//! libvirt     /machine.slice/machine-lxc\x2dNAME.scope   /NAME.libvirt-lxc   /libvirt/lxc/NAME
//! bpm         …/bpm-NAME.scope
//! ```
//!
//! The monitors of CRI-O and Podman have groups of the same look,
//! `crio-conmon-ID.scope` and `libpod-conmon-ID.scope`; they are not in the container.

/// Which runtime's naming was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    Containerd,
    Crio,
    Podman,
    Lxc,
    LibvirtLxc,
    Bpm,
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
            Self::Lxc => Some("lxc"),
            Self::LibvirtLxc => Some("libvirt-lxc"),
            Self::Bpm => Some("bpm"),
            Self::Other => None,
        }
    }
}

/// A container as the control group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerId {
    /// 64 lower-case hexadecimal digits; for runtimes that have none, the name: at
    /// most [`NAME_LEN_MAX`] ASCII letters, digits and `._-\`.
    pub full: String,
    pub runtime: Runtime,
    /// The uid of the pod whose group it is in, as the kubelet writes it there. For a
    /// static pod that is the hash of its manifest.
    pub pod_uid: Option<String>,
    /// Whether the path alone proves it. `/NAMESPACE/NAME` may be a container of `ctr`,
    /// or any group of the host's: only a process with process ids of its own is in one.
    pub is_certain: bool,
}

/// How much of the id Falco shows.
const SHORT_LEN: usize = 12;
const ID_LEN: usize = 64;

/// Most characters of an id that is a name.
pub const NAME_LEN_MAX: usize = 128;

/// containerd's own limit (`pkg/identifiers`) is 76; Falco's is the length of an id.
const CTR_NAME_LEN_MAX: usize = 64;

impl ContainerId {
    /// One whose id is `full`, by its runtime's naming.
    pub fn new(full: &str, runtime: Runtime) -> Self {
        Self { full: full.to_owned(), runtime, pod_uid: None, is_certain: true }
    }

    /// Falco's `container.id`.
    pub fn short(&self) -> &str {
        self.full.get(..SHORT_LEN).unwrap_or(&self.full)
    }
}

/// How paths of control groups are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups {
    /// Whether the groups of a kubelet count that are below a container, as those of kind's nodes
    /// are. Whoever may make groups in a container can make such ones, too.
    pub nested_kubernetes: bool,
}

impl Groups {
    /// The container that the group at `path` is, or is inside of.
    ///
    /// The outermost one: a process that may make groups below its own can call them as it
    /// likes, and must not pass for another container. A runtime within a container is that
    /// container.
    pub fn container_of_path(self, path: &str) -> Option<ContainerId> {
        if self.nested_kubernetes
            && let Some((_, below)) = path.split_once("kubepods")
            && let Some((above, mut found)) = outermost(below)
        {
            found.pod_uid = pod_uid(above);
            return Some(found);
        }
        let Some((above, mut found)) = outermost(path) else { return of_ctr(path) };
        found.pod_uid = above.split_once("kubepods").and_then(|(_, below)| pod_uid(below));
        Some(found)
    }

    /// The first container that the lines of `/proc/PID/cgroup` name; one that is certain
    /// goes before one that is not.
    pub fn container_of_proc(self, lines: &str) -> Option<ContainerId> {
        let mut uncertain = None;
        // hierarchy:controllers:path, and the path may hold colons itself
        for path in lines.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
            match self.container_of_path(path) {
                Some(found) if found.is_certain => return Some(found),
                found => uncertain = uncertain.or(found),
            }
        }
        uncertain
    }
}

/// With the path as far as it: what is behind that may be forged.
fn outermost(path: &str) -> Option<(&str, ContainerId)> {
    let mut before = ["", ""];
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        let above = path.get(..end)?;
        end += 1;
        if let Some(mut found) = by_digits(part) {
            if found.runtime == Runtime::Other && before[1] == "docker" {
                found.runtime = Runtime::Docker;
            }
            return Some((above, found));
        }
        if let Some(found) = by_name(before, part) {
            return Some((above, found));
        }
        before = [before[1], part];
    }
    None
}

fn by_digits(part: &str) -> Option<ContainerId> {
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
    Some(ContainerId::new(id, runtime))
}

/// Runtimes that name the group after the container's name. `before` are the two
/// groups around it.
fn by_name(before: [&str; 2], part: &str) -> Option<ContainerId> {
    let found = |name: &str, runtime| is_name(name).then(|| ContainerId::new(name, runtime));
    match before {
        [_, "lxc" | "lxc.payload"] if before[0] != "libvirt" => {
            return found(part, Runtime::Lxc);
        }
        ["libvirt", "lxc"] => return found(part, Runtime::LibvirtLxc),
        _ => {}
    }
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return found(name, Runtime::Lxc);
    }
    if let Some(name) = part.strip_suffix(".libvirt-lxc") {
        return found(name, Runtime::LibvirtLxc);
    }
    let scope = part.strip_suffix(".scope")?;
    // systemd writes a dash within a name as \x2d.
    if let Some(name) = scope.strip_prefix(r"machine-lxc\x2d") {
        return found(name, Runtime::LibvirtLxc);
    }
    found(scope.strip_prefix("bpm-")?, Runtime::Bpm)
}

/// `ctr` and others that leave it to containerd: `/NAMESPACE/NAME` and nothing else.
fn of_ctr(path: &str) -> Option<ContainerId> {
    const OF_SYSTEMD: [&str; 3] = [".service", ".slice", ".scope"];
    let mut parts = path.strip_prefix('/')?.split('/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    let is_fit = |text: &str| {
        is_name(text)
            && text.len() <= CTR_NAME_LEN_MAX
            && !OF_SYSTEMD.iter().any(|end| text.ends_with(end))
    };
    let is_one = parts.next().is_none() && is_fit(namespace) && is_fit(name);
    is_one.then(|| ContainerId { is_certain: false, ..ContainerId::new(name, Runtime::Containerd) })
}

fn is_name(text: &str) -> bool {
    let is_fit =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'\\');
    (1..=NAME_LEN_MAX).contains(&text.len()) && text.bytes().all(is_fit)
}

/// The pod in what is between `kubepods` and the end of the container's own part:
/// `/burstable/podUID/…`, or with systemd's names
/// `.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/…`, where the uid's
/// dashes are `_`.
fn pod_uid(below: &str) -> Option<String> {
    const UID_LEN_MAX: usize = 64;
    let of_part = |part: &str| {
        let named = part.split(':').next().unwrap_or(part);
        let uid = match named.strip_suffix(".slice") {
            Some(slice) => slice.rsplit_once("-pod")?.1.replace('_', "-"),
            None => named.strip_prefix("pod")?.to_owned(),
        };
        let is_fit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let is_uid = (32..=UID_LEN_MAX).contains(&uid.len()) && uid.bytes().all(is_fit);
        is_uid.then_some(uid)
    };
    below.split('/').find_map(of_part)
}
