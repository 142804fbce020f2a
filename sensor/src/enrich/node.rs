//! What all partitions know together.
//!
//! Each part has a lock of its own, held for a look-up and never for a wait, but for
//! reads in `/proc` and of passwd files, which are bounded (see `patient.rs`).

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    cgroups::{Cgroups, Side},
    container::{ContainerId, Groups},
    entry::{Entries, Entry, Starter},
    host_names::HostNames,
    links::{self, Links},
    metadata::{Answer, Containers, Known},
    own::Own,
    patient::Patient,
    process::{Place, Process, ProcessCache, ProcessKey},
    procfs::Procfs,
    starts::{Start, Starts},
    users::{Root, UserNames, Users},
};
use crate::{
    decode::{EventHead, Exec, Open, PathCall, RootMount},
    event::{
        SyscallEvent, path,
        path_call::{self, Followed},
    },
};

/// How often processes are looked for whose end was lost. Far rarer than such losses matter:
/// they take memory, and nothing else.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

type ProcessReader = Patient<(Procfs, u32), Option<Process>>;

fn process_reader() -> ProcessReader {
    Patient::new("process", |(procfs, pid): (Procfs, u32)| procfs.process(pid))
}

/// Everything known about this node while it runs.
pub struct Node {
    /// Its name in alerts.
    pub name: Arc<str>,
    pub boot_id: Arc<str>,
    pub processes: ProcessCache,
    containers: Mutex<Containers>,
    cgroups: Cgroups,
    entries: Mutex<Entries>,
    starts: Mutex<Starts>,
    own: Own,
    users: Mutex<Users>,
    procfs: Procfs,
    /// Names of addresses.
    pub host_names: HostNames,
    links: Mutex<Links>,
    process_reader: Mutex<ProcessReader>,
    processes_read: AtomicU64,
    swept_at: Mutex<Option<Instant>>,
    /// Where the host's own passwd is.
    host_root: PathBuf,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Node {
    pub fn new(name: &str, procfs: Procfs, containers: Containers) -> Self {
        // In a container of our own, the host's files are those of its first process.
        let first = procfs.root_of(1);
        let has_users = first.join("etc/passwd").exists();
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self {
            name: name.into(),
            boot_id: boot_id.unwrap_or_default().trim().into(),
            processes: ProcessCache::default(),
            containers: Mutex::new(containers),
            cgroups: Cgroups::new(procfs.clone()),
            entries: Mutex::default(),
            starts: Mutex::default(),
            own: Own::default(),
            users: Mutex::default(),
            host_names: HostNames::default(),
            links: Mutex::new(Links::new(procfs.clone())),
            procfs,
            process_reader: Mutex::new(process_reader()),
            processes_read: AtomicU64::new(0),
            swept_at: Mutex::default(),
            host_root: if has_users { first } else { PathBuf::from("/") },
        }
    }

    /// Takes in the processes that run already, and the containers that they are in. Called
    /// once the programs are attached, so that none falls between.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn add_running(&self) -> std::io::Result<usize> {
        let pids = self.procfs.pids()?.into_iter();
        // No event waits yet, so each may take its time.
        let mut reader = process_reader().without_budget();
        // One that ended meanwhile is not needed.
        let mut running: Vec<Process> =
            pids.filter_map(|pid| self.read_process_by(&mut reader, pid)).collect();
        // Parents before their children, and a container's first process before the others.
        running.sort_by_key(|process| (process.start_ns, process.key.pid));
        for mut process in running {
            let (pid, vpid) = (process.key.pid, process.facts.vpid);
            let group = self.procfs.cgroup_of(pid);
            let container = group.and_then(|lines| self.cgroups.reading.container_of_proc(&lines));
            let container = container.map(Arc::new);
            process.place = Some(Place { cgroup_id: 0, container: container.clone() });
            if let Some(container) = container.filter(|found| is_in(found, pid, vpid)) {
                self.note_start(&container, pid);
                let parent = self.processes.get(process.parent);
                let starter = Starter {
                    key: process.key,
                    vpid,
                    tty: process.facts.tty,
                    args: &process.image.args,
                    before: &Entry::Outside,
                    parent: parent.as_ref().map(|parent| &parent.entry),
                };
                process.entry = locked(&self.entries).decide(&starter, &container, None);
            }
            self.processes.add_running(process);
        }
        Ok(self.processes.len())
    }

    /// A process became another program.
    pub(super) fn on_exec(&self, head: &EventHead, exec: &Exec) -> Arc<Process> {
        let group = self.group_of_exec(head, exec);
        let place = group.map(|container| Place { cgroup_id: head.cgroup_id, container });
        let container = place.as_ref().and_then(|place| place.container.clone());
        let container = container.filter(|found| is_in(found, head.tgid, exec.process.vpid));
        let key = ProcessKey::new(head.tgid, head.start_ns);
        let info = container.as_ref().and_then(|container| {
            self.note_start(container, head.tgid);
            match self.container_info(&container.full) {
                Known::Info(info) => Some(info),
                Known::Pending | Known::Nothing => None,
            }
        });
        self.processes.on_exec(head, exec, place, |before, parent| {
            let Some(container) = &container else { return Entry::Outside };
            let (vpid, tty) = (exec.process.vpid, exec.process.tty);
            let starter = Starter { key, vpid, tty, args: &exec.args, before, parent };
            locked(&self.entries).decide(&starter, container, info.as_deref())
        })
    }

