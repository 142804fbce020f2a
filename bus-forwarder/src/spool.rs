//! Alerts on disk, between the inputs and the bus.
//!
//! ```text
//! inputs ─append─▶ emergency-…1.seg                   ─┐
//!                  …                                   ├─next─▶ publisher ─▶ bus
//!                  debug-…7.seg  debug-…8.seg ...      ─┘           │
//!                  (append only, a CRC for each record)             │
//!                  deleted once all in it is acknowledged ◀─────────┘
//! ```
//!
//! Promises:
//! - What [`Spool::append`] took survives the end of this process, however it
//!   ends. It survives a power cut too: with `power-safe` from then on, with
//!   `fast` after at most two sync intervals.
//! - What was taken is given out until it is acknowledged, also after a restart:
//!   the same alert may come twice, under the same id.
//! - Of each priority the oldest comes first. The most urgent priority comes
//!   first, but one turn of eight is that of the priority that waited longest;
//!   it is the only one for a priority of which all are deferred.
//! - It is never larger than its bound. The oldest segments of the least urgent
//!   priority go for a new alert that is not less urgent, and each alert in
//!   them is counted. A full disk is such a bound, until nothing is left that
//!   could go: then who brings alerts keeps them.
//! - Damaged bytes cost the alerts in them, which are counted and kept aside,
//!   and no others.
//!
//! Why none of the crates for this: yaque and commitlog know nothing of
//! priorities, cannot drop their oldest segments while they are read, and were
//! last released years ago; okaywal is a log that is replayed once and not a
//! queue that is read for ever; an LSM such as fjall writes each alert twice
//! or more, and its memory tables are larger than all of this forwarder.
//!
//! Not here: what an alert says.

mod acked;
mod aside;
mod config;
mod error;
mod log;
pub mod record;
pub mod segment;
mod standing;
mod state;
mod sync;

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lanner_service::{CancellationToken, Chain};
use rustix::fs::FlockOperation;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tracing::{info, warn};

pub use self::{
    config::{Durability, SpoolConfig},
    error::SpoolError,
    standing::Standing,
};
use self::{
    state::{Given, Offered, State},
    sync::Synced,
};
use crate::{Outgoing, counters::Counters, seldom::Seldom};

/// How long who waits for room on the disk does until it is tried again.
const ROOM_PAUSE: Duration = Duration::from_millis(200);

/// The spool, open. Nobody else can open its folder meanwhile.
#[derive(Debug)]
pub struct Spool {
    config: SpoolConfig,
    state: Mutex<State>,
    filled: Notify,
    unsynced: Notify,
    synced: watch::Sender<Synced>,
    counters: Arc<Counters>,
    full: Seldom,
    damaged: Seldom,
    /// Only to be held.
    _lock: File,
}

/// What became of alerts that were offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// How many of them are not kept, for all that is in the full spool is more
    /// urgent. They are counted as evicted: offering them again does not help.
    pub dropped: u64,
}

/// An alert that was given out, and has to be acknowledged by its ticket.
#[derive(Debug)]
pub struct Taken {
    /// The alert.
    pub outgoing: Outgoing,
    /// For [`Spool::acknowledge`].
    pub ticket: Ticket,
}

/// Names an alert that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    log: usize,
    place: acked::Place,
}

impl Spool {
    /// Opens the folder, and makes it if need be. Reads all that is in it once,
    /// to count it.
    ///
    /// # Errors
    /// When the folder cannot be used, another forwarder uses it, or a newer
    /// one left alerts in it.
    pub fn open(config: &SpoolConfig, counters: Arc<Counters>) -> Result<Self, SpoolError> {
        let dir = &config.dir;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(SpoolError::file("make the folder", dir))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::file("open", &path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_held| SpoolError::Locked { path: dir.clone() })?;
        let state = State::open(config, &counters)?;
        let standing = state.standing();
        let waiting = standing.alerts();
        if waiting > 0 {
            info!(waiting, size_bytes = standing.size_bytes, "the spool holds alerts of before");
        }
        Ok(Self {
            config: config.clone(),
            state: Mutex::new(state),
            filled: Notify::new(),
            unsynced: Notify::new(),
            synced: watch::Sender::new(Synced::default()),
            counters,
            full: Seldom::every(Duration::from_secs(10)),
            damaged: Seldom::every(Duration::from_secs(10)),
            _lock: lock,
        })
    }

    /// Takes alerts on. They are taken on when this returned `Ok`.
    ///
    /// # Errors
    /// [`SpoolError::Full`] names those that were not, for the disk is full:
    /// the others were. [`SpoolError::NotSynced`]: offer all of them again.
    pub async fn append(&self, alerts: &[Outgoing]) -> Result<Appended, SpoolError> {
        if alerts.is_empty() {
            return Ok(Appended::default());
        }
        let (offered, turn) = {
            let mut state = self.state();
            (state.append(alerts, &self.counters), state.turn())
        };
        self.filled.notify_one();
        let Offered { dropped, evicted, not_kept, disk } = offered;
        if dropped + evicted > 0 && self.full.now() {
            warn!("the spool is full: dropping the least urgent alerts, counted per priority");
        }
        if self.config.durability == Durability::PowerSafe {
            self.wait_for_sync(turn).await?;
        }
        match disk {
            None => Ok(Appended { dropped }),
            Some(source) => {
                self.counters.full();
                Err(SpoolError::Full { not_kept, source })
            }
        }
    }

