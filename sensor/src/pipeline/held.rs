//! Events that wait for what the runtime knows of their container.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::partition::InUse;
use crate::event::SyscallEvent;

/// No event waits longer.
pub const HELD_MAX: Duration = Duration::from_millis(500);

/// Most events that wait at one time, and about their bytes.
const EVENTS_MAX: usize = 4096;
const BYTES_MAX: usize = 8 << 20;

/// An event that waits.
pub(super) struct Waiting {
    pub(super) event: SyscallEvent,
    /// Those that it was evaluated with: others may neither take an alert back nor raise it again.
    pub(super) rules: Arc<InUse>,
    /// Whether the alerts that need nothing of the runtime are sent already.
    pub(super) is_begun: bool,
    until: Instant,
}

impl Waiting {
    pub(super) fn new(
        event: SyscallEvent,
        rules: Arc<InUse>,
        is_begun: bool,
        until: Instant,
    ) -> Self {
        Self { event, rules, is_begun, until }
    }
}

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Held {
    events: VecDeque<Waiting>,
    size_bytes: usize,
}

impl Held {
    /// Keeps an event; gives it back when there is no room.
    pub(super) fn hold(&mut self, waiting: Waiting) -> Option<Waiting> {
        if self.events.len() >= EVENTS_MAX || self.size_bytes >= BYTES_MAX {
            return Some(waiting);
        }
        self.size_bytes += waiting.event.size_bytes();
        self.events.push_back(waiting);
        None
    }

    /// Whether an event of this process waits: a later one must not overtake it.
    pub(super) fn has_of(&self, pid: u32) -> bool {
        self.events.iter().any(|waiting| waiting.event.head.tgid == pid)
    }

    /// The events that waited long enough, and those that `is_known` says yes to and that
    /// stand behind no other of their process.
    pub(super) fn take_ready(
        &mut self,
        now: Instant,
        is_known: impl Fn(&SyscallEvent) -> bool,
    ) -> Vec<Waiting> {
        let mut kept = HashSet::new();
        let mut ready = Vec::new();
        self.size_bytes = 0;
        for waiting in std::mem::take(&mut self.events) {
            let pid = waiting.event.head.tgid;
            if waiting.until <= now || (!kept.contains(&pid) && is_known(&waiting.event)) {
                ready.push(waiting);
            } else {
                kept.insert(pid);
                self.size_bytes += waiting.event.size_bytes();
                self.events.push_back(waiting);
            }
        }
        ready
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.events.drain(..).collect()
    }
}