    /// Leaves out what `own` has from now on.
    pub fn leave_out(&mut self, own: Own) {
        self.own = own;
    }

    /// Whether an event is of our own container or pod.
    pub(super) fn is_own(&self, event: &SyscallEvent) -> bool {
        let container = event.container.as_ref();
        container.is_some_and(|container| {
            self.own.has(container, &event.process.entry, || {
                match self.container_info(&container.full) {
                    Known::Info(info) => Some(info),
                    Known::Pending | Known::Nothing => None,
                }
            })
        })
    }

    /// The containers whose start is to be told of now.
    pub(super) fn take_starts(&self) -> VecDeque<Start> {
        let is_known = |container: &ContainerId| {
            !matches!(self.container_info(&container.full), Known::Pending)
        };
        locked(&self.starts).take_ready(Instant::now(), is_known)
    }

    /// How many containers are remembered, with what is known of them.
    pub fn containers_known(&self) -> usize {
        locked(&self.containers).len()
    }

    /// Starts of containers that nobody was told of because too many waited.
    pub fn starts_dropped(&self) -> u64 {
        locked(&self.starts).dropped()
    }

    fn note_start(&self, container: &Arc<ContainerId>, pid: u32) {
        locked(&self.starts).note(container, pid, Instant::now());
    }

    /// One process as `/proc` shows it now.
    pub(super) fn read_process(&self, pid: u32) -> Option<Process> {
        self.read_process_by(&mut locked(&self.process_reader), pid)
    }

    fn read_process_by(&self, reader: &mut ProcessReader, pid: u32) -> Option<Process> {
        self.processes_read.fetch_add(1, Relaxed);
        match reader.ask((self.procfs.clone(), pid)) {
            Some(found) => found,
            None => self.procfs.process_without_texts(pid),
        }
    }

    /// Questions whose answers somebody kept from us, or might have: about processes, names of
    /// users and links.
    pub fn slow_reads_given_up(&self) -> u64 {
        locked(&self.process_reader).unanswered()
            + locked(&self.users).unanswered()
            + locked(&self.links).unanswered()
    }

