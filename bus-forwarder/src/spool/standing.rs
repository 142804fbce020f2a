use std::time::Duration;

use lanner_alert::Priority;

/// What the spool holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Alerts that are not acknowledged, in the order of [`Priority::ALL`].
    pub waiting: [u64; Priority::ALL.len()],
    /// Bytes on the disk, without what is kept aside.
    pub size_bytes: u64,
    /// For how long the oldest of them has waited.
    pub oldest_age: Option<Duration>,
}

impl Standing {
    /// Alerts of all priorities that are not acknowledged.
    pub fn alerts(&self) -> u64 {
        self.waiting.iter().sum()
    }
}
