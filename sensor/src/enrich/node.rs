//! What all partitions know together.
//!
//! Each part has a lock of its own, held for a look-up and never for a wait, but for
//! reads in `/proc` and of passwd files, which are bounded (see `patient.rs`).

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{
    container::{ContainerId, container_of_path, container_of_proc},
    metadata::{Answer, Containers, Known},
    patient::Patient,
    process::{Process, ProcessCache, ProcessKey},
    procfs::Procfs,
    users::{Root, UserNames, Users},
};
use crate::decode::{EventHead, KernelPath};

/// Most control groups that are remembered.
const CGROUPS_MAX: usize = 16_384;

/// Is told of each control group whether it is a container's.
type CgroupWatcher = Box<dyn Fn(u64, bool) + Send + Sync>;

/// Everything known about this node while it runs.
pub struct Node {
    /// Its name in alerts.
    pub name: Arc<str>,
    pub boot_id: Arc<str>,
    pub processes: ProcessCache,
    containers: Mutex<Containers>,
    cgroups: RwLock<HashMap<u64, Option<Arc<ContainerId>>>>,
    cgroup_watcher: OnceLock<CgroupWatcher>,
    users: Mutex<Users>,
    procfs: Procfs,
    process_reader: Mutex<Patient<(Procfs, u32), Option<Process>>>,
    processes_read: AtomicU64,
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
            cgroups: RwLock::default(),
            cgroup_watcher: OnceLock::new(),
            users: Mutex::default(),
            procfs,
            process_reader: Mutex::new(Patient::new("process", |(procfs, pid): (Procfs, u32)| {
                procfs.process(pid)
            })),
            processes_read: AtomicU64::new(0),
            host_root: if has_users { first } else { PathBuf::from("/") },
        }
    }

    /// Takes in the processes that run already. Called once the programs are
    /// attached, so that none falls between.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn add_running(&self) -> std::io::Result<usize> {
        for pid in self.procfs.pids()? {
            // One that ended meanwhile is not needed.
            if let Some(process) = self.read_process(pid) {
                self.processes.add_running(process);
            }
        }
        Ok(self.processes.len())
    }

    /// One process as `/proc` shows it now.
    pub(super) fn read_process(&self, pid: u32) -> Option<Process> {
        self.processes_read.fetch_add(1, Relaxed);
        locked(&self.process_reader).ask((self.procfs.clone(), pid)).flatten()
    }

    /// How often `/proc` was asked for a process.
    pub fn processes_read(&self) -> u64 {
        self.processes_read.load(Relaxed)
    }

    /// The parent first.
    pub fn ancestors_of(&self, head: &EventHead, process: &Process) -> Vec<Arc<Process>> {
        let mut ancestors = self.processes.ancestors(process);
        if let Some(first) = ancestors.first_mut() {
            // As it was when the event happened; it may be another program by now.
            if first.key == ProcessKey::new(head.ppid, head.parent_start_ns)
                && let Some(then) = self.processes.at_exec(first.key, head.parent_exec_id)
            {
                *first = then;
            }
            return ancestors;
        }
        // The one that started it is forgotten: whoever took it over is its parent now.
        let adopter = ProcessKey::new(head.ppid, head.parent_start_ns);
        let Some(adopter) = self.processes.get(adopter) else { return ancestors };
        let further = self.processes.ancestors(&adopter);
        std::iter::once(adopter).chain(further).collect()
    }

    pub fn names_of(&self, head: &EventHead, container: Option<&ContainerId>) -> UserNames {
        let (root, directory) = match container {
            Some(container) => {
                (Root::Container(container.full.clone()), self.procfs.root_of(head.tgid))
            }
            None => (Root::Host, self.host_root.clone()),
        };
        let now = Instant::now();
        locked(&self.users).names(root, &directory, head.uid, head.gid, head.loginuid, now)
    }

    /// What is known of a container; asks the runtime the first time.
    pub fn container_info(&self, id: &str) -> Known {
        locked(&self.containers).look_up(id, Instant::now())
    }

    /// Takes a runtime's answer.
    pub fn answer(&self, answer: Answer) {
        locked(&self.containers).answer(answer, Instant::now());
    }

    /// Requests to runtimes that were not made because too many were waiting.
    pub fn look_ups_refused(&self) -> u64 {
        locked(&self.containers).refused()
    }

    /// The container of an event's control group.
    pub fn container_of(&self, head: &EventHead) -> Option<Arc<ContainerId>> {
        let known = self.cgroups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&head.cgroup_id) {
            return found.clone();
        }
        drop(known);
        let found = container_of_proc(&self.procfs.cgroup_of(head.tgid)?);
        self.remember_cgroup(head.cgroup_id, found)
    }

    /// Has `tell` be told of each control group that is learnt, and whether it is a container's.
    /// Only the first one is.
    pub fn watch_cgroups(&self, tell: impl Fn(u64, bool) + Send + Sync + 'static) {
        let _ = self.cgroup_watcher.set(Box::new(tell));
    }

    /// A program was started in a control group, whose path the kernel told.
    pub fn learn_cgroup(&self, id: u64, group: Option<&KernelPath>) {
        if let Some(path) = group.and_then(|group| group.as_bytes()) {
            self.remember_cgroup(id, container_of_path(&String::from_utf8_lossy(path)));
        }
    }

    fn remember_cgroup(&self, id: u64, container: Option<ContainerId>) -> Option<Arc<ContainerId>> {
        let container = container.map(Arc::new);
        if let Some(container) = &container {
            // Asked before a rule wants to know: the answer may be there by then.
            self.container_info(&container.full);
        }
        let mut known = self.cgroups.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CGROUPS_MAX {
            // They are learnt again from the next event of each.
            known.clear();
        }
        known.insert(id, container.clone());
        if let Some(tell) = self.cgroup_watcher.get() {
            tell(id, container.is_some());
        }
        container
    }
}

/// A thread that died left what is whole: no change here stops half way.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
