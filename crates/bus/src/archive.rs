//! What a stream keeps, read from the oldest on, or from a time on. Leaves
//! nothing behind on the server, not even a consumer.
//!
//! The server answers one request with many messages (batched direct get,
//! ADR-31 of NATS, nats-server 2.11): one at a time would be one round trip each.

use std::{collections::VecDeque, str::FromStr, time::Duration};

use async_nats::{HeaderMap, Message};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;

use crate::{Cause, Connection, Kept, Seen};

/// Most messages of one answer.
const BATCH_MESSAGES_MAX: u32 = 1000;
/// Most bytes of one answer, but for its last message: what an archive holds in
/// memory, and far less than the server lets a slow reader lag behind.
const BATCH_BYTES_MAX: u32 = 8 << 20;
/// How long the server may take for each message of an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Headers that the server puts on each message of an answer.
const SUBJECT: &str = "Nats-Subject";
const SEQUENCE: &str = "Nats-Sequence";
const TIME: &str = "Nats-Time-Stamp";
const PENDING: &str = "Nats-Num-Pending";
/// The number of the message before this one in the same answer, 0 for the first.
const BEFORE: &str = "Nats-Last-Sequence";

/// A stream's messages, one after the other.
pub struct Archive {
    connection: Connection,
    name: String,
    /// Only messages of this subject, which may hold wildcards.
    filter: String,
    next: Next,
    /// Came in the last answer, and nobody took them yet.
    ahead: VecDeque<Seen>,
}

/// The message that comes next, or a later one.
#[derive(Clone, Copy, Debug)]
enum Next {
    Sequence(u64),
    /// Stored then or later.
    Time(Timestamp),
}

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Our certificate may not; asking again does not help.
    #[error("the server's permissions do not let us read the stream {stream}")]
    Refused {
        /// The stream's name.
        stream: String,
    },
    /// Not now, or not this one.
    #[error("cannot read the stream {stream}")]
    Unavailable {
        /// The stream's name.
        stream: String,
        /// What went wrong.
        source: Cause,
    },
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Timestamp>,
    next_by_subj: &'a str,
    batch: u32,
    max_bytes: u32,
}

impl Connection {
    /// The messages of a stream, such as [`ALERTS`](crate::layout::ALERTS).
    ///
    /// # Errors
    /// When `stream` is no stream's name.
    pub async fn archive(&self, stream: &str) -> Result<Archive, ArchiveError> {
        let found = self.jetstream.get_stream_no_info(stream).await;
        found.map_err(|error| ArchiveError::Unavailable {
            stream: stream.to_owned(),
            source: Cause::of(&error),
        })?;
        Ok(Archive {
            connection: self.clone(),
            name: stream.to_owned(),
            filter: ">".to_owned(),
            next: Next::Sequence(1),
            ahead: VecDeque::new(),
        })
    }
}

impl Archive {
    /// Begins with the first message that was stored at `time` or later.
    #[must_use]
    pub fn since(self, time: Timestamp) -> Self {
        Self { next: Next::Time(time), ahead: VecDeque::new(), ..self }
    }

    /// Gives the messages of this subject only, which may hold wildcards. The
    /// server leaves out the others.
    #[must_use]
    pub fn only(self, subject: &str) -> Self {
        Self { filter: subject.to_owned(), ahead: VecDeque::new(), ..self }
    }

    /// The next message; `None` while there is none.
    ///
    /// # Errors
    /// When the server does not answer, or does not let us. The next call asks
    /// for the same message.
    pub async fn next(&mut self) -> Result<Option<Seen>, ArchiveError> {
        if self.ahead.is_empty() {
            // Whatever came before something went wrong is good.
            let refusal = self.connection.refusal_of(&self.api());
            let fetched = tokio::select! {
                biased;
                () = refusal => Err(ArchiveError::Refused { stream: self.name.clone() }),
                fetched = self.fetch() => fetched.map_err(|source| {
                    ArchiveError::Unavailable { stream: self.name.clone(), source }
                }),
            };
            if self.ahead.is_empty() {
                fetched?;
            }
        }
        let seen = self.ahead.pop_front();
        if let Some(kept) = seen.as_ref().and_then(|seen| seen.kept) {
            self.next = Next::Sequence(kept.sequence.saturating_add(1));
        }
        Ok(seen)
    }

    /// How many messages can be had without asking the server.
    pub fn ahead(&self) -> usize {
        self.ahead.len()
    }

    fn api(&self) -> String {
        format!("$JS.API.DIRECT.GET.{}", self.name)
    }

    async fn fetch(&mut self) -> Result<(), Cause> {
        let client = &self.connection.client;
        if timeout(ANSWER_MAX, self.connection.connected()).await.is_err() {
            return Err(Cause::said("not connected to the bus"));
        }
        let (seq, start_time) = match self.next {
            Next::Sequence(sequence) => (Some(sequence), None),
            Next::Time(time) => (None, Some(time)),
        };
        let request = Request {
            seq,
            start_time,
            next_by_subj: &self.filter,
            batch: BATCH_MESSAGES_MAX,
            max_bytes: BATCH_BYTES_MAX,
        };
        let request = serde_json::to_vec(&request).map_err(|error| Cause::of(&error))?;

        let mut link = self.connection.generation();
        link.mark_unchanged();
        let inbox = client.new_inbox();
        let mut answers =
            client.subscribe(inbox.clone()).await.map_err(|error| Cause::of(&error))?;
        client
            .publish_with_reply(self.api(), inbox, request.into())
            .await
            .map_err(|error| Cause::of(&error))?;
        let mut before = 0;
        loop {
            let answer = tokio::select! {
                answer = timeout(ANSWER_MAX, answers.next()) => match answer {
                    Ok(Some(answer)) => answer,
                    Ok(None) => return Err(Cause::said("the connection is closed")),
                    Err(_elapsed) => return Err(Cause::said("no answer")),
                },
                _ = link.changed() => return Err(Cause::said("lost the connection")),
            };
            match answer.status.map(|status| status.as_u16()) {
                None => {
                    let (seen, follows) = read(answer)?;
                    if follows != before {
                        return Err(Cause::said("a part of the answer was lost"));
                    }
                    before = seen.kept.map_or(0, |kept| kept.sequence);
                    self.ahead.push_back(seen);
                }
                // The end of the answer; nothing to be found.
                Some(204 | 404) => return Ok(()),
                Some(503) => return Err(Cause::said("nobody answers for that stream")),
                Some(_) => return Err(Cause::said(answer.description.unwrap_or_default())),
            }
        }
    }
}

/// One message of an answer, and the number of the one that it follows.
fn read(answer: Message) -> Result<(Seen, u64), Cause> {
    let headers = answer.headers.unwrap_or_default();
    let Some(follows) = header(&headers, BEFORE) else {
        let what = match header::<String>(&headers, PENDING) {
            Some(_) => "the server's answer lacks a header",
            None => "the server gives one message at a time; it takes nats-server 2.11 or later",
        };
        return Err(Cause::said(what));
    };
    let (subject, sequence, time) =
        (header(&headers, SUBJECT), header(&headers, SEQUENCE), header(&headers, TIME));
    let (Some(subject), Some(sequence), Some(time)) = (subject, sequence, time) else {
        return Err(Cause::said("the server's answer lacks a header"));
    };
    let kept = Some(Kept { sequence, time });
    Ok((Seen { subject, payload: answer.payload.to_vec(), kept }, follows))
}

fn header<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get_last(name)?.as_str().parse().ok()
}