    /// Forgets, in time, the processes whose end the kernel told and we did not hear. To be
    /// called now and then; most of the time it is not due.
    pub fn end_missing(&self) {
        let mut swept_at = locked(&self.swept_at);
        if swept_at.is_some_and(|at| at.elapsed() < SWEEP_EVERY) {
            return;
        }
        *swept_at = Some(Instant::now());
        drop(swept_at);
        let known = self.processes.running();
        let Ok(pids) = self.procfs.pids() else { return };
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now_ns = now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec);
        let now_ns = u64::try_from(now_ns).unwrap_or(0);
        self.processes.end_missing(&known, &pids.into_iter().collect(), now_ns);
    }

    /// What the paths of a call lead to, seen from the process that called.
    pub(super) fn follow_links(&self, head: &EventHead, call: &PathCall, cwd: &[u8]) -> Followed {
        let asked = path_call::to_follow(head.call, call, cwd);
        if asked.iter().all(Option::is_none) {
            return Followed::default();
        }
        let mut links = locked(&self.links);
        let root = call.root.and_then(|mount| self.root_of(&links, head, mount));
        let mut is_unseen = false;
        let [path, other] = asked.map(|asked| {
            let (path, follows) = asked?;
            let found = root.as_ref().and_then(|root| links.resolve(root, &path, follows));
            is_unseen |= found.is_none();
            found
        });
        Followed { path, other, is_unseen }
    }

    /// What the path of an open that is still to be done leads to. `cwd` is as above.
    pub(super) fn follow_open(&self, head: &EventHead, open: &Open, cwd: &[u8]) -> Option<Vec<u8>> {
        let base = path::base(open, || cwd.to_vec());
        let mut links = locked(&self.links);
        let mut root = self.root_of(&links, head, open.root?)?;
        let whole = if path::has_own_root(open) {
            root = links.enter(&root, &base?)?;
            open.raw.clone()
        } else if open.raw.starts_with(b"/") {
            open.raw.clone()
        } else {
            [&*base?, b"/", &open.raw].concat()
        };
        match path::follows_link(open) {
            // It may be gone, or not be made yet.
            true => {
                links.resolve(&root, &whole, true).or_else(|| links.resolve(&root, &whole, false))
            }
            false => links.resolve(&root, &whole, false),
        }
    }

    fn root_of(&self, links: &Links, head: &EventHead, mount: RootMount) -> Option<links::Root> {
        let others = || {
            let known = self.processes.get(ProcessKey::new(head.tgid, head.start_ns));
            let lineage = known.map(|process| self.ancestors_of(head, &process));
            let lineage = lineage.unwrap_or_default().into_iter().map(|above| above.key.pid);
            // The host's first process has the root that most have.
            [head.ppid].into_iter().chain(lineage).chain([1]).collect()
        };
        links.root(mount, head.tgid, others)
    }

    /// How often `/proc` was asked for a process.
    pub fn processes_read(&self) -> u64 {
        self.processes_read.load(Relaxed)
    }

    pub fn names_of(&self, head: &EventHead, container: Option<&ContainerId>) -> UserNames {
        self.names(head, container, head.uid)
    }

    /// The name that the process of `head` knows another user by.
    pub fn user_name(
        &self,
        head: &EventHead,
        container: Option<&ContainerId>,
        uid: u32,
    ) -> Option<Vec<u8>> {
        self.names(head, container, uid).user
    }

    fn names(&self, head: &EventHead, container: Option<&ContainerId>, uid: u32) -> UserNames {
        let (root, directory) = match container {
            Some(container) => {
                (Root::Container(container.full.clone()), self.procfs.root_of(head.tgid))
            }
            None => (Root::Host, self.host_root.clone()),
        };
        let now = Instant::now();
        locked(&self.users).names(root, &directory, uid, head.gid, head.loginuid, now)
    }

    /// What is known of a container; asks the runtime the first time.
    pub fn container_info(&self, id: &str) -> Known {
        locked(&self.containers).look_up(id, Instant::now())
    }

    /// Takes a runtime's answer, which it may give unasked.
    pub fn answer(&self, (id, info): Answer) {
        let pid = info.as_ref().and_then(|info| info.pid);
        locked(&self.containers).answer((id.clone(), info), Instant::now());
        // The kernel has the last word on which container it is.
        let group = pid.and_then(|pid| self.procfs.cgroup_of(pid));
        let container = group.and_then(|lines| self.cgroups.reading.container_of_proc(&lines));
        if let (Some(pid), Some(container)) = (pid, container.filter(|found| found.full == id)) {
            self.note_start(&Arc::new(container), pid);
        }
    }

    /// Requests to runtimes that were not made because too many were waiting.
    pub fn look_ups_refused(&self) -> u64 {
        locked(&self.containers).refused()
    }

    /// The container of an event.
    pub(super) fn container_of(
        &self,
        head: &EventHead,
        process: &Process,
    ) -> Option<Arc<ContainerId>> {
        let container = self.group_of(head, process.place.as_ref());
        let container = container.unwrap_or_else(|| {
            // It is most likely where it was, or where it comes from.
            let parent = ProcessKey::new(head.ppid, head.parent_start_ns);
            let place = process.place.clone().or_else(|| self.processes.get(parent)?.place.clone());
            place?.container
        });
        container.filter(|found| is_in(found, head.tgid, process.facts.vpid))
    }

    /// How control groups are read from now on.
    pub fn read_groups(&mut self, reading: Groups) {
        self.cgroups.reading = reading;
    }

    /// Has `tell` be told what is known of each control group. Only the first `tell` is.
    pub fn watch_cgroups(&self, tell: impl Fn(u64, Side) + Send + Sync + 'static) {
        self.cgroups.watch(tell);
    }

    /// The container that a process's control group is, by the path that the kernel told.
    fn group_of_exec(&self, head: &EventHead, exec: &Exec) -> Option<Option<Arc<ContainerId>>> {
        match exec.cgroup.as_ref().and_then(|group| group.as_bytes()) {
            Some(path) => Some(self.ask_early(self.cgroups.learn(head.cgroup_id, path))),
            None => self.group_of(head, None),
        }
    }

    fn group_of(
        &self,
        head: &EventHead,
        place: Option<&Place>,
    ) -> Option<Option<Arc<ContainerId>>> {
        if let Some(container) = self.cgroups.get(head.cgroup_id) {
            return Some(container);
        }
        match place.filter(|place| place.cgroup_id == head.cgroup_id) {
            Some(place) => Some(place.container.clone()),
            None => self.cgroups.look_up(head).map(|container| self.ask_early(container)),
        }
    }

    /// Asks the runtime before a rule wants to know: the answer may be there by then.
    fn ask_early(&self, container: Option<Arc<ContainerId>>) -> Option<Arc<ContainerId>> {
        if let Some(container) = container.as_ref().filter(|found| found.is_certain) {
            self.container_info(&container.full);
        }
        container
    }
}

/// Whether a process is in the container that its control group seems to be.
fn is_in(container: &ContainerId, pid: u32, vpid: u32) -> bool {
    container.is_certain || pid != vpid
}

/// A thread that died left what is whole: no change here stops half way.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
