//! When the disk has to have it: one sync for all that was written meanwhile.

use std::{fs::File, io, sync::Arc, time::Duration};

use lanner_service::CancellationToken;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::{Durability, Spool, SpoolError};

/// How often it is written down what is acknowledged. A forwarder that is
/// killed sends as much again.
const ACKED_PAUSE: Duration = Duration::from_millis(50);

/// How far the disk is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Synced {
    /// All turns up to this one were tried.
    turn: u64,
    /// Turns that failed: more than the first, up to the second. Those between
    /// two failures are among them, for who waits may look only after both: he
    /// offers again what is there already, which is known by its id.
    failed: (u64, u64),
}

impl Spool {
    /// Returns when what was written up to `turn` would survive a power cut.
    pub(super) async fn wait_for_sync(&self, turn: u64) -> Result<(), SpoolError> {
        let mut synced = self.synced.subscribe();
        self.unsynced.notify_one();
        // The sender is ours: waiting cannot fail.
        let Ok(state) = synced.wait_for(|state| state.turn >= turn).await else {
            return Err(SpoolError::NotSynced);
        };
        let (from, to) = state.failed;
        if from < turn && turn <= to { Err(SpoolError::NotSynced) } else { Ok(()) }
    }

    async fn sync(&self, only_old: bool) {
        let (files, dir, mut turn) = {
            let mut state = self.state();
            (state.unsynced(only_old), self.config.dir.clone(), state.turn())
        };
        let outcome = match files.is_empty() {
            true => Ok(()),
            false => {
                let syncing = tokio::task::spawn_blocking(move || sync_all(&files, &dir));
                syncing.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            }
        };
        let failed = outcome.is_err();
        if !failed {
            self.state().synced();
        }
        if let Err(error) = outcome {
            // What the kernel could not write it may have thrown away, and the
            // next sync would not say so: no more goes into these files, and what
            // came into them meanwhile has failed with them.
            let mut state = self.state();
            state.seal();
            turn = state.turn();
            drop(state);
            if self.full.now() {
                warn!(%error, "cannot sync the spool: a power cut would lose alerts");
            }
        }
        self.synced.send_modify(|state| {
            if failed {
                let from = if state.failed == (0, 0) { state.turn } else { state.failed.0 };
                state.failed = (from, turn);
            }
            state.turn = state.turn.max(turn);
        });
    }

    /// Whether the disk confirms anything that is written to it.
    pub(super) async fn can_sync(&self) -> bool {
        let Ok(file) = self.state().rewrite_acked() else { return false };
        matches!(tokio::task::spawn_blocking(move || file.sync_data()).await, Ok(Ok(())))
    }

    fn save_acked(&self) {
        // Also for who waits while a segment could not be opened.
        self.filled.notify_one();
        if let Err(error) = self.state().save_acked()
            && self.full.now()
        {
            warn!(%error, "cannot write down what is acknowledged: a restart would send it again");
        }
    }
}

pub(super) async fn keep(spool: &Spool, stop: CancellationToken) {
    let every = |pause| {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let is_fast = spool.config.durability == Durability::Fast;
    let mut sync_ticks = every(spool.config.sync_interval());
    let mut acked_ticks = every(ACKED_PAUSE);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = acked_ticks.tick() => spool.save_acked(),
            _ = sync_ticks.tick(), if is_fast => spool.sync(true).await,
            () = spool.unsynced.notified(), if !is_fast => spool.sync(false).await,
        }
    }
    spool.sync(false).await;
    spool.save_acked();
}

fn sync_all(files: &[Arc<File>], dir: &std::path::Path) -> io::Result<()> {
    // One that fails is no reason to leave out the others.
    let mut outcome = Ok(());
    for file in files {
        outcome = outcome.and(file.sync_data());
    }
    // The names of new segments, too.
    outcome.and(File::open(dir)?.sync_all())
}
