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
    /// Nobody listens for it: no stream is there, or it has no leader.
    NoStream,
    /// Not now: the stream is full, too busy, still at an earlier copy of it.
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
    err_code: u16,
    #[serde(default)]
    description: String,
}

/// Errors that no repetition mends: the message or its headers are longer than
/// the stream takes (`JSStreamMessageExceedsMaximumErr`,
/// `JSStreamHeaderExceedsMaximumErr` in nats-server's errors.json). All others
/// pass or are mended, those that look like the message's fault too: 10167 is
/// 429, too many requests; 10158 is 409, an earlier copy is not stored yet.
const OF_MESSAGE: [u16; 2] = [10054, 10097];

pub(super) fn parse(message: &Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::NoStream;
    }
    match serde_json::from_slice(&message.payload) {
        Ok(Text { error: Some(Error { err_code, description }), .. }) => {
            match OF_MESSAGE.contains(&err_code) {
                true => Answer::Never(Cause::said(description)),
                false => Answer::Later(Cause::said(description)),
            }
        }
        Ok(Text { seq: 0, .. }) => Answer::Later(Cause::said("an answer without a sequence")),
        Ok(Text { seq, duplicate, error: None }) => Answer::Stored { sequence: seq, duplicate },
        Err(error) => Answer::Later(Cause::of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use async_nats::{Message, StatusCode};

    use super::{Answer, parse};

    #[track_caller]
    fn check(payload: &str, status: Option<StatusCode>, expected: &str) {
        let message = Message {
            subject: "_INBOX.1".into(),
            reply: None,
            payload: payload.to_owned().into(),
            headers: None,
            status,
            description: None,
            length: 0,
        };
        let said = match parse(&message) {
            Answer::Stored { sequence, duplicate } => format!("stored {sequence} {duplicate}"),
            Answer::NoStream => "no stream".to_owned(),
            Answer::Later(_) => "later".to_owned(),
            Answer::Never(_) => "never".to_owned(),
        };
        assert_eq!(said, expected, "{payload}");
    }

    #[test]
    fn only_what_no_repetition_mends_is_given_up() {
        let error = |code: u16, err_code: u16| {
            format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"d"}},"stream":"S","seq":0}}"#
            )
        };
        check(r#"{"stream":"S","seq":7}"#, None, "stored 7 false");
        check(r#"{"stream":"S","seq":7,"duplicate":true}"#, None, "stored 7 true");
        check("", Some(StatusCode::NO_RESPONDERS), "no stream");
        check(&error(400, 10054), None, "never");
        check(&error(400, 10097), None, "never");
        check(&error(429, 10167), None, "later");
        check(&error(409, 10158), None, "later");
        check(&error(400, 10002), None, "later");
        check(&error(400, 10109), None, "later");
        check(&error(503, 10077), None, "later");
        check("not json", None, "later");
    }
}
