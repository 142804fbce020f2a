//! What a reader of live messages may have missed.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::{Connection, connection::State};

/// What happened to the flow of live messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The connection is gone; it is made anew.
    Lost,
    /// It is back. What was published in between was not seen.
    Over {
        /// How long it was away, as far as we noticed.
        lasted: Duration,
    },
    /// Messages came faster than they were taken, and some were dropped.
    TooSlow,
}

/// Tells of each [`Interruption`] of a connection from now on.
pub struct Interruptions {
    link: watch::Receiver<State>,
    slow: watch::Receiver<u64>,
    lost_at: Option<Instant>,
    generation: u64,
    /// Keeps both alive.
    _connection: Connection,
}

impl Connection {
    /// What a reader of live messages has to know beside them.
    pub fn interruptions(&self) -> Interruptions {
        let (mut link, mut slow) = (self.generation(), self.lost_by_slowness());
        let State { up, generation, .. } = *link.borrow_and_update();
        slow.mark_unchanged();
        let lost_at = (!up).then(Instant::now);
        Interruptions { link, slow, lost_at, generation, _connection: self.clone() }
    }
}

impl Interruptions {
    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Interruption {
        loop {
            // Neither sender goes away while we hold the connection.
            tokio::select! {
                _ = self.link.changed() => {
                    let State { up, generation, .. } = *self.link.borrow_and_update();
                    if !up {
                        if self.lost_at.is_none() {
                            self.lost_at = Some(Instant::now());
                            return Interruption::Lost;
                        }
                    } else if generation != self.generation {
                        // Lost and back before we looked: then it did not last.
                        let lasted = self.lost_at.take().map_or(Duration::ZERO, |at| at.elapsed());
                        self.generation = generation;
                        return Interruption::Over { lasted };
                    }
                }
                _ = self.slow.changed() => {
                    self.slow.mark_unchanged();
                    return Interruption::TooSlow;
                }
            }
        }
    }
}
