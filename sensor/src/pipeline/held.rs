//! Events that wait for what the runtime knows of their container.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::event::SyscallEvent;

/// No event waits longer.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// Most events that wait at one time.
const EVENTS_MAX: usize = 4096;

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Held {
    events: VecDeque<(Instant, SyscallEvent)>,
}

impl Held {
    /// Keeps an event; gives it back when there is no room.
    pub(super) fn hold(&mut self, event: SyscallEvent, now: Instant) -> Option<SyscallEvent> {
        if self.events.len() >= EVENTS_MAX {
            return Some(event);
        }
        self.events.push_back((now + WAIT_MAX, event));
        None
    }

    /// Whether an event of this process waits: a later one must not overtake it.
    pub(super) fn has_of(&self, pid: u32) -> bool {
        self.events.iter().any(|(_, event)| event.head.tgid == pid)
    }

    /// The events that waited long enough, and those that `is_known` says yes to and that
    /// stand behind no other of their process.
    pub(super) fn take_ready(
        &mut self,
        now: Instant,
        is_known: impl Fn(&SyscallEvent) -> bool,
    ) -> Vec<SyscallEvent> {
        let mut kept = HashSet::new();
        let mut ready = Vec::new();
        for (until, event) in std::mem::take(&mut self.events) {
            let pid = event.head.tgid;
            if until <= now || (!kept.contains(&pid) && is_known(&event)) {
                ready.push(event);
            } else {
                kept.insert(pid);
                self.events.push_back((until, event));
            }
        }
        ready
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn take_all(&mut self) -> Vec<SyscallEvent> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }
}
