//! Adds to each event what the kernel's record does not hold: the ancestors, the
//! container, names of users, the pod.
//!
//! ```text
//! partition 1: Enricher ─┐
//! partition 2: Enricher ─┴▶ Node (processes, containers, names; each behind locks of its own)
//! ```
//!
//! What an event is about is looked up at once; what only some rules ask for is
//! looked up when a rule asks.

mod cgroups;
pub mod container;
pub mod containerd;
pub mod cri;
pub mod docker;
pub mod entry;
pub mod host_names;
mod lineage;
mod links;
pub mod metadata;
mod node;
pub mod own;
mod patient;
pub mod process;
pub mod procfs;
mod recent;
pub mod runtimes;
mod starts;
pub mod users;
pub mod workload;

use std::sync::{Arc, OnceLock};

use rustix::time::ClockId;

pub use self::{cgroups::Side, node::Node};
use self::{
    process::{Process, ProcessKey},
    starts::Start,
};
use crate::{
    decode::{Call, EventHead, Facts, Family, KernelEvent},
    event::{
        Happening, SyscallEvent, path,
        path_call::{self, Followed, PathTexts},
    },
};

/// One partition's way to what is known.
pub struct Enricher {
    node: Arc<Node>,
    /// The number of the next event.
    number: u64,
    partition: u64,
    partitions: u64,
    boot_time_ns: i64,
}

impl Enricher {
    pub fn new(node: Arc<Node>) -> Self {
        Self::of_partition(node, 0, 1)
    }

    /// For the partition of this index, from 0: the numbers of its events are no other's.
    pub fn of_partition(node: Arc<Node>, index: u64, partitions: u64) -> Self {
        let boot_time_ns = boot_time_ns();
        Self { node, number: index + 1, partition: index, partitions, boot_time_ns }
    }

    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Follows the wall clock where it was set. Called now and then, not for each event.
    pub fn look_at_clock(&mut self) {
        self.boot_time_ns = boot_time_ns();
    }

    /// Whether another partition has not read yet what the parent became before the event.
    ///
    /// The kernel side gives a process to the ring of its id modulo their number, and its
    /// fork to the same.
    pub fn is_early(&self, head: &EventHead) -> bool {
        let is_ours = u64::from(head.ppid) % self.partitions == self.partition;
        if is_ours || head.ppid == 0 {
            return false;
        }
        let process = self.node.processes.get(ProcessKey::new(head.tgid, head.start_ns));
        if process.is_some_and(|process| process.parent_seen.get() == head.parent_exec_id) {
            return false;
        }
        let parent = self.node.processes.get(ProcessKey::new(head.ppid, head.parent_start_ns));
        // One that `/proc` showed at our start may be another program since.
        parent.is_none_or(|parent| parent.exec_id.is_none_or(|known| known < head.parent_exec_id))
    }

    /// All events of the parent came that will come: one that was there before us is what it was
    /// then, and of one whose events are missing, what `/proc` shows must do. Returns whether
    /// events are missing.
    pub fn stop_waiting(&self, head: &EventHead) -> bool {
        let parent = ProcessKey::new(head.ppid, head.parent_start_ns);
        if self.node.processes.is_from_before(parent, head.parent_exec_id) {
            return false;
        }
        if let Some(mut process) = self.node.read_process(head.ppid)
            && process.key == parent
        {
            process.exec_id = Some(head.parent_exec_id);
            self.node.processes.add_if_behind(process);
        }
        true
    }

    /// Nanoseconds since the epoch of a time since boot.
    pub fn wall_time_ns(&self, since_boot_ns: u64) -> i64 {
        self.boot_time_ns.saturating_add(i64::try_from(since_boot_ns).unwrap_or(i64::MAX))
    }

    /// Takes in an event; gives it back with what is known around it, unless it
    /// is one that only changes what is known, or `wants` says that no rule
    /// looks at its type.
    pub fn take(
        &mut self,
        kernel: KernelEvent,
        wants: impl Fn(&str) -> bool,
    ) -> Option<SyscallEvent> {
        let KernelEvent { head, facts } = kernel;
        let mut started = None;
        let happening = match facts {
            Facts::Fork(fork) => {
                self.node.processes.on_fork(&head, &fork);
                self.node.learn_ancestors(&head, &fork.ancestors);
                return None;
            }
            Facts::Exit(_) => {
                self.node.processes.on_exit(&head);
                return None;
            }
            Facts::Exec(mut exec) => {
                self.node.complete_arguments(&head, &mut exec);
                started = Some(self.node.on_exec(&head, &exec));
                self.node.learn_ancestors(&head, &exec.ancestors);
                Happening::Exec(exec)
            }
            Facts::Socket(socket) => Happening::Socket(socket),
            Facts::Control(mut control) => {
                self.node.processes.on_control(&head, &mut control);
                Happening::Control(control)
            }
            Facts::ExecFailed(failed) => {
                let base = failed.base.as_ref().and_then(|base| base.as_bytes());
                let base = base.map_or_else(|| self.cwd_of(&head), <[u8]>::to_vec);
                let path = path::lexical(&base, &failed.filename);
                Happening::ExecFailed { failed, path }
            }
            Facts::Open(open) => {
                let (lexical, mut resolved) = path::of_open(&open, || self.cwd_of(&head));
                // Nothing is open yet: all there is are names, as below.
                if head.by_io_uring && wants(head.call.name()) {
                    let found = self.node.follow_open(&head, &open, &self.cwd_of(&head));
                    resolved = found.filter(|found| *found != lexical);
                }
                Happening::Open { open, lexical, resolved }
            }
            Facts::PathCall(call) => {
                let cwd = self.cwd_of(&head);
                // Looked up at once: what links lead to is soon another thing.
                let found = match wants(head.call.name()) {
                    true => self.node.follow_links(&head, &call, &cwd),
                    false => Followed::default(),
                };
                let unseen = found.is_unseen || path_call::has_unread_path(head.call, &call);
                let (shown, plain) = PathTexts::of(head.call, &call, &cwd, found);
                Happening::PathCall { call, shown, plain, unseen }
            }
        };
        if !wants(head.call.name()) {
            return None;
        }
        let process = started.unwrap_or_else(|| self.process_of(&head));
        let event = self.surround(head, process, happening);
        (!self.node.is_own(&event)).then_some(event)
    }

