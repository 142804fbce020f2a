//! When a reader sleeps until it is woken, and when it only rests.
//!
//! ```text
//! events far apart:  sleep ─ woken ─ read ─ sleep ─ woken ─ read
//! one upon another:  sleep ─ woken ─ read ─ rest ─ read ─ rest ─ read, nothing ─ sleep
//! ```
//!
//! A wake-up costs the program that causes it and the reader several microseconds each, more than
//! all that is done about most events. So a reader that was woken soon after it fell asleep looks
//! at its ring at intervals instead, until it finds nothing there.

use std::time::Duration;

/// Between two looks at a ring: what an event may wait for a reader that does not sleep.
pub(super) const REST: Duration = Duration::from_micros(300);

/// What the last wait was like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    has_read: bool,
    is_busy: bool,
}

impl Pace {
    /// A record was taken.
    pub(super) fn took(&mut self) {
        self.has_read = true;
    }

    /// Whether the wait that comes now is a rest.
    pub(super) fn rests(&mut self) -> bool {
        let has_read = std::mem::take(&mut self.has_read);
        self.is_busy &= has_read;
        self.is_busy
    }

    /// A sleep is over that took so long.
    pub(super) fn slept(&mut self, time: Duration) {
        self.is_busy = time < REST;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, REST};

    /// What waits are like, for how long each sleep took and whether there was something after it.
    #[track_caller]
    fn check(waits: &[(Duration, bool)], expected: &str) {
        let mut pace = Pace::default();
        let mut kinds = String::new();
        for (time, has_record) in waits {
            if pace.rests() {
                kinds.push('r');
            } else {
                kinds.push('s');
                pace.slept(*time);
            }
            if *has_record {
                pace.took();
            }
        }
        assert_eq!(kinds, expected);
    }

    #[test]
    fn only_a_busy_ring_is_looked_at_without_being_woken() {
        let (short, long) = (REST / 10, REST * 2);
        check(&[(long, true), (long, true), (long, true)], "sss");
        check(&[(short, true), (short, true), (short, true)], "srr");
        // The first look that finds nothing ends it.
        check(&[(short, true), (long, true), (long, false), (long, true), (long, true)], "srrss");
        // Woken by somebody else.
        check(&[(short, false), (short, false)], "ss");
    }
}
