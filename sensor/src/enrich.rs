//! Adds to each event what the kernel's record does not hold: the ancestors, the
//! container, names of users, the pod.
//!
//! One owner, one task: nothing here is shared or locked.

pub mod container;
pub mod cri;
pub mod metadata;
mod patient;
pub mod process;
pub mod procfs;
pub mod users;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Instant};

use rustix::time::ClockId;

use self::{
    container::{ContainerId, container_of_path, container_of_proc},
    metadata::{Containers, Known},
    patient::Patient,
    process::{Process, ProcessCache, ProcessKey},
    procfs::Procfs,
    users::{Root, Users},
};
use crate::{
    decode::{EventHead, Facts, KernelEvent, KernelPath},
    event::{Happening, SyscallEvent, path},
};

/// Most control groups that are remembered.
const CGROUPS_MAX: usize = 16_384;

/// Everything known about this node while it runs.
pub struct Enricher {
    pub processes: ProcessCache,
    pub containers: Containers,
    cgroups: HashMap<u64, Option<ContainerId>>,
    users: Users,
    procfs: Procfs,
    process_reader: Patient<(Procfs, u32), Option<Process>>,
    /// Where the host's own passwd is.
    host_root: PathBuf,
    node: Arc<str>,
    boot_id: Arc<str>,
    events: u64,
}

/// An event, and whether its container's facts were asked for and may still come.
pub struct Enriched {
    pub event: SyscallEvent,
    pub is_waiting: bool,
}

impl Enricher {
    pub fn new(node: &str, procfs: Procfs, containers: Containers) -> Self {
        // In a container of our own, the host's files are those of its first process.
        let first = procfs.root_of(1);
        let has_users = first.join("etc/passwd").exists();
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self {
            processes: ProcessCache::default(),
            containers,
            cgroups: HashMap::new(),
            users: Users::default(),
            procfs,
            process_reader: Patient::new("process", |(procfs, pid): (Procfs, u32)| {
                procfs.process(pid)
            }),
            host_root: if has_users { first } else { PathBuf::from("/") },
            node: node.into(),
            boot_id: boot_id.unwrap_or_default().trim().into(),
            events: 0,
        }
    }

