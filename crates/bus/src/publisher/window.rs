//! Many messages under way at once, in one task.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Display,
    sync::Arc,
    time::Duration,
};

use async_nats::{Subscriber, client::PublishErrorKind, connection::State as Transport};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::debug;

use super::{
    ACK_MAX, Message, PublishError, RETRY_WAIT_MAX, RETRY_WAIT_MIN, Stored, WINDOW,
    answer::{self, Answer},
};
use crate::{Cause, Connection, connection::State, headers::MESSAGE_ID};

/// Most bytes of messages under way, unless it is one.
const SIZE_BYTES_MAX: usize = 4 << 20;
/// How often deadlines are looked at.
const DEADLINE_PAUSE: Duration = Duration::from_millis(250);
/// How often a message is sent that may be without a stream: twice, for a stream
/// that changes its leader takes nothing for a moment.
const TRIES_WITHOUT_STREAM: u32 = 2;
const WITHOUT_STREAM_PAUSE: Duration = Duration::from_secs(2);
/// A message that was never answered waits as many times longer, at most.
const PATIENCE_MAX: u32 = 6;
/// Beside a header's name and value, and around all of them.
const HEADER_BYTES: usize = 4;
const HEADERS_BYTES: usize = 64;

/// Publishes a sequence of messages and gives each back once its fate is known.
///
/// At most [`WINDOW`] messages are under way, in the order in which they were
/// pushed. A message is sent again, under the same id: at once when there is a
/// new connection, after its deadline, and a little later when the server had
/// no stream for it. All that is sent again goes in the first order, and before
/// anything new.
///
/// So the server stores them in the order of the pushes, but: when a connection
/// breaks, messages that were handed over in that instant may be stored before
/// those that went down with it; and a stream that changes its leader may take
/// a message when it did not take one before.
#[derive(Debug)]
pub struct Window<K> {
    connection: Connection,
    inbox: String,
    answers: Subscriber,
    refusals: broadcast::Receiver<Arc<str>>,
    link: watch::Receiver<State>,
    deadlines: Interval,
    /// By the number in the subject of the answer.
    under_way: BTreeMap<u64, UnderWay<K>>,
    pushed: u64,
    size_bytes: usize,
    to_send: BTreeSet<u64>,
    done: VecDeque<Done<K>>,
    /// Nothing is sent before that: the server has no stream.
    pause: Option<Instant>,
    wait: Duration,
}

#[derive(Debug)]
struct UnderWay<K> {
    key: K,
    message: Message,
    attempts: u32,
    sent: Option<Instant>,
    /// Is given back when no stream takes it.
    may_lack_stream: bool,
    /// The server said that no stream takes it, and is asked again then.
    again: Option<Instant>,
}

/// A message whose fate is known.
#[derive(Debug)]
pub struct Done<K> {
    /// As it was pushed.
    pub key: K,
    /// As it was pushed.
    pub message: Message,
    /// Whether it is stored, or never will be.
    pub result: Result<Stored, PublishError>,
}