    /// As [`append`](Self::append), and waits while the disk is full: for
    /// inputs whose writers wait as well.
    pub async fn append_all(&self, alerts: Vec<Outgoing>) -> Appended {
        // Without an end to the waiting there is no other outcome.
        self.append_until(alerts, &CancellationToken::new()).await.unwrap_or_default()
    }

    /// As [`append_all`](Self::append_all), but waits only until `stop`: then
    /// `None`, and some of the alerts are not taken on. What is being written
    /// is waited for in any case.
    pub(crate) async fn append_until(
        &self,
        alerts: Vec<Outgoing>,
        stop: &CancellationToken,
    ) -> Option<Appended> {
        let mut left = alerts;
        let mut appended = Appended::default();
        loop {
            let is_synced = match self.append(&left).await {
                Ok(Appended { dropped }) => {
                    appended.dropped += dropped;
                    return Some(appended);
                }
                Err(error) => {
                    if self.full.now() {
                        warn!(error = %Chain(&error), "cannot take alerts on, keeps trying");
                    }
                    if let SpoolError::Full { not_kept, .. } = &error {
                        let mut index = 0;
                        left.retain(|_| {
                            index += 1;
                            not_kept.binary_search(&(index - 1)).is_ok()
                        });
                    }
                    !matches!(error, SpoolError::NotSynced)
                }
            };
            loop {
                tokio::select! {
                    () = sleep(ROOM_PAUSE) => {}
                    () = stop.cancelled() => return None,
                }
                // Each try leaves another copy in the spool, which drives out
                // other alerts: none before it can come to more than the last.
                if is_synced || self.can_sync().await {
                    break;
                }
            }
        }
    }

    /// Returns when there may be an alert to be given out. Cancel safe.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The next alert to be published, if there is one.
    pub fn try_next(&self) -> Option<Taken> {
        let mut state = self.state();
        loop {
            match state.next()? {
                Given::Alert(taken) => return Some(*taken),
                Given::Damaged { segment, bytes } => {
                    self.counters.damaged();
                    let kept = state.aside().keep_part(&segment, &bytes);
                    if self.damaged.now() {
                        warn!(
                            segment = %segment.display(),
                            ?bytes,
                            aside = %state.aside().dir().display(),
                            error = kept.err().map(|error| error.to_string()),
                            "a part of the spool is damaged: counted, kept aside, and passed over"
                        );
                    }
                }
            }
        }
    }

    /// The alert is where it has to be, and is not given out again.
    pub fn acknowledge(&self, ticket: Ticket) {
        self.state().acknowledge(ticket);
    }

    /// Takes an alert on again behind all others, in place of the one that was
    /// given out: for one that cannot be published now, and must not hold up the
    /// others. Not, and `false`, when the disk did not take it: then the ticket
    /// is as it was.
    pub fn defer(&self, ticket: Ticket, outgoing: &Outgoing) -> bool {
        let mut state = self.state();
        let Offered { not_kept, .. } = state.append(slice::from_ref(outgoing), &self.counters);
        if !not_kept.is_empty() {
            return false;
        }
        // It was accepted once, when it came.
        self.counters.not_accepted_again(outgoing.priority);
        state.acknowledge_once_synced(ticket);
        drop(state);
        self.filled.notify_one();
        self.unsynced.notify_one();
        true
    }

    /// Keeps an alert aside that cannot be published, and does not give it out
    /// again.
    pub fn set_aside(&self, ticket: Ticket, message: &lanner_bus::Message) {
        let mut state = self.state();
        // The id is a UUID where an alert's writer is ours; a name in any case.
        let id = message.id.chars().filter(char::is_ascii_alphanumeric).take(64);
        let name = format!("refused-{}.json", id.collect::<String>());
        if let Err(error) = state.aside().keep(&name, &message.payload)
            && self.damaged.now()
        {
            warn!(%error, "cannot keep an alert aside that the bus refused");
        }
        state.acknowledge(ticket);
    }

    /// What waits, and how much of the disk it takes.
    pub fn standing(&self) -> Standing {
        self.state().standing()
    }

    /// Whether all that was taken on is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.state().waiting().iter().all(|count| *count == 0)
    }

    /// Syncs, and writes down what is acknowledged, until `stop`; and then once more.
    pub async fn keep(&self, stop: CancellationToken) {
        sync::keep(self, stop).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and if it did: counts that
        // are off by one are better than no alerts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
