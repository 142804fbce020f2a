//! Which container each control group is, by the number that events bear.
//!
//! ```text
//! exec: the kernel's own path ────────────────────────────▶ known, and told to the filter
//! /proc/PID/cgroup, whose directory has this number ──────▶ the same
//! /proc/PID/cgroup, whose directory we do not see ────────▶ believed for a moment, not told
//! none of these: where the process or its parent was last ▶ for this event alone
//! ```
//!
//! By the time that `/proc` is read, its process may have ended, or may be in another group.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    container::{ContainerId, Groups},
    process::ProcessKey,
    procfs::Procfs,
    recent::Recent,
};
use crate::decode::EventHead;

/// Control groups that are remembered, at least; twice as many at most.
const GROUPS_MAX: usize = 16_384;

/// How long something is believed that may be of another group.
const BELIEVED: Duration = Duration::from_secs(2);

/// What the kernel may take for granted of the processes of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Host,
    /// Those of them that have no process ids of their own are on the host.
    HostByPid,
    /// Nothing: it is a container's, and processes of the host are in such groups, too.
    Unknown,
}

/// Is told of each control group.
type Watcher = Box<dyn Fn(u64, Side) + Send + Sync>;

/// `None` is the host.
type Container = Option<Arc<ContainerId>>;

struct Belief {
    container: Container,
    /// `None` where it is known.
    until: Option<Instant>,
}

pub(super) struct Cgroups {
    pub(super) reading: Groups,
    procfs: Procfs,
    known: RwLock<Recent<u64, Belief>>,
    watcher: OnceLock<Watcher>,
}

impl Belief {
    fn current(&self) -> Option<Container> {
        let is_current = self.until.is_none_or(|until| Instant::now() < until);
        is_current.then(|| self.container.clone())
    }
}

impl Cgroups {
    pub(super) fn new(procfs: Procfs) -> Self {
        Self {
            reading: Groups::default(),
            procfs,
            known: RwLock::new(Recent::new(GROUPS_MAX)),
            watcher: OnceLock::new(),
        }
    }

    /// Has `tell` be told what is known of each group. Only the first `tell` is.
    pub(super) fn watch(&self, tell: impl Fn(u64, Side) + Send + Sync + 'static) {
        let _ = self.watcher.set(Box::new(tell));
    }

    /// What is remembered of a group.
    pub(super) fn get(&self, number: u64) -> Option<Container> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(belief) = known.peek(&number) {
                return belief.current();
            }
        }
        // It moves to those that were asked for lately.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.get(&number)?.current()
    }

    /// Takes in the kernel's own path of a group.
    pub(super) fn learn(&self, number: u64, path: &[u8]) -> Container {
        let found = self.reading.container_of_path(&String::from_utf8_lossy(path));
        self.remember(number, found)
    }

    /// Looks the group of an event up by its process.
    pub(super) fn look_up(&self, head: &EventHead) -> Option<Container> {
        let lines = self.procfs.cgroup_of(head.tgid)?;
        let start_ticks = self.procfs.start_ticks(head.tgid)?;
        if ProcessKey::new(head.tgid, head.start_ns).start_ticks != start_ticks {
            return None;
        }
        let found = self.reading.container_of_proc(&lines);
        if self.procfs.has_group(&lines, head.cgroup_id) {
            return Some(self.remember(head.cgroup_id, found));
        }
        let container = found.map(Arc::new);
        let until = Some(Instant::now() + BELIEVED);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(head.cgroup_id, Belief { container: container.clone(), until });
        Some(container)
    }

    fn remember(&self, number: u64, found: Option<ContainerId>) -> Container {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(Belief { container, until: None }) = known.peek(&number)
                && container.as_deref() == found.as_ref()
            {
                return container.clone();
            }
        }
        let container = found.map(Arc::new);
        if let Some(tell) = self.watcher.get() {
            let side = match &container {
                None => Side::Host,
                Some(container) if container.is_certain => Side::Unknown,
                Some(_) => Side::HostByPid,
            };
            tell(number, side);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(number, Belief { container: container.clone(), until: None });
        container
    }
}