impl<K> Window<K> {
    /// Publishes over `connection`.
    ///
    /// # Errors
    /// When the connection was given up.
    pub async fn open(connection: Connection) -> Result<Self, PublishError> {
        let inbox = connection.client.new_inbox();
        let answers = connection.client.subscribe(format!("{inbox}.*")).await;
        let answers = answers.map_err(|error| PublishError::Refused {
            subject: format!("{inbox}.*"),
            source: Cause::of(&error),
        })?;
        let mut deadlines = interval(DEADLINE_PAUSE);
        deadlines.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            inbox,
            answers,
            refusals: connection.refusals(),
            link: connection.generation(),
            deadlines,
            connection,
            under_way: BTreeMap::new(),
            pushed: 0,
            size_bytes: 0,
            to_send: BTreeSet::new(),
            done: VecDeque::new(),
            pause: None,
            wait: RETRY_WAIT_MIN,
        })
    }

    /// Whether one more may be pushed now. Best not while the server is away:
    /// where it waits it can be dropped for something more urgent.
    pub fn has_room(&self) -> bool {
        self.under_way.len() < WINDOW && self.size_bytes < SIZE_BYTES_MAX && self.pause.is_none()
    }

    /// Messages whose fate is not known yet.
    pub fn len(&self) -> usize {
        self.under_way.len() + self.done.len()
    }

    /// Whether the fate of all is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most bytes of a payload that the server takes beside this message's
    /// headers; known once it was connected to.
    pub fn payload_bytes_max(&self, message: &Message) -> usize {
        let headers: usize = message
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + HEADER_BYTES)
            .sum();
        let id = MESSAGE_ID.len() + message.id.len() + HEADER_BYTES;
        self.connection.client.max_payload().saturating_sub(headers + id + HEADERS_BYTES)
    }

    /// Adds a message, to be sent by [`next`](Self::next).
    pub fn push(&mut self, key: K, message: Message) {
        self.add(key, message, false);
    }

    /// As [`push`](Self::push), for a subject that the server may have no stream
    /// for: such a message holds up no other, and is given back with
    /// [`PublishError::NoStream`] when it was not stored in time. It may be
    /// stored out of order.
    pub fn push_if_stream(&mut self, key: K, message: Message) {
        self.add(key, message, true);
    }

    fn add(&mut self, key: K, message: Message, may_lack_stream: bool) {
        self.pushed += 1;
        self.size_bytes += size(&message);
        self.to_send.insert(self.pushed);
        let (sent, again) = (None, None);
        let under_way = UnderWay { key, message, attempts: 0, sent, may_lack_stream, again };
        self.under_way.insert(self.pushed, under_way);
    }

    /// The next message whose fate is known, if that is so without waiting.
    pub fn try_next(&mut self) -> Option<Done<K>> {
        self.done.pop_front()
    }

    /// Sends what is to be sent, and waits for the next message whose fate is
    /// known; for ever where none is under way. Cancel safe: what was pushed
    /// stays.
    pub async fn next(&mut self) -> Done<K> {
        loop {
            if let Some(done) = self.done.pop_front() {
                return done;
            }
            self.send().await;
            if !self.done.is_empty() {
                continue;
            }
            let pause = self.pause;
            tokio::select! {
                biased;
                Some(answer) = self.answers.next() => self.answered(&answer),
                refused = self.refusals.recv() => self.refused(refused.ok().as_deref()),
                Ok(()) = self.link.changed() => self.linked(),
                _ = self.deadlines.tick() => self.look_at_deadlines(),
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {
                    self.pause = None;
                }
            }
            // What else is there already, for one more turn of the task.
            while let Some(Some(answer)) = futures::FutureExt::now_or_never(self.answers.next()) {
                self.answered(&answer);
            }
        }
    }

    async fn send(&mut self) {
        while self.pause.is_none()
            && self.connection.is_connected()
            // Known earlier than the event.
            && self.connection.client.connection_state() == Transport::Connected
            && let Some(number) = self.to_send.first().copied()
        {
            let Some(under_way) = self.under_way.get_mut(&number) else {
                self.to_send.remove(&number);
                continue;
            };
            let message = &under_way.message;
            let mut headers = message.headers.clone();
            headers.set(MESSAGE_ID, &message.id);
            let sent = self.connection.client.publish_with_reply_and_headers(
                message.subject.clone(),
                format!("{}.{number}", self.inbox),
                headers.into_map(),
                message.payload.clone(),
            );
            let sent = sent.await;
            self.to_send.remove(&number);
            match sent {
                Ok(()) => {
                    under_way.attempts = under_way.attempts.saturating_add(1);
                    under_way.sent = Some(Instant::now());
                }
                Err(error) => match error.kind() {
                    PublishErrorKind::Send => {
                        debug!(%error, "not sent");
                        self.pause();
                        self.to_send.insert(number);
                    }
                    _ => {
                        let (subject, source) = (message.subject.clone(), Cause::of(&error));
                        self.finish(number, Err(PublishError::Refused { subject, source }));
                    }
                },
            }
        }
    }

    fn answered(&mut self, answer: &async_nats::Message) {
        let number = answer.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(number) = number else { return };
        // An answer to an earlier copy may have come before.
        let Some(under_way) = self.under_way.get(&number) else { return };
        match answer::parse(answer) {
            Answer::Stored { sequence, duplicate } => {
                self.wait = RETRY_WAIT_MIN;
                let attempts = under_way.attempts;
                self.finish(number, Ok(Stored { sequence, duplicate, attempts }));
            }
            Answer::NoStream if under_way.may_lack_stream => self.lacks_stream(number),
            Answer::NoStream => self.send_later(number, &"no stream takes it"),
            Answer::Later(error) => self.send_later(number, &error),
            Answer::Never(source) => {
                let subject = under_way.message.subject.clone();
                self.finish(number, Err(PublishError::Refused { subject, source }));
            }
        }
    }

    fn send_later(&mut self, number: u64, error: &dyn Display) {
        let Some(under_way) = self.under_way.get(&number) else { return };
        debug!(subject = under_way.message.subject, %error, "not stored yet");
        self.to_send.insert(number);
        self.pause();
    }

    /// It is sent again soon, or it was often enough.
    fn lacks_stream(&mut self, number: u64) {
        let Some(under_way) = self.under_way.get_mut(&number) else { return };
        if under_way.attempts < TRIES_WITHOUT_STREAM {
            under_way.again = Some(Instant::now() + WITHOUT_STREAM_PAUSE);
        } else {
            let subject = under_way.message.subject.clone();
            self.finish(number, Err(PublishError::NoStream { subject }));
        }
    }

    /// The server refused a subject, or so many that we do not know which: the
    /// others come again after their deadline.
    fn refused(&mut self, refused: Option<&str>) {
        let Some(refused) = refused else { return };
        let denied: Vec<u64> = self
            .under_way
            .iter()
            .filter(|(_, under_way)| {
                under_way.sent.is_some() && under_way.message.subject == refused
            })
            .map(|(number, _)| *number)
            .collect();
        for number in denied {
            self.finish(number, Err(PublishError::Denied { subject: refused.to_owned() }));
        }
    }

    /// Acknowledgements of what was sent before went down with the connection.
    fn linked(&mut self) {
        if !self.link.borrow_and_update().up {
            return;
        }
        self.pause = None;
        self.send_again(|_| true);
    }

    fn look_at_deadlines(&mut self) {
        let now = Instant::now();
        let is_due = |under_way: &UnderWay<K>| {
            let patience = ACK_MAX * under_way.attempts.min(PATIENCE_MAX);
            under_way.again.is_some_and(|again| now >= again)
                || under_way.sent.is_some_and(|sent| now.duration_since(sent) >= patience)
        };
        // Where somebody listens, the server does not say that no stream does. And
        // nothing is answered while it is away.
        if self.connection.is_connected() {
            let tired = |under_way: &UnderWay<K>| {
                under_way.may_lack_stream
                    && under_way.attempts >= TRIES_WITHOUT_STREAM
                    && is_due(under_way)
            };
            let tired: Vec<u64> = self
                .under_way
                .iter()
                .filter(|(_, under_way)| tired(under_way))
                .map(|(number, _)| *number)
                .collect();
            tired.into_iter().for_each(|number| self.lacks_stream(number));
        }
        self.send_again(is_due);
    }

    fn send_again(&mut self, is_due: impl Fn(&UnderWay<K>) -> bool) {
        for (number, under_way) in &mut self.under_way {
            if under_way.sent.is_some() && is_due(under_way) {
                (under_way.sent, under_way.again) = (None, None);
                self.to_send.insert(*number);
            }
        }
    }

    fn pause(&mut self) {
        if self.pause.is_none() {
            self.pause = Some(Instant::now() + self.wait);
            self.wait = (self.wait * 2).min(RETRY_WAIT_MAX);
        }
    }

    fn finish(&mut self, number: u64, result: Result<Stored, PublishError>) {
        self.to_send.remove(&number);
        if let Some(UnderWay { key, message, .. }) = self.under_way.remove(&number) {
            self.size_bytes = self.size_bytes.saturating_sub(size(&message));
            self.done.push_back(Done { key, message, result });
        }
    }
}

/// What a message takes up, as far as an attacker can choose it.
fn size(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let payload: &Bytes = &message.payload;
    payload.len() + message.subject.len() + headers
}
