use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use lanner_alert::Priority;

/// Where an alert came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The sensor's socket.
    Socket,
    /// Falco's pipe.
    Pipe,
    /// Standard input.
    Stdin,
}

impl Input {
    /// All of them, in the order of [`Summary::taken`].
    pub(crate) const ALL: [Self; 3] = [Self::Socket, Self::Pipe, Self::Stdin];

    /// As logs and metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Stdin => "stdin",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the forwarder did since it started.
#[derive(Debug, Default)]
pub struct Counters {
    taken: [AtomicU64; 3],
    /// Not an alert, or too long to be one.
    unreadable: AtomicU64,
    /// A sensor's alert of another node.
    foreign: AtomicU64,
    dropped: [AtomicU64; Priority::ALL.len()],
    published: AtomicU64,
    /// Stored already when it came again: a lost acknowledgement.
    duplicates: AtomicU64,
    resent: AtomicU64,
    /// What the bus will never take.
    refused: AtomicU64,
    copies: AtomicU64,
    copies_missed: AtomicU64,
    /// What a sensor told of itself, and nobody could read.
    statuses_unreadable: AtomicU64,
    beats: AtomicU64,
    beats_failed: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Alerts that the inputs gave: socket, pipe, stdin.
    pub taken: [u64; 3],
    /// Lines and frames that are no alert.
    pub unreadable: u64,
    /// A sensor's alerts of another node.
    pub foreign: u64,
    /// Dropped because the queue was full; in the order of [`Priority::ALL`].
    pub dropped: [u64; Priority::ALL.len()],
    /// Stored by the bus.
    pub published: u64,
    /// Of those, stored already by an earlier attempt.
    pub duplicates: u64,
    /// Attempts beyond the first.
    pub resent: u64,
    /// Alerts that the bus will never take.
    pub refused: u64,
    /// Live copies for tags.
    pub copies: u64,
    /// Live copies that nobody could get.
    pub copies_missed: u64,
    /// What a sensor told of itself, and nobody could read.
    pub statuses_unreadable: u64,
    /// Heartbeats that the bus stored.
    pub beats: u64,
    /// Heartbeats that it did not.
    pub beats_failed: u64,
}

impl Counters {
    pub(crate) fn took(&self, input: Input) {
        let [socket, pipe, stdin] = &self.taken;
        add(match input {
            Input::Socket => socket,
            Input::Pipe => pipe,
            Input::Stdin => stdin,
        });
    }

    pub(crate) fn unreadable(&self) {
        add(&self.unreadable);
    }

    pub(crate) fn foreign(&self) {
        add(&self.foreign);
    }

    pub(crate) fn dropped(&self, priority: Priority) {
        let at = Priority::ALL.iter().position(|known| *known == priority);
        if let Some(counter) = at.and_then(|at| self.dropped.get(at)) {
            add(counter);
        }
    }

    pub(crate) fn published(&self, stored: lanner_bus::Stored) {
        add(&self.published);
        if stored.duplicate {
            add(&self.duplicates);
        }
        let again = stored.attempts.saturating_sub(1);
        self.resent.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused);
    }

    pub(crate) fn copied(&self, arrived: bool) {
        add(if arrived { &self.copies } else { &self.copies_missed });
    }

    pub(crate) fn unreadable_status(&self) {
        add(&self.statuses_unreadable);
    }

    pub(crate) fn beat(&self, stored: bool) {
        add(if stored { &self.beats } else { &self.beats_failed });
    }

    /// The counters now.
    pub fn summary(&self) -> Summary {
        let all = |counters: &[AtomicU64]| -> Vec<u64> { counters.iter().map(get).collect() };
        let mut taken = [0; 3];
        taken.copy_from_slice(&all(&self.taken));
        let mut dropped = [0; Priority::ALL.len()];
        dropped.copy_from_slice(&all(&self.dropped));
        Summary {
            taken,
            unreadable: get(&self.unreadable),
            foreign: get(&self.foreign),
            dropped,
            published: get(&self.published),
            duplicates: get(&self.duplicates),
            resent: get(&self.resent),
            refused: get(&self.refused),
            copies: get(&self.copies),
            copies_missed: get(&self.copies_missed),
            statuses_unreadable: get(&self.statuses_unreadable),
            beats: get(&self.beats),
            beats_failed: get(&self.beats_failed),
        }
    }
}

impl Summary {
    /// How many of this priority the queue dropped.
    pub fn dropped_of(&self, priority: Priority) -> u64 {
        let counts = Priority::ALL.iter().zip(self.dropped);
        counts.filter(|(known, _)| **known == priority).map(|(_, count)| count).sum()
    }
}

/// For the log: `notice 3, debug 10`, or `none`.
pub(crate) struct PerPriority(pub(crate) [u64; Priority::ALL.len()]);

impl fmt::Display for PerPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (priority, count) in Priority::ALL.iter().zip(self.0) {
            if count > 0 {
                write!(f, "{separator}{} {count}", priority.as_token())?;
                separator = ", ";
            }
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
