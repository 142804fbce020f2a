//! Durable consumers by name, for who was told of them.

use std::{fmt, str::FromStr};

use tokio::time::timeout;

use crate::{Cause, Connection, Consumer, connection::CONNECT_MAX};

/// A durable consumer of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The stream's name.
    pub stream: String,
    /// The consumer's name.
    pub consumer: String,
}

/// A text that names no consumer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write STREAM/CONSUMER, as `lanner bus grant` shows them, such as LANNER_ALERTS/reader_soc"
)]
pub struct InvalidDurable;

/// Why nothing can be taken from a consumer.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// Our certificate may not.
    #[error("the server's permissions do not let us read the consumer {durable}")]
    Refused {
        /// Which.
        durable: Durable,
    },
    /// It is not there, or the server does not answer.
    #[error("cannot read the consumer {durable}")]
    Unavailable {
        /// Which.
        durable: Durable,
        /// Why not.
        source: Cause,
    },
}

impl FromStr for Durable {
    type Err = InvalidDurable;

    fn from_str(text: &str) -> Result<Self, InvalidDurable> {
        let is_name = |name: &str| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            (1..=255).contains(&name.len()) && name.bytes().all(allowed)
        };
        let (stream, consumer) = text.split_once('/').ok_or(InvalidDurable)?;
        if !is_name(stream) || !is_name(consumer) {
            return Err(InvalidDurable);
        }
        Ok(Self { stream: stream.to_owned(), consumer: consumer.to_owned() })
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.consumer)
    }
}

impl Connection {
    /// The messages of these consumers, each to be acknowledged.
    ///
    /// # Errors
    /// When one of them is not there, or not for us.
    pub async fn consume(&self, durables: &[Durable]) -> Result<Consumer, DurableError> {
        for durable in durables {
            let Durable { stream, consumer } = durable;
            let info = format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}");
            let refusal = self.refusal_of(&info);
            let found = self
                .jetstream
                .get_consumer_from_stream::<async_nats::jetstream::consumer::pull::Config, _, _>(
                    consumer, stream,
                );
            let unavailable =
                |source| DurableError::Unavailable { durable: durable.clone(), source };
            tokio::select! {
                biased;
                () = refusal => return Err(DurableError::Refused { durable: durable.clone() }),
                found = timeout(CONNECT_MAX, found) => match found {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(unavailable(Cause::of(&error))),
                    Err(_elapsed) => return Err(unavailable(Cause::said("no answer"))),
                }
            }
        }
        Ok(Consumer::of_durables(self, durables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_two_plain_ones() {
        let durable: Durable = "LANNER_TAG_A/reader_x-1".parse().unwrap();
        assert_eq!(durable.to_string(), "LANNER_TAG_A/reader_x-1");
        for text in ["", "a", "a/", "/a", "a/b/c", "a/b.c", "*/a", "a/>", "a b/c"] {
            assert_eq!(text.parse::<Durable>(), Err(InvalidDurable), "{text:?}");
        }
    }
}
