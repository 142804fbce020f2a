//! What the server says to a message that is to be stored.

use async_nats::{Message, StatusCode};
use serde::Deserialize;

use crate::Cause;

/// The server's answer.
#[derive(Debug)]
pub(super) enum Answer {
    Stored {
        sequence: u64,
        duplicate: bool,
    },
    /// Nobody stores it now: no stream is there yet, or it has no leader.
    Later(Cause),
    /// The message itself is at fault.
    Never(Cause),
}

/// As the server writes it; `async_nats` tries one shape after the other.
#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    description: String,
}

/// Errors about what was asked, as in HTTP.
const OF_MESSAGE: std::ops::Range<u16> = 400..500;

pub(super) fn parse(message: &Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::Later(Cause::said("no stream takes it"));
    }
    match serde_json::from_slice(&message.payload) {
        Ok(Text { error: Some(Error { code, description }), .. }) => {
            match OF_MESSAGE.contains(&code) {
                true => Answer::Never(Cause::said(description)),
                false => Answer::Later(Cause::said(description)),
            }
        }
        Ok(Text { seq: 0, .. }) => Answer::Later(Cause::said("an answer without a sequence")),
        Ok(Text { seq, duplicate, error: None }) => Answer::Stored { sequence: seq, duplicate },
        Err(error) => Answer::Later(Cause::of(&error)),
    }
}
