//! How many questions the kernel's events may ask.

use std::time::{Duration, Instant};

/// Questions that may be asked at once, after a time without any.
const BURST: u32 = 256;

/// And how soon there is one more: 64 a second, some hundred times what the kubelet starts.
const ONE_MORE_AFTER: Duration = Duration::from_micros(15_625);

/// A token bucket.
pub(super) struct Budget {
    left: u32,
    /// When `left` was last right.
    at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    /// Whether one more question may be asked; if so it is counted.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at);
        let more = u32::try_from(passed.as_micros() / ONE_MORE_AFTER.as_micros());
        let more = more.unwrap_or(BURST).min(BURST);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            // What is left of the time counts for the next.
            self.at = if self.left == BURST { now } else { self.at + ONE_MORE_AFTER * more };
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BURST, Budget, ONE_MORE_AFTER};

    /// How many of `asked` questions at one moment may be asked.
    fn taken(budget: &mut Budget, asked: u32, now: Instant) -> u32 {
        (0..asked).filter(|_| budget.take(now)).count().try_into().unwrap()
    }

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(taken(&mut budget, 10_000, start), BURST);
        let mut now = start;
        for _ in 0..64 {
            now += ONE_MORE_AFTER;
            assert_eq!(taken(&mut budget, 100, now), 1);
        }
        assert_eq!(taken(&mut budget, 10_000, now + Duration::from_secs(1)), 64);
        assert_eq!(taken(&mut budget, 10_000, now + Duration::from_secs(3600)), BURST);
    }
}
