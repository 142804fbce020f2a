//! Whether the loops of the forwarder still turn.

use std::{
    sync::{Arc, Mutex, PoisonError},
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
    last: Arc<Mutex<Instant>>,
}

impl Pulse {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, last: Arc::new(Mutex::new(Instant::now())) }
    }

    /// For the loop's `select!`: returns after a while, and the loop has turned.
    pub(crate) async fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        sleep(EVERY).await;
    }

    /// The loop's name, if it hangs.
    pub(crate) fn hanging(&self) -> Option<&'static str> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.elapsed() > SILENCE_MAX).then_some(self.name)
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
