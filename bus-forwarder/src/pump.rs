//! From the spool to the bus.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use lanner_alert::{Priority, SubjectRoot};
use lanner_bus::{Connection, Done, Message, PublishError, Window};
use lanner_service::{CancellationToken, Chain};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::{
    Outgoing, Spool,
    counters::{Counters, PerPriority},
    missing::{MissingStreams, Pace, TagStream},
    pulse::Pulse,
    seldom::Seldom,
    spool::{Taken, Ticket},
};

/// Alerts that go back to the spool in a second, for the bus has no stream for
/// them. What comes behind them waits that long at most.
const DEFERRED_PER_SECOND: u32 = 250;
/// Alerts that the spool could not take back yet. With as many, no more are
/// taken from it.
const NOT_DEFERRED_MAX: usize = 1000;
/// For live copies, after the last alert is stored.
const LAST_LIVE_MAX: Duration = Duration::from_secs(1);

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
    /// What subjects of restricted alerts begin with.
    restricted: String,
    missing: MissingStreams,
    deferred: Pace,
    /// What has to go back to the spool, once its disk takes it.
    not_deferred: VecDeque<(Ticket, Outgoing)>,
    told: Seldom,
    pulse: Pulse,
}

/// An alert until all its messages are stored.
struct UnderWay {
    ticket: Ticket,
    priority: Priority,
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
        root: &SubjectRoot,
        pulse: Pulse,
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
            restricted: format!("{}.restricted.", root.as_str()),
            missing: MissingStreams::default(),
            deferred: Pace::new(DEFERRED_PER_SECOND),
            not_deferred: VecDeque::new(),
            told: Seldom::every(Duration::from_secs(10)),
            pulse,
        })
    }

    /// Works until `inputs_ended`, and then for at most `stop_max` on what
    /// still waits. Gives the number of alerts that stay in the spool.
    pub(crate) async fn run(mut self, inputs_ended: CancellationToken, stop_max: Duration) -> u64 {
        let pulse = self.pulse.clone();
        while !inputs_ended.is_cancelled() {
            tokio::select! {
                () = self.work() => {}
                () = inputs_ended.cancelled() => {}
                () = pulse.beat() => {}
            }
        }
        let deadline = Instant::now() + stop_max;
        while !self.spool.is_empty() {
            tokio::select! {
                () = self.work() => {}
                () = sleep_until(deadline) => break,
                () = pulse.beat() => {}
            }
        }
        // Nobody stores these: who listens gets them now or never.
        let _ = timeout(LAST_LIVE_MAX, self.send_live()).await;
        for _subject in self.live.iter().flat_map(|(_, subjects)| subjects) {
            self.counters.copied(false);
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
        self.defer_again();
        while self.window.has_room()
            && self.not_deferred.len() < NOT_DEFERRED_MAX
            && self.connection.is_connected()
            && self.deferred.pause().is_none()
            && let Some(taken) = self.spool.try_next()
        {
            self.publish(taken);
        }
        let Self { window, connection, spool, deferred, .. } = self;
        let pause = deferred.pause();
        let has_room = window.has_room();
        let more = async {
            if !connection.is_connected() {
                connection.connected().await;
            } else if let Some(pause) = pause {
                sleep_until(pause).await;
            } else {
                spool.filled().await;
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
        let restricted = self.stream_of(&outgoing.message);
        if let Some(stream) = &restricted
            && !self.missing.may_try(stream)
        {
            self.defer(ticket, outgoing.priority, outgoing.message);
            return;
        }
        self.counters.published();
        self.published += 1;
        let mut live: VecDeque<String> = outgoing.live().map(str::to_owned).collect();
        let mut left = 0;
        let mut messages = outgoing.stored();
        if let Some(message) = messages.next() {
            left += 1;
            match restricted {
                Some(_) => self.window.push_if_stream(self.published, message),
                None => self.window.push(self.published, message),
            }
        }
        for copy in messages {
            if self.stream_of(&copy).is_none_or(|stream| self.missing.may_try(&stream)) {
                left += 1;
                self.window.push_if_stream(self.published, copy);
            } else {
                self.counters.copy_unstored();
                live.push_back(copy.subject);
            }
        }
        let priority = outgoing.priority;
        self.under_way
            .insert(self.published, UnderWay { ticket, priority, left, live, refused: None });
    }

    /// The stream of a tag that has to take this message; `None` for the stream
    /// of all alerts.
    fn stream_of(&self, message: &Message) -> Option<TagStream> {
        if let Some((_alert, tag)) = message.id.split_once(':') {
            return Some(TagStream::Copies(tag.to_owned()));
        }
        let rest = message.subject.strip_prefix(&self.restricted)?;
        Some(TagStream::Restricted(rest.split('.').next().unwrap_or_default().to_owned()))
    }

    /// Back to the end of the spool, so that those behind go on.
    fn defer(&mut self, ticket: Ticket, priority: Priority, message: Message) {
        self.deferred.add();
        let outgoing = Outgoing { priority, message, copies: Vec::new() };
        if !self.spool.defer(ticket, &outgoing) {
            self.not_deferred.push_back((ticket, outgoing));
        }
    }

    /// What the spool could not take back it still has, under the same ticket.
    fn defer_again(&mut self) {
        while let Some((ticket, outgoing)) = self.not_deferred.front() {
            if !self.spool.defer(*ticket, outgoing) {
                return;
            }
            self.not_deferred.pop_front();
        }
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
        let stream = self.stream_of(&message);
        let Some(alert) = self.under_way.get_mut(&key) else { return };
        alert.left -= 1;
        match (result, stream) {
            (Ok(stored), stream) => {
                self.counters.stored(stored);
                if let Some(stream) = stream.filter(|stream| self.missing.has(stream)) {
                    info!(%stream, "the bus has the stream of this tag now");
                }
            }
            (Err(error), Some(stream @ TagStream::Copies(_))) => {
                self.counters.copy_unstored();
                if self.missing.lacks(stream.clone()) {
                    warn!(
                        %stream, error = %Chain(&error),
                        "copies of this tag are not stored, and counted: add it to the layout of the bus, \
                         and run `lanner bus permissions` and `lanner bus setup`"
                    );
                }
            }
            (
                Err(error @ (PublishError::NoStream { .. } | PublishError::Denied { .. })),
                Some(stream @ TagStream::Restricted(_)),
            ) => {
                if self.missing.lacks(stream.clone()) {
                    warn!(
                        %stream, error = %Chain(&error),
                        "alerts with this tag wait in the spool: add it to the layout of the bus, \
                         and run `lanner bus permissions` and `lanner bus setup`"
                    );
                }
                if let Some(UnderWay { ticket, priority, .. }) = self.under_way.remove(&key) {
                    self.defer(ticket, priority, message);
                }
                return;
            }
            (Err(error), _) => {
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
