//! Whether the loops of the forwarder still turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How often a loop shows that it turns, whatever else it waits for.
const EVERY: Duration = Duration::from_secs(5);
/// A loop that has not for so long hangs: nothing that it does takes as long.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A loop's sign of life.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    name: &'static str,
    start: Instant,
    /// Milliseconds from the start; none before it turned for the first time.
    last: Arc<AtomicU64>,
}

/// The loop has not begun.
const NONE: u64 = u64::MAX;

impl Pulse {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, start: Instant::now(), last: Arc::new(AtomicU64::new(NONE)) }
    }

    /// For the loop's `select!`: the loop has turned, and is to turn again after a while.
    pub(crate) async fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
        sleep(EVERY).await;
    }

    /// The loop's name, if it hangs.
    pub(crate) fn hanging(&self) -> Option<&'static str> {
        let last = self.last.load(Ordering::Relaxed);
        let silence = Duration::from_millis(self.now().saturating_sub(last));
        (last != NONE && silence > SILENCE_MAX).then_some(self.name)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_named() {
        let pulse = Pulse::of("pump");
        let turning = pulse.clone();
        let turns = tokio::spawn(async move {
            loop {
                turning.beat().await;
            }
        });
        for _ in 0..30 {
            advance(EVERY).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(pulse.hanging(), None);
        turns.abort();
        advance(SILENCE_MAX + EVERY).await;
        assert_eq!(pulse.hanging(), Some("pump"));
    }
}
