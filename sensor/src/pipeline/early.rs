//! Events that were read before what their parent became: that is in another ring.
//!
//! They wait, and so do later events of the same process, while the ring is read on.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::decode::{EventHead, KernelEvent};

/// No event waits longer. Another partition reads its ring within milliseconds, unless the machine
/// has no time for it.
pub const EARLY_MAX: Duration = Duration::from_secs(2);

/// Most events that wait at one time.
const EVENTS_MAX: usize = 4096;

/// In the order of their times: the oldest of all partitions always goes on.
#[derive(Default)]
pub(super) struct Early {
    events: VecDeque<(Instant, KernelEvent)>,
    /// Their processes.
    pids: HashSet<u32>,
}

impl Early {
    /// Keeps an event; gives it back when there is no room.
    pub(super) fn keep(&mut self, event: KernelEvent, until: Instant) -> Option<KernelEvent> {
        if self.events.len() >= EVENTS_MAX {
            return Some(event);
        }
        let time_ns = event.head.time_ns;
        let at = self.events.partition_point(|(_, other)| other.head.time_ns <= time_ns);
        self.pids.insert(event.head.tgid);
        self.events.insert(at, (until, event));
        None
    }

    /// Whether an event of the same process waits, which a later one must not overtake, or one
    /// of its parent, which tells who that is.
    pub(super) fn holds_up(&self, head: &EventHead) -> bool {
        self.pids.contains(&head.tgid) || self.pids.contains(&head.ppid)
    }

    /// When the first of those that wait happened, in nanoseconds since boot.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.events.front().map(|(_, event)| event.head.time_ns)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The waiting events, to be looked at again: each goes on or comes back by
    /// [`Early::keep_on`], in their order.
    pub(super) fn take_all(&mut self) -> VecDeque<(Instant, KernelEvent)> {
        self.pids.clear();
        std::mem::take(&mut self.events)
    }

    /// Keeps an event that waits already.
    pub(super) fn keep_on(&mut self, until: Instant, event: KernelEvent) {
        self.pids.insert(event.head.tgid);
        self.events.push_back((until, event));
    }
}
