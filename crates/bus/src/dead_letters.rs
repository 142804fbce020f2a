//! Dead letters: alerts that no responder could finish.
//!
//! The server stores an advisory in [`DEAD_LETTERS`] when a message was delivered
//! too often, or was given up by who took it. It points to the message, which is
//! still in its stream for as long as that keeps it; a letter about something
//! restricted so tells nothing of it but its number.

use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    ArchiveError, Cause, Connection, Message, PublishError, Publisher, Seen,
    headers::{Headers, MESSAGE_ID, NODE, RULE, SCHEMA, SOURCE, TAGS},
    layout::DEAD_LETTERS,
};

/// Headers of an alert that come with it when it is sent again.
const KEPT_HEADERS: [&str; 6] = [TAGS, RULE, NODE, SOURCE, SCHEMA, "traceparent"];

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it: its number among the dead letters.
    pub id: u64,
    /// When the message was given up.
    pub time: Timestamp,
    /// The stream of the message.
    pub stream: String,
    /// The consumer that gave it up.
    pub consumer: String,
    /// The message's number in its stream.
    pub sequence: u64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// Why it was given up.
    pub reason: String,
}

/// The message of a letter, as its stream keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Where it was published.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
    headers: Headers,
    id: String,
}

/// Why a letter cannot be read, or answered.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The stream of letters cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The message cannot be asked for.
    #[error("cannot read message {sequence} of {stream}")]
    Message {
        /// Its stream.
        stream: String,
        /// Its number.
        sequence: u64,
        /// Why not.
        source: Cause,
    },
    /// The message cannot be sent again.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The letter is there still, though its message was sent again.
    #[error("cannot remove dead letter {id}, whose message was sent again")]
    Remove {
        /// The letter.
        id: u64,
        /// Why not.
        source: Cause,
    },
}

/// The server's advisories, as far as we need them.
#[derive(Deserialize)]
struct Advisory {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
    stream: String,
    consumer: String,
    stream_seq: u64,
    #[serde(default)]
    deliveries: u64,
    #[serde(default)]
    reason: Option<String>,
}

impl Connection {
    /// All dead letters, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read. What is no letter of the server's is left out.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let mut archive = self.archive(DEAD_LETTERS).await?;
        let mut letters = Vec::new();
        while let Some(seen) = archive.next().await? {
            letters.extend(read(&seen));
        }
        Ok(letters)
    }

    /// The message of a letter; `None` when its stream does not keep it any more.
    ///
    /// # Errors
    /// When the server does not answer, or does not let us.
    pub async fn message_of(
        &self,
        letter: &DeadLetter,
    ) -> Result<Option<KeptMessage>, DeadLetterError> {
        let failed = |source| DeadLetterError::Message {
            stream: letter.stream.clone(),
            sequence: letter.sequence,
            source,
        };
        let stream = self.jetstream.get_stream_no_info(&letter.stream).await;
        let stream = stream.map_err(|error| failed(Cause::of(&error)))?;
        let message = match stream.get_raw_message(letter.sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(failed(Cause::of(&error))),
        };
        let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned());
        let mut headers = Headers::default();
        for name in KEPT_HEADERS {
            if let Some(value) = header(name) {
                headers.set(name, &value);
            }
        }
        let id = header(MESSAGE_ID).unwrap_or_default();
        let subject = message.subject.to_string();
        Ok(Some(KeptMessage { subject, payload: message.payload, headers, id }))
    }

    /// Sends the message of a letter again, and removes the letter. The alert keeps
    /// its id and its subject, so that who did something about it already knows it.
    ///
    /// The message's own id is made of both, as the server would drop a second
    /// message with the first one's: sent again twice, it is stored once.
    ///
    /// # Errors
    /// When the message is refused, or the letter stays.
    pub async fn replay(
        &self,
        letter: &DeadLetter,
        kept: KeptMessage,
    ) -> Result<(), DeadLetterError> {
        let KeptMessage { subject, payload, headers, id } = kept;
        let id = format!("{id}.replay.{}", letter.id);
        Publisher::new(self.clone()).publish(&Message { subject, id, headers, payload }).await?;
        let failed = |source| DeadLetterError::Remove { id: letter.id, source };
        let letters = self.jetstream.get_stream_no_info(DEAD_LETTERS).await;
        let letters = letters.map_err(|error| failed(Cause::of(&error)))?;
        let removed = letters.delete_message(letter.id).await;
        removed.map_err(|error| failed(Cause::of(&error)))?;
        Ok(())
    }
}

fn read(seen: &Seen) -> Option<DeadLetter> {
    let advisory: Advisory = serde_json::from_slice(&seen.payload).ok()?;
    let said = match advisory.kind.rsplit('.').next() {
        Some("max_deliver") => "delivered too often",
        _ => "given up",
    };
    let reason = match advisory.reason {
        Some(reason) if !reason.is_empty() => format!("{said}: {reason}"),
        _ => said.to_owned(),
    };
    Some(DeadLetter {
        id: seen.kept?.sequence,
        time: advisory.timestamp,
        stream: advisory.stream,
        consumer: advisory.consumer,
        sequence: advisory.stream_seq,
        deliveries: advisory.deliveries,
        reason,
    })
}
