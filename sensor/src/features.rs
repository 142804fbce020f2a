//! What each feature of the sensor needs of its host. What is missing disables that
//! feature alone: `doctor` says it, and so does the log at the start.

use std::path::Path;

use lanner_service::Finding;
use rustix::thread::CapabilitySet;

use crate::{
    config::Config,
    source::ebpf::{self, SyscallHooks},
};

/// One thing that a feature needs. A feature that needs two has two rows.
pub struct Feature {
    pub name: &'static str,
    pub need: Need,
    /// What goes without it.
    pub lack: &'static str,
}

/// A capability, a mount or a socket.
pub enum Need {
    Capability(CapabilitySet, &'static str),
    /// The kernel's own type information.
    KernelTypes,
    /// `/proc` of the host's process namespace.
    HostProcesses,
    /// The folder of the kernel's tracepoints.
    Tracefs,
    /// One of the sockets in `runtimes`.
    RuntimeSocket,
}

const KERNEL_EVENTS: &str = "kernel events";

/// All of them; `docs/sensor.md` has the same table.
pub const FEATURES: [Feature; 10] = [
    Feature {
        name: KERNEL_EVENTS,
        need: Need::KernelTypes,
        lack: "no kernel events: use a kernel built with CONFIG_DEBUG_INFO_BTF",
    },
    Feature {
        name: KERNEL_EVENTS,
        need: Need::Capability(CapabilitySet::BPF, "CAP_BPF"),
        lack: "no kernel events: run as root or grant it",
    },
    Feature {
        name: KERNEL_EVENTS,
        need: Need::Capability(CapabilitySet::PERFMON, "CAP_PERFMON"),
        lack: "no kernel events: run as root or grant it",
    },
    Feature {
        name: "files of older processes",
        need: Need::Capability(CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
        lack: "path, working directory and root of processes older than the sensor stay unknown",
    },
    Feature {
        name: "names behind links",
        need: Need::Capability(CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
        lack: "of calls about names, as unlink, the program's text is all there is: links on the way are not followed",
    },
    Feature {
        name: "names of users in containers",
        need: Need::Capability(CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
        lack: "users and groups of containers have numbers and no names",
    },
    Feature {
        name: "names of users in containers",
        need: Need::Capability(CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
        lack: "users and groups of containers whose files are not for all have no names, and environments of processes older than the sensor stay unknown",
    },
    Feature {
        name: "older processes",
        need: Need::HostProcesses,
        lack: "processes older than the sensor, and which container they are in, are unknown",
    },
    Feature {
        name: "system calls by tracepoints",
        need: Need::Tracefs,
        lack: "with `ebpf.syscall_hooks: tracepoints` no call is seen, only programs that start; `auto` does without",
    },
    Feature {
        name: "images, mounts and pods",
        need: Need::RuntimeSocket,
        lack: "of a container only id, runtime and pod uid are known",
    },
];

impl Need {
    /// As it is named in tables and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capability(_, name) => name,
            Self::KernelTypes => "kernel type information (/sys/kernel/btf/vmlinux)",
            Self::HostProcesses => "host processes in /proc (hostPID: true)",
            Self::Tracefs => "tracefs (/sys/kernel/tracing)",
            Self::RuntimeSocket => "socket of a container runtime (runtimes)",
        }
    }

    fn is_met(&self, config: &Config) -> bool {
        match self {
            Self::Capability(bit, _) => {
                let held = rustix::thread::capabilities(None);
                let held = held.map_or(CapabilitySet::empty(), |sets| sets.effective);
                // The older, wider capability covers the two for eBPF.
                let of_ebpf = CapabilitySet::BPF | CapabilitySet::PERFMON;
                held.contains(*bit)
                    || (of_ebpf.contains(*bit) && held.contains(CapabilitySet::SYS_ADMIN))
            }
            Self::KernelTypes => ebpf::kernel_has_btf(),
            Self::HostProcesses => {
                // The first process of the host's pid namespace has this inode there.
                const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
                let own = std::fs::read_link("/proc/self/ns/pid");
                own.is_ok_and(|link| link == Path::new(INITIAL_PID_NAMESPACE))
            }
            Self::Tracefs => {
                config.ebpf.syscall_hooks != SyscallHooks::Tracepoints || ebpf::has_tracepoints()
            }
            Self::RuntimeSocket => {
                config.runtimes.sockets().iter().any(|socket| socket.path.exists())
            }
        }
    }
}

impl Feature {
    /// Whether there is nothing to do without it.
    pub fn is_vital(&self) -> bool {
        self.name == KERNEL_EVENTS
    }
}

/// What this host lacks, for the log at the start. A runtime may come later.
pub fn lacking(config: &Config) -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().filter(|feature| !feature.need.is_met(config))
}

/// Whether there are no kernel events because nobody granted us what they need.
pub fn lacks_capability(config: &Config) -> bool {
    lacking(config)
        .any(|feature| feature.is_vital() && matches!(feature.need, Need::Capability(..)))
}

/// Each need once, with all that goes without it.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut needs: Vec<&str> = FEATURES.iter().map(|feature| feature.need.name()).collect();
    needs.dedup();
    let finding = |need: &str| {
        let rows = || FEATURES.iter().filter(|feature| feature.need.name() == need);
        if rows().all(|feature| feature.need.is_met(config)) {
            return Finding::good(need);
        }
        let lacks: Vec<_> = rows().map(|feature| feature.lack).collect();
        match rows().any(Feature::is_vital) {
            true => Finding::fatal(need, lacks.join("; ")),
            false => Finding::missing(need, lacks.join("; ")),
        }
    };
    needs.into_iter().map(finding).collect()
}

/// The table of the reference page.
pub fn markdown() -> String {
    let row = |feature: &Feature| {
        let Feature { name, need, lack } = feature;
        format!("| {name} | {} | {lack} |\n", need.name())
    };
    let rows: String = FEATURES.iter().map(row).collect();
    format!("| feature | needs | without it |\n|---|---|---|\n{rows}")
}