    /// Takes in the processes that run already. Called once the programs are
    /// attached, so that none falls between.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn add_running(&mut self) -> std::io::Result<usize> {
        for pid in self.procfs.pids()? {
            // One that ended meanwhile is not needed.
            if let Some(process) = self.read_process(pid) {
                self.processes.add_running(process);
            }
        }
        Ok(self.processes.len())
    }

    fn read_process(&mut self, pid: u32) -> Option<Process> {
        self.process_reader.ask((self.procfs.clone(), pid)).flatten()
    }

    /// Takes in an event; gives it back with what is known around it, unless it
    /// is one that only changes what is known, or `wants` says that no rule
    /// looks at its type.
    pub fn take(
        &mut self,
        kernel: KernelEvent,
        wants: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Option<Enriched> {
        let KernelEvent { head, facts } = kernel;
        let happening = match facts {
            Facts::Fork(facts) => {
                self.processes.on_fork(&head, &facts);
                return None;
            }
            Facts::Exit(_) => {
                self.processes.on_exit(&head);
                return None;
            }
            Facts::Exec(exec) => {
                self.processes.on_exec(&head, &exec);
                self.learn_cgroup(head.cgroup_id, exec.cgroup.as_ref());
                Happening::Exec(exec)
            }
            Facts::Socket(socket) => Happening::Socket(socket),
            Facts::Open(open) => {
                let base = match open.base.as_ref().and_then(|base| base.as_bytes()) {
                    Some(base) => base.to_vec(),
                    None => self.cwd_of(&head),
                };
                let lexical = path::lexical(&base, &open.raw);
                let resolved = match &open.resolved {
                    Some(KernelPath::Rooted(path)) if *path != lexical => Some(path.clone()),
                    _ => None,
                };
                Happening::Open { open, lexical, resolved }
            }
        };
        wants(head.call.name()).then(|| self.surround(head, happening, now))
    }

    fn surround(&mut self, head: EventHead, happening: Happening, now: Instant) -> Enriched {
        self.events += 1;
        let process = self.process_of(&head);
        let ancestors = self.ancestors_of(&head, &process);
        let container = self.container_of(&head);
        let (info, is_waiting) = match &container {
            None => (None, false),
            Some(container) => match self.containers.look_up(&container.full, now) {
                Known::Info(info) => (Some(info), false),
                Known::Pending => (None, true),
                Known::Nothing => (None, false),
            },
        };
        let (root, directory) = match &container {
            Some(container) => {
                (Root::Container(container.full.clone()), self.procfs.root_of(head.tgid))
            }
            None => (Root::Host, self.host_root.clone()),
        };
        let names = self.users.names(root, &directory, head.uid, head.gid, head.loginuid, now);
        let boot_time_ns = boot_time_ns();
        let event = SyscallEvent {
            number: self.events,
            time_ns: boot_time_ns.saturating_add(i64::try_from(head.time_ns).unwrap_or(i64::MAX)),
            boot_time_ns,
            session_leader: self.processes.newest_of(process.facts.sid).cloned(),
            head,
            happening,
            process,
            ancestors,
            names,
            container,
            info,
            node: Arc::clone(&self.node),
            boot_id: Arc::clone(&self.boot_id),
        };
        Enriched { event, is_waiting }
    }

    /// The process of an event. One that we never heard of is looked up in
    /// `/proc`, and is otherwise what the event itself says.
    fn process_of(&mut self, head: &EventHead) -> Arc<Process> {
        let key = ProcessKey::new(head.tgid, head.start_ns);
        if let Some(process) = self.processes.get(key) {
            return Arc::clone(process);
        }
        let process = self.read_process(head.tgid).filter(|found| found.key == key);
        let process = process.unwrap_or_else(|| Process::from_head(head));
        self.processes.add_running(process.clone());
        Arc::new(process)
    }

    fn ancestors_of(&self, head: &EventHead, process: &Process) -> Vec<Arc<Process>> {
        let ancestors = self.processes.ancestors(process);
        if !ancestors.is_empty() {
            return ancestors;
        }
        // The one that started it is forgotten: whoever took it over is its parent now.
        let adopter = ProcessKey::new(head.ppid, head.parent_start_ns);
        let Some(adopter) = self.processes.get(adopter) else { return ancestors };
        let mut ancestors = vec![Arc::clone(adopter)];
        ancestors.extend(self.processes.ancestors(adopter));
        ancestors
    }

    fn cwd_of(&self, head: &EventHead) -> Vec<u8> {
        let process = self.processes.get(ProcessKey::new(head.tgid, head.start_ns));
        process.map(|process| process.cwd.clone()).unwrap_or_default()
    }

    fn container_of(&mut self, head: &EventHead) -> Option<ContainerId> {
        if let Some(known) = self.cgroups.get(&head.cgroup_id) {
            return known.clone();
        }
        let found = container_of_proc(&self.procfs.cgroup_of(head.tgid)?);
        self.remember_cgroup(head.cgroup_id, found.clone());
        found
    }

    fn learn_cgroup(&mut self, id: u64, group: Option<&KernelPath>) {
        if let Some(path) = group.and_then(|group| group.as_bytes()) {
            self.remember_cgroup(id, container_of_path(&String::from_utf8_lossy(path)));
        }
    }

    fn remember_cgroup(&mut self, id: u64, container: Option<ContainerId>) {
        if self.cgroups.len() >= CGROUPS_MAX {
            // They are learnt again from the next event of each.
            self.cgroups.clear();
        }
        self.cgroups.insert(id, container);
    }
}

/// When the machine was started, in nanoseconds since the epoch.
fn boot_time_ns() -> i64 {
    let now = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    now(ClockId::Realtime).saturating_sub(now(ClockId::Boottime))
}
