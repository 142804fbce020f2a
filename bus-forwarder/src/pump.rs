//! From the queue to the bus.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use lanner_bus::{Connection, Publisher, WINDOW};
use lanner_service::{CancellationToken, Chain};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::{
    counters::{Counters, PerPriority},
    pulse::Pulse,
    queue::{Queue, Waiting},
    seldom::Seldom,
};

/// Publishes what waits.
pub(crate) struct Pump {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    connection: Connection,
    publisher: Publisher,
    pulse: Pulse,
    refused: Seldom,
}

impl Pump {
    pub(crate) fn new(
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        connection: Connection,
        pulse: Pulse,
    ) -> Self {
        let publisher = Publisher::new(connection.clone());
        let refused = Seldom::every(Duration::from_secs(10));
        Self { queue, counters, connection, publisher, pulse, refused }
    }

    /// Works until `inputs_ended`, and then for at most `stop_max` on what
    /// still waits. Gives the number of alerts that are left behind.
    pub(crate) async fn run(&self, inputs_ended: CancellationToken, stop_max: Duration) -> u64 {
        let mut under_way = FuturesUnordered::new();
        while !inputs_ended.is_cancelled() {
            tokio::select! {
                waiting = self.next(), if under_way.len() < WINDOW => {
                    under_way.push(self.publish(waiting));
                }
                Some(()) = under_way.next() => {}
                () = inputs_ended.cancelled() => {}
                () = self.pulse.beat() => {}
            }
        }

        let deadline = Instant::now() + stop_max;
        while !(under_way.is_empty() && self.queue.is_empty()) {
            tokio::select! {
                waiting = self.next(), if under_way.len() < WINDOW && !self.queue.is_empty() => {
                    under_way.push(self.publish(waiting));
                }
                Some(()) = under_way.next() => {}
                () = sleep_until(deadline) => break,
                () = self.pulse.beat() => {}
            }
        }
        self.connection.close(Duration::from_secs(1)).await;
        let waiting = self.queue.waiting();
        let unacknowledged = u64::try_from(under_way.len()).unwrap_or(u64::MAX);
        let left = waiting.iter().sum::<u64>() + unacknowledged;
        if left == 0 {
            info!("every alert that was taken on is published");
        } else {
            warn!(
                left,
                unacknowledged,
                waiting = %PerPriority(waiting),
                "stopped before every alert was published; these are lost"
            );
        }
        left
    }

    /// The next alert, once the bus is there. Until then all of them wait where
    /// the least urgent can be dropped.
    async fn next(&self) -> Waiting {
        self.connection.connected().await;
        self.queue.pop().await
    }

    /// The alert until it is stored, and then its live copies.
    async fn publish(&self, waiting: Waiting) {
        let Waiting { message, copies, priority: _ } = waiting;
        match self.publisher.publish(&message).await {
            Ok(stored) => self.counters.published(stored),
            Err(error) => {
                self.counters.refused();
                if self.refused.now() {
                    warn!(error = %Chain(&error), "an alert cannot be published");
                }
                return;
            }
        }
        for subject in copies {
            let sent = self
                .connection
                .publish_live(&subject, message.headers.clone(), message.payload.clone())
                .await;
            self.counters.copied(sent.is_ok());
        }
    }
}
