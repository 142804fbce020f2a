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

/// Most events that wait at one time, and about their bytes.
const EVENTS_MAX: usize = 4096;
const BYTES_MAX: usize = 8 << 20;

/// In the order of their times: the oldest of all partitions always goes on.
#[derive(Default)]
pub(super) struct Early {
    events: VecDeque<(Instant, KernelEvent)>,
    size_bytes: usize,
    /// Their processes.
    pids: HashSet<u32>,
}

impl Early {
    /// Keeps an event; gives it back when there is no room.
    pub(super) fn keep(&mut self, event: KernelEvent, until: Instant) -> Option<KernelEvent> {
        if self.events.len() >= EVENTS_MAX || self.size_bytes >= BYTES_MAX {
            return Some(event);
        }
        self.size_bytes += event.size_bytes();
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
        self.size_bytes = 0;
        std::mem::take(&mut self.events)
    }

    /// Keeps an event that waits already.
    pub(super) fn keep_on(&mut self, until: Instant, event: KernelEvent) {
        self.pids.insert(event.head.tgid);
        self.size_bytes += event.size_bytes();
        self.events.push_back((until, event));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BYTES_MAX, EVENTS_MAX, Early};
    use crate::decode::{Call, EventHead, Exit, Facts, Family, KernelEvent};

    fn event(payload_len: usize) -> KernelEvent {
        let head = EventHead {
            time_ns: 1,
            start_ns: 0,
            parent_start_ns: 0,
            cgroup_id: 0,
            tgid: 7,
            tid: 7,
            ppid: 1,
            uid: 0,
            gid: 0,
            loginuid: 0,
            exec_id: 0,
            parent_exec_id: 0,
            family: Family::Exit,
            call: Call::Other,
            by_io_uring: false,
            payload_len: u32::try_from(payload_len).unwrap(),
            comm: Vec::new(),
            parent_comm: Vec::new(),
        };
        KernelEvent { head, facts: Facts::Exit(Exit { exit_code: 0 }) }
    }

    /// How many of such a size wait at one time.
    fn room(early: &mut Early, payload_len: usize) -> usize {
        let until = Instant::now() + Duration::from_secs(1);
        (0..).take_while(|_| early.keep(event(payload_len), until).is_none()).count()
    }

    #[test]
    fn small_ones_are_counted_and_large_ones_are_weighed() {
        const LARGE: usize = 60 << 10;
        let mut early = Early::default();
        assert_eq!(room(&mut early, 0), EVENTS_MAX);
        early.take_all();
        let large = room(&mut early, LARGE);
        assert!((large - 1) * LARGE < BYTES_MAX, "{large}");
        assert!(large * (LARGE + 1024) >= BYTES_MAX, "{large}");
        // Those that go on make room.
        let mut waiting = early.take_all();
        let (until, event) = waiting.pop_front().unwrap();
        early.keep_on(until, event);
        assert_eq!(room(&mut early, LARGE), large - 1);
    }
}