    /// The starts of containers that are to be told of now.
    pub fn take_starts(&mut self) -> Vec<SyscallEvent> {
        let starts = self.node.take_starts();
        starts.into_iter().map(|start| self.container_event(start)).collect()
    }

    /// As if the container's first process had said: here I am.
    fn container_event(&mut self, start: Start) -> SyscallEvent {
        let process = self.node.processes.newest_of(start.pid);
        let process = process.or_else(|| self.node.read_process(start.pid).map(Arc::new));
        let mut head = EventHead {
            time_ns: now_since_boot_ns(),
            start_ns: 0,
            parent_start_ns: 0,
            cgroup_id: 0,
            tgid: start.pid,
            tid: start.pid,
            ppid: 0,
            uid: 0,
            gid: 0,
            loginuid: u32::MAX,
            exec_id: 0,
            parent_exec_id: 0,
            family: Family::Exec,
            call: Call::Other,
            by_io_uring: false,
            payload_len: 0,
            comm: Vec::new(),
            parent_comm: Vec::new(),
        };
        let process = match process {
            Some(process) => {
                head.start_ns = process.start_ns;
                head.ppid = process.parent.pid;
                (head.uid, head.gid, head.loginuid) = (process.uid, process.gid, process.loginuid);
                head.comm.clone_from(&process.comm);
                process
            }
            // It ended already.
            None => Arc::new(Process::from_head(&head)),
        };
        let (number, container) = (self.next_number(), Some(start.container));
        SyscallEvent {
            number,
            time_ns: self.wall_time_ns(head.time_ns),
            boot_time_ns: self.boot_time_ns,
            process,
            container,
            head,
            happening: Happening::Container,
            ancestors: OnceLock::new(),
            session_leader: OnceLock::new(),
            names: OnceLock::new(),
            info: OnceLock::new(),
            node: Arc::clone(&self.node),
        }
    }

    fn next_number(&mut self) -> u64 {
        let number = self.number;
        self.number += self.partitions;
        number
    }

    fn surround(
        &mut self,
        head: EventHead,
        process: Arc<Process>,
        happening: Happening,
    ) -> SyscallEvent {
        SyscallEvent {
            number: self.next_number(),
            time_ns: self.wall_time_ns(head.time_ns),
            boot_time_ns: self.boot_time_ns,
            container: self.node.container_of(&head, &process),
            process,
            head,
            happening,
            ancestors: OnceLock::new(),
            session_leader: OnceLock::new(),
            names: OnceLock::new(),
            info: OnceLock::new(),
            node: Arc::clone(&self.node),
        }
    }

    /// The process of an event. One that we never heard of, or whose last exec was lost, is
    /// looked up in `/proc`, and is otherwise what the event itself says.
    fn process_of(&self, head: &EventHead) -> Arc<Process> {
        let key = ProcessKey::new(head.tgid, head.start_ns);
        let known = self.node.processes.get(key);
        if let Some(process) = &known
            && process.exec_id.is_none_or(|known| known >= head.exec_id)
        {
            process.parent_seen.set(head.parent_exec_id);
            return Arc::clone(process);
        }
        let process = self.node.read_process(head.tgid).filter(|found| found.key == key);
        let mut process = process.unwrap_or_else(|| Process::from_head(head));
        process.exec_id = Some(head.exec_id);
        process.parent_seen.set(head.parent_exec_id);
        if let Some(known) = known {
            // It started this one, even if that was taken over since.
            process.parent = known.parent;
            process.entry.clone_from(&known.entry);
            process.place.clone_from(&known.place);
        }
        let process = Arc::new(process);
        self.node.processes.add_if_behind(Arc::clone(&process));
        process
    }

    fn cwd_of(&self, head: &EventHead) -> Vec<u8> {
        let process = self.node.processes.get(ProcessKey::new(head.tgid, head.start_ns));
        process.map(|process| process.cwd.clone()).unwrap_or_default()
    }
}

fn now_since_boot_ns() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Boottime);
    let ns = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    u64::try_from(ns).unwrap_or(0)
}

/// When the machine was started, in nanoseconds since the epoch.
fn boot_time_ns() -> i64 {
    let now = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    now(ClockId::Realtime).saturating_sub(now(ClockId::Boottime))
}
