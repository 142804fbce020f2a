//! Taking messages from a durable consumer: each comes again until it is
//! acknowledged, given up, or terminated.

use std::time::Duration;

use async_nats::jetstream::{
    self, AckKind,
    consumer::{PullConsumer, pull},
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use lanner_alert::Tag;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::{
    Cause, Connection, Durable,
    layout::{ALERTS, RESPONDER, restricted_stream},
};

/// Messages that one consumer of a stream takes ahead of who works on them.
const AHEAD_MAX: usize = 32;
/// The server says that it is still there at least that often.
const HEARTBEAT: Duration = Duration::from_secs(5);
const PULL_EXPIRES: Duration = Duration::from_secs(15);
/// How long an acknowledgement may take, with its answer.
const ACK_MAX: Duration = Duration::from_secs(10);
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why an acknowledgement did not reach the server.
#[derive(Debug, thiserror::Error)]
#[error("cannot acknowledge message {sequence}; it will come again")]
pub struct AckError {
    /// The message's number in its stream.
    sequence: u64,
    source: Cause,
}

/// Takes the messages of durable consumers: the alerts that the responders share
/// among them, or what a reader was granted.
pub struct Consumer {
    deliveries: SelectAll<BoxStream<'static, Delivery>>,
}

/// One message, to be acknowledged.
#[derive(Debug)]
pub struct Delivery {
    message: jetstream::Message,
    restricted: Option<Tag>,
    sequence: u64,
    delivered: u32,
}

impl Connection {
    /// The alerts for the responders, oldest first, without those that have a
    /// restricted tag.
    pub fn alerts(&self) -> Consumer {
        self.alerts_and(&[])
    }

    /// The alerts for the responders, also of these restricted tags. Each of
    /// their streams gets its turn, oldest first; one that is not there holds up
    /// no other.
    pub fn alerts_and(&self, restricted: &[Tag]) -> Consumer {
        let source =
            |stream, restricted| Source::new(self, stream, RESPONDER.to_owned(), restricted);
        let restricted =
            restricted.iter().map(|tag| source(restricted_stream(tag), Some(tag.clone())));
        Consumer::of(restricted.chain([source(ALERTS.to_owned(), None)]))
    }
}

impl Consumer {
    pub(crate) fn of_durables(connection: &Connection, durables: &[Durable]) -> Self {
        Self::of(durables.iter().map(|durable| {
            let Durable { stream, consumer } = durable.clone();
            Source::new(connection, stream, consumer, None)
        }))
    }

    /// Each source gets its turn.
    fn of(sources: impl Iterator<Item = Source>) -> Self {
        // What a source is about to do goes on while another one delivers.
        let deliveries = sources.map(|source| {
            stream::unfold(source, |mut source| async { Some((source.next().await, source)) })
                .boxed()
        });
        Self { deliveries: stream::select_all(deliveries) }
    }

    /// The next message. Waits while there is none, and while the server is
    /// away or not set up; it says so in the log.
    ///
    /// Cancel safe: a message is lost to nobody, only delivered later.
    pub async fn next(&mut self) -> Delivery {
        match self.deliveries.next().await {
            Some(delivery) => delivery,
            // A source never ends.
            None => std::future::pending().await,
        }
    }
}

/// One of the streams with alerts.
struct Source {
    connection: Connection,
    stream: String,
    durable: String,
    restricted: Option<Tag>,
    messages: Option<pull::Stream>,
    wait: Duration,
}

impl Source {
    fn new(
        connection: &Connection,
        stream: String,
        durable: String,
        restricted: Option<Tag>,
    ) -> Self {
        let connection = connection.clone();
        Self { connection, stream, durable, restricted, messages: None, wait: RETRY_WAIT_MIN }
    }

    async fn next(&mut self) -> Delivery {
        loop {
            match self.try_next().await {
                Ok(delivery) => {
                    self.wait = RETRY_WAIT_MIN;
                    return delivery;
                }
                Err(error) => {
                    self.messages = None;
                    let (stream, consumer) = (&self.stream, &self.durable);
                    if self.wait == RETRY_WAIT_MIN {
                        warn!(stream, consumer, %error, "cannot take alerts, keeps trying");
                    } else {
                        debug!(stream, consumer, %error, "cannot take alerts");
                    }
                    let wait = self.wait;
                    self.wait = (wait * 2).min(RETRY_WAIT_MAX);
                    sleep(wait).await;
                    self.connection.connected().await;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Delivery, Cause> {
        let messages = match &mut self.messages {
            Some(messages) => messages,
            None => self.messages.insert(self.pull().await?),
        };
        let message = match messages.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Cause::of(&error)),
            None => return Err(Cause::said("the server ended the delivery")),
        };
        let (sequence, delivered) = match message.info() {
            Ok(info) => (info.stream_sequence, u32::try_from(info.delivered).unwrap_or(0)),
            Err(error) => return Err(Cause::said(error.to_string())),
        };
        Ok(Delivery { message, restricted: self.restricted.clone(), sequence, delivered })
    }

    async fn pull(&self) -> Result<pull::Stream, Cause> {
        let consumer: PullConsumer = self
            .connection
            .jetstream
            .get_consumer_from_stream(&self.durable, &self.stream)
            .await
            .map_err(|error| Cause::of(&error))?;
        consumer
            .stream()
            .max_messages_per_batch(AHEAD_MAX)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| Cause::of(&error))
    }
}

impl Delivery {
    /// Where it was published.
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// The restricted tag in whose stream it is stored.
    pub fn restricted_tag(&self) -> Option<&Tag> {
        self.restricted.as_ref()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.headers.as_ref()?.get(name).map(|value| value.as_str())
    }

    /// The bytes.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Its number in the stream.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How often it was delivered, this time included.
    pub fn delivered(&self) -> u32 {
        self.delivered
    }

    /// Done with; returns when the server knows.
    ///
    /// # Errors
    /// When the server did not answer. The message may come again.
    pub async fn ack(&self) -> Result<(), AckError> {
        self.answered(AckKind::Ack).await
    }

    /// Not now: again, after `delay` or at once.
    ///
    /// # Errors
    /// When it could not be sent. The message comes again in any case.
    pub async fn nak(&self, delay: Option<Duration>) -> Result<(), AckError> {
        self.bounded(self.message.ack_with(AckKind::Nak(delay))).await
    }

    /// Never again: nobody can do anything with it. An advisory of it is kept
    /// among the dead letters.
    ///
    /// # Errors
    /// When the server did not answer. The message may come again.
    pub async fn term(&self) -> Result<(), AckError> {
        self.answered(AckKind::Term).await
    }

    async fn answered(&self, kind: AckKind) -> Result<(), AckError> {
        self.bounded(self.message.double_ack_with(kind)).await
    }

    async fn bounded(
        &self,
        ack: impl Future<Output = Result<(), async_nats::Error>>,
    ) -> Result<(), AckError> {
        let source = match timeout(ACK_MAX, ack).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Cause::said(error.to_string()),
            Err(_elapsed) => Cause::said("no answer"),
        };
        Err(AckError { sequence: self.sequence, source })
    }
}
