//! From the spool to the bus.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use lanner_bus::{Connection, Done, Message, Window};
use lanner_service::{CancellationToken, Chain};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::{
    Outgoing, Spool,
    counters::{Counters, PerPriority},
    seldom::Seldom,
    spool::{Taken, Ticket},
};

/// Publishes what the spool holds.
pub(crate) struct Pump {
    spool: Arc<Spool>,
    counters: Arc<Counters>,
    connection: Connection,
    window: Window<u64>,
    /// Alerts of which a message is under way, by their number.
    under_way: BTreeMap<u64, UnderWay>,
    /// The number of the last one.
    published: u64,
    /// Stored alerts, and where their live copies still have to go.
    live: VecDeque<(Message, VecDeque<String>)>,
    told: Seldom,
}

/// An alert until all its messages are stored.
struct UnderWay {
    ticket: Ticket,
    /// Messages that are not stored yet.
    left: usize,
    live: VecDeque<String>,
    /// What is kept aside, once the bus refused a message.
    refused: Option<Message>,
}

impl Pump {
    pub(crate) async fn open(
        spool: Arc<Spool>,
        counters: Arc<Counters>,
        connection: Connection,
    ) -> anyhow::Result<Self> {
        let window = Window::open(connection.clone()).await.context("bus")?;
        Ok(Self {
            spool,
            counters,
            connection,
            window,
            under_way: BTreeMap::new(),
            published: 0,
            live: VecDeque::new(),
            told: Seldom::every(Duration::from_secs(10)),
        })
    }

    /// Works until `inputs_ended`, and then for at most `stop_max` on what
    /// still waits. Gives the number of alerts that stay in the spool.
    pub(crate) async fn run(mut self, inputs_ended: CancellationToken, stop_max: Duration) -> u64 {
        while !inputs_ended.is_cancelled() {
            tokio::select! {
                () = self.work() => {}
                () = inputs_ended.cancelled() => {}
            }
        }
        let deadline = Instant::now() + stop_max;
        while !self.spool.is_empty() {
            tokio::select! {
                () = self.work() => {}
                () = sleep_until(deadline) => break,
            }
        }
        self.connection.close(Duration::from_secs(1)).await;
        let left = self.spool.standing();
        if left.alerts() == 0 {
            info!("every alert that was taken on is published");
        } else {
            let waiting = PerPriority(left.waiting);
            warn!(%waiting, "stopped before every alert was published; they wait in the spool");
        }
        left.alerts()
    }

    /// Pushes what there is room for, and returns once something came of it.
    /// Cancel safe.
    async fn work(&mut self) {
        self.send_live().await;
        while self.window.has_room()
            && self.connection.is_connected()
            && let Some(taken) = self.spool.try_next()
        {
            self.publish(taken);
        }
        let Self { window, connection, spool, .. } = self;
        let has_room = window.has_room();
        let more = async {
            if connection.is_connected() {
                spool.filled().await;
            } else {
                connection.connected().await;
            }
        };
        tokio::select! {
            done = window.next() => {
                self.done(done);
                while let Some(done) = self.window.try_next() {
                    self.done(done);
                }
            }
            () = more, if has_room => {}
        }
    }

    fn publish(&mut self, Taken { mut outgoing, ticket }: Taken) {
        let len_max = self.window.payload_bytes_max(&outgoing.message);
        if outgoing.message.payload.len() > len_max && !self.shorten(&mut outgoing, len_max) {
            self.give_up(ticket, &outgoing.message);
            return;
        }
        self.counters.published();
        self.published += 1;
        let mut left = 0;
        for message in outgoing.stored() {
            self.window.push(self.published, message);
            left += 1;
        }
        let live = outgoing.live().map(str::to_owned).collect();
        self.under_way.insert(self.published, UnderWay { ticket, left, live, refused: None });
    }

    fn shorten(&self, outgoing: &mut Outgoing, len_max: usize) -> bool {
        // Our own spool holds nothing but JSON of alerts; a damaged one might.
        let Some(short) = lanner_alert::shorten(&outgoing.message.payload, len_max) else {
            return false;
        };
        self.counters.shortened();
        if self.told.now() {
            let (len, id) = (outgoing.message.payload.len(), &outgoing.message.id);
            warn!(id, len, len_max, "the bus takes no alert as long as this one: shortened");
        }
        outgoing.message.payload = short.into();
        true
    }

    /// A message's fate is known; maybe that of its alert, too.
    fn done(&mut self, Done { key, message, result }: Done<u64>) {
        let Some(alert) = self.under_way.get_mut(&key) else { return };
        alert.left -= 1;
        match result {
            Ok(stored) => self.counters.stored(stored),
            Err(error) => {
                if self.told.now() {
                    warn!(error = %Chain(&error), "an alert cannot be published: kept aside");
                }
                alert.refused = Some(message.clone());
            }
        }
        if alert.left > 0 {
            return;
        }
        let Some(UnderWay { ticket, live, refused, .. }) = self.under_way.remove(&key) else {
            return;
        };
        match refused {
            Some(refused) => self.give_up(ticket, &refused),
            None => {
                self.spool.acknowledge(ticket);
                self.counters.acknowledged();
                if !live.is_empty() {
                    self.live.push_back((message, live));
                }
            }
        }
    }

    fn give_up(&self, ticket: Ticket, message: &Message) {
        self.counters.refused();
        self.spool.set_aside(ticket, message);
    }

    /// To whoever listens; of alerts that are stored.
    async fn send_live(&mut self) {
        while let Some((message, subjects)) = self.live.front_mut() {
            if let Some(subject) = subjects.front() {
                let (headers, payload) = (message.headers.clone(), message.payload.clone());
                let sent = self.connection.publish_live(subject, headers, payload).await;
                self.counters.copied(sent.is_ok());
                subjects.pop_front();
            } else {
                self.live.pop_front();
            }
        }
    }
}
