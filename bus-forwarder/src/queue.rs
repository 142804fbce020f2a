//! Alerts that wait for the bus: bounded, and the least urgent go first.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lanner_alert::Priority;
use lanner_bus::Message;
use tokio::sync::Notify;

use crate::config::QueueBounds;

/// An alert, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How urgent it is.
    pub priority: Priority,
    /// Where it is stored.
    pub message: Message,
    /// Subjects of its live copies.
    pub copies: Vec<String>,
}

/// What became of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// What had to go, in this order; maybe the pushed alert itself.
    pub dropped: Vec<Priority>,
}

/// The queue. Out comes the most urgent, of these the oldest.
#[derive(Debug)]
pub struct Queue {
    bounds: QueueBounds,
    held: Mutex<Held>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// One line for each priority, the most urgent first.
    lines: [VecDeque<Waiting>; Priority::ALL.len()],
    alerts: usize,
    size_bytes: u64,
}

impl Queue {
    /// An empty queue.
    pub fn new(bounds: QueueBounds) -> Self {
        Self { bounds, held: Mutex::default(), filled: Notify::new() }
    }

    /// Takes an alert in, and drops what is too much: the oldest of the least
    /// urgent, the new one included.
    pub fn push(&self, waiting: Waiting) -> Pushed {
        let mut held = self.held();
        held.push(waiting);
        let mut pushed = Pushed::default();
        while held.alerts > self.bounds.alerts_max.get()
            || held.size_bytes > self.bounds.size_bytes_max.get()
        {
            let Some(dropped) = held.drop_least() else { break };
            pushed.dropped.push(dropped.priority);
        }
        drop(held);
        self.filled.notify_one();
        pushed
    }

    /// The next alert; waits while there is none. Cancel safe.
    pub async fn pop(&self) -> Waiting {
        loop {
            if let Some(waiting) = self.try_pop() {
                return waiting;
            }
            self.filled.notified().await;
        }
    }

    /// The next alert, if there is one.
    pub fn try_pop(&self) -> Option<Waiting> {
        self.held().pop_most_urgent()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held().alerts == 0
    }

    /// How many wait, in the order of [`Priority::ALL`].
    pub fn waiting(&self) -> [u64; Priority::ALL.len()] {
        let held = self.held();
        let mut counts = [0; Priority::ALL.len()];
        for (count, line) in counts.iter_mut().zip(&held.lines) {
            *count = u64::try_from(line.len()).unwrap_or(u64::MAX);
        }
        counts
    }

    /// Bytes that wait.
    pub fn size_bytes(&self) -> u64 {
        self.held().size_bytes
    }

    /// Whether one more alert would push another one out.
    pub fn is_full(&self) -> bool {
        let held = self.held();
        held.alerts >= self.bounds.alerts_max.get()
            || held.size_bytes >= self.bounds.size_bytes_max.get()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it holds the lock, and if it did: counts that
        // are off by one are better than no alerts.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn push(&mut self, waiting: Waiting) {
        let at = Priority::ALL.iter().position(|known| *known == waiting.priority);
        self.alerts += 1;
        self.size_bytes = self.size_bytes.saturating_add(size(&waiting));
        if let Some(line) = at.and_then(|at| self.lines.get_mut(at)) {
            line.push_back(waiting);
        }
    }

    fn pop_most_urgent(&mut self) -> Option<Waiting> {
        let waiting = self.lines.iter_mut().find_map(VecDeque::pop_front)?;
        self.took(&waiting);
        Some(waiting)
    }

    fn drop_least(&mut self) -> Option<Waiting> {
        let waiting = self.lines.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.took(&waiting);
        Some(waiting)
    }

    fn took(&mut self, waiting: &Waiting) {
        self.alerts = self.alerts.saturating_sub(1);
        self.size_bytes = self.size_bytes.saturating_sub(size(waiting));
    }
}

/// What an alert takes up, as far as an attacker can choose it.
fn size(waiting: &Waiting) -> u64 {
    let subjects: usize = waiting.copies.iter().map(String::len).sum();
    let bytes = waiting.message.payload.len() + waiting.message.subject.len() + subjects;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
