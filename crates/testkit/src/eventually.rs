//! A condition with a deadline, instead of a sleep.

use std::{
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `condition` until it gives a value.
///
/// # Panics
/// When it has not within `deadline`: "`what` did not happen within ...".
#[track_caller]
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < deadline, "{what}: did not happen within {deadline:?}");
        thread::sleep(PAUSE);
    }
}

/// As [`eventually`], for asynchronous conditions.
///
/// # Panics
/// When the condition gives no value within `deadline`, also when a single
/// asking takes longer than that.
pub async fn eventually_async<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    let asking = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(deadline, asking).await {
        Ok(value) => value,
        Err(_elapsed) => panic!("{what}: did not happen within {deadline:?}"),
    }
}
