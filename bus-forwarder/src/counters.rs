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
    /// HTTP.
    Http,
}

impl Input {
    /// All of them, in the order of [`Summary::taken`].
    pub(crate) const ALL: [Self; 4] = [Self::Socket, Self::Pipe, Self::Stdin, Self::Http];

    /// As logs and metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Stdin => "stdin",
            Self::Http => "http",
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
    taken: [AtomicU64; 4],
    /// Not an alert, or too long to be one.
    unreadable: AtomicU64,
    /// A sensor's alert of another node.
    foreign: AtomicU64,
    /// In the spool.
    accepted: [AtomicU64; Priority::ALL.len()],
    /// And gone from it again, for it was full.
    evicted: [AtomicU64; Priority::ALL.len()],
    /// Offers that the full disk did not take.
    full: AtomicU64,
    damaged: AtomicU64,
    published: AtomicU64,
    acknowledged: AtomicU64,
    /// Stored already when it came again: a lost acknowledgement.
    duplicates: AtomicU64,
    resent: AtomicU64,
    /// What the bus will never take.
    refused: AtomicU64,
    redacted: AtomicU64,
    shortened: AtomicU64,
    copies: AtomicU64,
    copies_missed: AtomicU64,
    copies_unstored: AtomicU64,
    /// What a sensor told of itself, and nobody could read.
    statuses_unreadable: AtomicU64,
    beats: AtomicU64,
    beats_failed: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Alerts that the inputs gave: socket, pipe, stdin, http.
    pub taken: [u64; 4],
    /// Lines and frames that are no alert.
    pub unreadable: u64,
    /// A sensor's alerts of another node.
    pub foreign: u64,
    /// Taken on: in the spool. In the order of [`Priority::ALL`].
    pub accepted: [u64; Priority::ALL.len()],
    /// Of those, dropped because the spool was full; in the same order.
    pub evicted: [u64; Priority::ALL.len()],
    /// How often the full disk did not take what was offered.
    pub full: u64,
    /// Parts of the spool that were damaged, and are kept aside.
    pub damaged: u64,
    /// Alerts handed to the bus, each once.
    pub published: u64,
    /// Of those, stored by the bus with all their stored copies.
    pub acknowledged: u64,
    /// Messages that were stored already by an earlier attempt.
    pub duplicates: u64,
    /// Attempts to store a message beyond the first.
    pub resent: u64,
    /// Alerts that the bus will never take, and that are kept aside.
    pub refused: u64,
    /// Alerts that secrets were taken out of.
    pub redacted: u64,
    /// Alerts that were longer than the bus takes, and went shortened.
    pub shortened: u64,
    /// Live copies for tags.
    pub copies: u64,
    /// Live copies that nobody could get.
    pub copies_missed: u64,
    /// Copies for a tag of `tag_streams` that the bus has no stream for.
    pub copies_unstored: u64,
    /// What a sensor told of itself, and nobody could read.
    pub statuses_unreadable: u64,
    /// Heartbeats that the bus stored.
    pub beats: u64,
    /// Heartbeats that it did not.
    pub beats_failed: u64,
}

impl Counters {
    pub(crate) fn took(&self, input: Input) {
        let [socket, pipe, stdin, http] = &self.taken;
        add(match input {
            Input::Socket => socket,
            Input::Pipe => pipe,
            Input::Stdin => stdin,
            Input::Http => http,
        });
    }

    pub(crate) fn unreadable(&self) {
        add(&self.unreadable);
    }

    pub(crate) fn foreign(&self) {
        add(&self.foreign);
    }

    pub(crate) fn accepted(&self, priority: Priority, alerts: u64) {
        add_to(&self.accepted, priority, alerts);
    }

    /// One that was accepted before has taken its own place.
    pub(crate) fn not_accepted_again(&self, priority: Priority) {
        let of = Priority::ALL.iter().zip(&self.accepted).find(|(known, _)| **known == priority);
        if let Some((_, counter)) = of {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn evicted(&self, priority: Priority, alerts: u64) {
        add_to(&self.evicted, priority, alerts);
    }

    pub(crate) fn full(&self) {
        add(&self.full);
    }

    pub(crate) fn damaged(&self) {
        add(&self.damaged);
    }

    pub(crate) fn published(&self) {
        add(&self.published);
    }

    pub(crate) fn acknowledged(&self) {
        add(&self.acknowledged);
    }

    /// One message of an alert is stored.
    pub(crate) fn stored(&self, stored: lanner_bus::Stored) {
        if stored.duplicate {
            add(&self.duplicates);
        }
        let again = stored.attempts.saturating_sub(1);
        self.resent.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused);
    }

    pub(crate) fn redacted(&self) {
        add(&self.redacted);
    }

    pub(crate) fn shortened(&self) {
        add(&self.shortened);
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

    pub(crate) fn copy_unstored(&self) {
        add(&self.copies_unstored);
    }

    /// The counters now.
    pub fn summary(&self) -> Summary {
        let [socket, pipe, stdin, http] = &self.taken;
        Summary {
            taken: [get(socket), get(pipe), get(stdin), get(http)],
            unreadable: get(&self.unreadable),
            foreign: get(&self.foreign),
            accepted: get_all(&self.accepted),
            evicted: get_all(&self.evicted),
            full: get(&self.full),
            damaged: get(&self.damaged),
            published: get(&self.published),
            acknowledged: get(&self.acknowledged),
            duplicates: get(&self.duplicates),
            resent: get(&self.resent),
            refused: get(&self.refused),
            redacted: get(&self.redacted),
            shortened: get(&self.shortened),
            copies: get(&self.copies),
            copies_missed: get(&self.copies_missed),
            copies_unstored: get(&self.copies_unstored),
            statuses_unreadable: get(&self.statuses_unreadable),
            beats: get(&self.beats),
            beats_failed: get(&self.beats_failed),
        }
    }
}

impl Summary {
    /// How many of this priority went from the full spool.
    pub fn evicted_of(&self, priority: Priority) -> u64 {
        let counts = Priority::ALL.iter().zip(self.evicted);
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

fn add_to(counters: &[AtomicU64; Priority::ALL.len()], priority: Priority, count: u64) {
    let of = Priority::ALL.iter().zip(counters).find(|(known, _)| **known == priority);
    if let Some((_, counter)) = of {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

fn get_all(counters: &[AtomicU64; Priority::ALL.len()]) -> [u64; Priority::ALL.len()] {
    counters.each_ref().map(get)
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
