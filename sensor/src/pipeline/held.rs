//! Events that wait for what the runtime knows of their container.

use std::{
    collections::VecDeque,
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

    /// The events of one container.
    pub(super) fn take_of(&mut self, container: &str) -> Vec<SyscallEvent> {
        let (taken, kept) = std::mem::take(&mut self.events).into_iter().partition(|(_, event)| {
            event.container.as_ref().is_some_and(|found| found.full == container)
        });
        self.events = kept;
        let taken: VecDeque<(Instant, SyscallEvent)> = taken;
        taken.into_iter().map(|(_, event)| event).collect()
    }

    /// The events that waited long enough.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<SyscallEvent> {
        let mut late = Vec::new();
        while let Some((until, _)) = self.events.front()
            && *until <= now
        {
            late.extend(self.events.pop_front().map(|(_, event)| event));
        }
        late
    }

    pub(super) fn take_all(&mut self) -> Vec<SyscallEvent> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }
}
