//! Containers whose start is still to be told of, each once: those that run when the
//! sensor starts, and those that start later.
//!
//! ```text
//! first process seen, or a runtime tells ─▶ waits for the runtime's facts (≤ 500 ms) ─▶ event
//! ```

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{container::ContainerId, recent::Recent};

/// Containers that were told of are remembered, at least so many.
const TOLD_MAX: usize = 8192;

/// Most that wait.
const WAITING_MAX: usize = 4096;

/// No start waits longer for what the runtime knows.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// A container that started.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) container: Arc<ContainerId>,
    /// Its first process, or the first that we saw of it.
    pub(super) pid: u32,
    until: Instant,
}

pub(super) struct Starts {
    told: Recent<String, ()>,
    waiting: VecDeque<Start>,
    dropped: u64,
}

impl Default for Starts {
    fn default() -> Self {
        Self { told: Recent::new(TOLD_MAX), waiting: VecDeque::new(), dropped: 0 }
    }
}

impl Starts {
    /// A process of a container was seen, or its runtime tells of it.
    pub(super) fn note(&mut self, container: &Arc<ContainerId>, pid: u32, now: Instant) {
        if self.told.get(container.full.as_str()).is_some() {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            // The next program that it starts may find room.
            self.dropped += 1;
            return;
        }
        self.told.insert(container.full.clone(), ());
        let container = Arc::clone(container);
        self.waiting.push_back(Start { container, pid, until: now + WAIT_MAX });
    }

    /// Those that `is_known` says yes to, and those that waited long enough.
    pub(super) fn take_ready(
        &mut self,
        now: Instant,
        mut is_known: impl FnMut(&ContainerId) -> bool,
    ) -> VecDeque<Start> {
        if self.waiting.is_empty() {
            return VecDeque::new();
        }
        let is_ready = |start: &Start| start.until <= now || is_known(&start.container);
        let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(is_ready);
        self.waiting = waiting;
        ready
    }

    /// Starts that nobody was told of because too many waited.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::{Starts, WAIT_MAX, WAITING_MAX};
    use crate::enrich::container::{ContainerId, Runtime};

    fn container(number: usize) -> Arc<ContainerId> {
        Arc::new(ContainerId::new(&format!("{number:064x}"), Runtime::Docker))
    }

    #[test]
    fn each_is_told_of_once() {
        let (mut starts, now) = (Starts::default(), Instant::now());
        starts.note(&container(1), 10, now);
        starts.note(&container(1), 11, now);
        starts.note(&container(2), 12, now);
        let known = |id: &ContainerId| id.full == container(2).full;
        let pids = |starts: &mut Starts, now| -> Vec<u32> {
            starts.take_ready(now, known).iter().map(|start| start.pid).collect()
        };
        assert_eq!(pids(&mut starts, now), [12]);
        assert_eq!(pids(&mut starts, now), [0_u32; 0]);
        assert_eq!(pids(&mut starts, now + WAIT_MAX), [10]);
        starts.note(&container(1), 13, now);
        assert_eq!(pids(&mut starts, now + WAIT_MAX), [0_u32; 0]);
    }

    #[test]
    fn thousands_in_a_row_are_bounded_and_counted() {
        let (mut starts, now) = (Starts::default(), Instant::now());
        for number in 0..10_000 {
            starts.note(&container(number), 1, now);
        }
        assert_eq!(starts.take_ready(now, |_| true).len(), WAITING_MAX);
        assert_eq!(starts.dropped(), 10_000 - WAITING_MAX as u64);
        // Who found no room is told of when there is.
        starts.note(&container(9_999), 1, now);
        let ready = starts.take_ready(now, |_| true);
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].container, container(9_999));
    }
}
