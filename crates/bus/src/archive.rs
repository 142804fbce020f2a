//! What a stream keeps, read from the oldest on. Leaves nothing behind on the
//! server, not even a consumer.

use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};

use crate::{Cause, Connection, Seen};

/// A stream's messages, one after the other.
pub struct Archive {
    stream: Stream<()>,
    name: String,
    /// The message that comes next, or a later one.
    next: u64,
}

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the stream {stream}")]
pub struct ArchiveError {
    stream: String,
    source: Cause,
}

impl Connection {
    /// The messages of a stream, such as [`ALERTS`](crate::layout::ALERTS).
    ///
    /// # Errors
    /// When `stream` is no stream's name.
    pub async fn archive(&self, stream: &str) -> Result<Archive, ArchiveError> {
        let found = self.jetstream.get_stream_no_info(stream).await;
        let found = found.map_err(|error| ArchiveError {
            stream: stream.to_owned(),
            source: Cause::of(&error),
        })?;
        Ok(Archive { stream: found, name: stream.to_owned(), next: 1 })
    }
}

impl Archive {
    /// The next message; `None` while there is none.
    ///
    /// # Errors
    /// When the server does not answer, or does not let us. The next call asks
    /// for the same message.
    pub async fn next(&mut self) -> Result<Option<Seen>, ArchiveError> {
        match self.stream.direct_get_next_for_subject(">", Some(self.next)).await {
            Ok(message) => {
                self.next = message.sequence.saturating_add(1);
                Ok(Some(Seen {
                    subject: message.subject.to_string(),
                    payload: message.payload.to_vec(),
                }))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(ArchiveError { stream: self.name.clone(), source: Cause::of(&error) })
            }
        }
    }
}
