//! Publishing with acknowledgement: what [`Publisher::publish`] returned `Ok`
//! for is stored on the server.
//!
//! Promises:
//! - A message is sent again until it is acknowledged: its acknowledgement's
//!   deadline runs from the moment of sending, and a lost connection makes it
//!   go again as soon as there is a new one.
//! - The message's id is the same each time, so that the server stores it once
//!   if the copies are within the stream's duplicate window.
//! - At most [`WINDOW`] messages are under way.
//!
//! [`Publisher`] is for who has a message now and then and waits for it;
//! [`Window`] for who has many of them in order.
//!
//! Not here: what waits in front, and what to drop when that is full.

mod answer;
mod window;

use std::time::Duration;

use async_nats::{
    Request,
    client::RequestErrorKind,
    jetstream::{publish::PublishAck, response::Response},
};
use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::debug;

pub use self::window::{Done, Window};
use crate::{
    Cause, Connection,
    connection::without_restricted,
    headers::{Headers, MESSAGE_ID},
};

/// Most messages of one publisher that wait for their acknowledgement.
pub const WINDOW: usize = 256;

/// How long the server may take to store a message.
const ACK_MAX: Duration = Duration::from_secs(5);
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// A message to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub subject: String,
    /// The same for each copy of the same message.
    pub id: String,
    /// What goes beside the payload.
    pub headers: Headers,
    /// The bytes.
    pub payload: Bytes,
}

/// Where a message is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the stream.
    pub sequence: u64,
    /// Whether an earlier copy was stored already.
    pub duplicate: bool,
    /// How often it was sent.
    pub attempts: u32,
}

/// Why a message will not be stored, however often it is sent. (What a retry
/// can mend is retried inside.)
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Our certificate does not give us this subject.
    #[error("the bus refuses {} to our certificate", without_restricted(subject))]
    Denied {
        /// Where it was to go.
        subject: String,
    },
    /// Nothing on the server stores messages of this subject.
    #[error("no stream of the bus takes {}", without_restricted(subject))]
    NoStream {
        /// Where it was to go.
        subject: String,
    },
    /// The message itself is at fault: too long, or not a subject.
    #[error("the bus cannot take a message for {}", without_restricted(subject))]
    Refused {
        /// Where it was to go.
        subject: String,
        /// Why.
        source: Cause,
    },
}

/// Publishes messages that have to arrive.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    window: Semaphore,
}

impl Publisher {
    /// Publishes over `connection`.
    pub fn new(connection: Connection) -> Self {
        Self { connection, window: Semaphore::new(WINDOW) }
    }

    /// Returns when the message is stored, however long that takes: bound it
    /// from outside. Dropping the future gives the message up.
    ///
    /// # Errors
    /// When the message can never be stored.
    pub async fn publish(&self, message: &Message) -> Result<Stored, PublishError> {
        // The semaphore is never closed.
        let _room = self.window.acquire().await;
        let mut headers = message.headers.clone();
        headers.set(MESSAGE_ID, &message.id);
        let headers = headers.into_map();

        let mut wait = RETRY_WAIT_MIN;
        let mut attempts: u32 = 0;
        loop {
            attempts = attempts.saturating_add(1);
            self.connection.connected().await;
            let mut link = self.connection.generation();
            link.mark_unchanged();
            let request = Request::new()
                .headers(headers.clone())
                .payload(message.payload.clone())
                .timeout(None);
            let refusal = self.connection.refusal_of(&message.subject);
            let answer = self.connection.client.send_request(message.subject.clone(), request);
            let outcome = tokio::select! {
                answer = timeout(ACK_MAX, answer) => match answer {
                    Ok(Ok(answer)) => parse(&answer.payload),
                    Ok(Err(error)) => match error.kind() {
                        RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                            return Err(PublishError::Refused {
                                subject: message.subject.clone(),
                                source: Cause::of(&error),
                            });
                        }
                        _ => Err(Cause::of(&error)),
                    },
                    Err(_) => Err(Cause::said("not acknowledged in time")),
                },
                () = refusal => {
                    return Err(PublishError::Denied { subject: message.subject.clone() });
                }
                _ = link.changed() => {
                    // Its acknowledgement went down with the connection.
                    continue;
                }
            };
            match outcome {
                Ok(ack) => {
                    let PublishAck { sequence, duplicate, .. } = ack;
                    return Ok(Stored { sequence, duplicate, attempts });
                }
                Err(error) => {
                    debug!(subject = message.subject, %error, attempts, "not stored yet");
                    sleep(wait).await;
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
            }
        }
    }
}

pub(crate) fn parse(answer: &[u8]) -> Result<PublishAck, Cause> {
    match serde_json::from_slice(answer) {
        Ok(Response::Ok(ack)) => Ok(ack),
        Ok(Response::Err { error }) => Err(Cause::of(&error)),
        Err(error) => Err(Cause::of(&error)),
    }
}
