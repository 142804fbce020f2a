//! What went through, in numbers.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counts of this process since it began.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages taken from the bus.
    pub received: Count,
    /// Messages that nobody can act upon: not an alert, or not under its own name.
    pub poison: Count,
    /// Alerts that no playbook answers.
    pub unanswered: Count,
    /// Plans stored.
    pub planned: Count,
    /// Alerts left out, for they were no news.
    pub duplicates: Count,
    /// Playbooks that ended in an error.
    pub playbook_errors: Count,
    /// Plans carried to an outcome.
    pub concluded: Count,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {}, poison {}, unanswered {}, planned {}, duplicates {}, \
             playbook errors {}, concluded {}",
            self.received.get(),
            self.poison.get(),
            self.unanswered.get(),
            self.planned.get(),
            self.duplicates.get(),
            self.playbook_errors.get(),
            self.concluded.get()
        )
    }
}
