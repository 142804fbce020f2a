//! Messages as they are published, for whoever looks on.

use std::{pin::Pin, sync::Arc};

use async_nats::Subscriber;
use futures::{StreamExt as _, stream::SelectAll};
use jiff::Timestamp;

use crate::{Cause, Connection};

/// Messages of some subjects from now on. Nothing is stored for it: what is
/// published while the connection is away is not seen, and
/// [`Interruptions`](crate::Interruptions) tells when that was.
pub struct Subscription {
    subscribers: SelectAll<Subscriber>,
    refusal: Pin<Box<dyn Future<Output = Arc<str>> + Send>>,
}

/// One message, as it came by or was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it was published.
    pub subject: String,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Where it is kept; `None` of one that came by.
    pub kept: Option<Kept>,
}

/// A message's place in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Counts from 1.
    pub sequence: u64,
    /// When the server stored it, by the server's clock.
    pub time: Timestamp,
}

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The subject cannot be subscribed to.
    #[error("cannot subscribe to {subject}")]
    Subject {
        /// As asked for.
        subject: String,
        /// Why not.
        source: Cause,
    },
    /// Our certificate may not.
    #[error("the server's permissions do not let us read {subject}")]
    Refused {
        /// As asked for.
        subject: String,
    },
}

impl Connection {
    /// Subscribes to `subject`, which may hold wildcards: `lanner.alerts.>`.
    ///
    /// Returns once the server has looked at it, so that what is published
    /// afterwards, by anybody, is seen.
    ///
    /// # Errors
    /// When the subject is none, or the connection ends.
    pub async fn subscribe(&self, subject: &str) -> Result<Subscription, SubscribeError> {
        self.subscribe_all(&[subject.to_owned()]).await
    }

    /// As [`Connection::subscribe`], to several subjects. A message that more
    /// than one of them covers is seen more than once.
    ///
    /// # Errors
    /// When one of the subjects is none, or the connection ends.
    pub async fn subscribe_all(&self, subjects: &[String]) -> Result<Subscription, SubscribeError> {
        let ours = subjects.to_vec();
        let refusal = self.refusal(move |refused| ours.iter().any(|subject| subject == refused));
        let mut subscribers = SelectAll::new();
        for subject in subjects {
            let subscriber = self.client.subscribe(subject.clone()).await;
            subscribers.push(subscriber.map_err(|error| failed(subject, Cause::of(&error)))?);
        }
        let last = subjects.last().map(String::as_str).unwrap_or_default();
        self.round_trip().await.map_err(|cause| failed(last, cause))?;
        Ok(Subscription { subscribers, refusal: Box::pin(refusal) })
    }

    /// Returns once the server has worked off what we sent before.
    async fn round_trip(&self) -> Result<(), Cause> {
        let inbox = self.client.new_inbox();
        let mut probe = self.client.subscribe(inbox).await.map_err(|error| Cause::of(&error))?;
        // Draining asks the server for a sign of life and ends at its answer.
        probe.drain().await.map_err(|error| Cause::of(&error))?;
        while probe.next().await.is_some() {}
        Ok(())
    }
}

fn failed(subject: &str, source: Cause) -> SubscribeError {
    SubscribeError::Subject { subject: subject.to_owned(), source }
}

impl Subscription {
    /// The next message; `None` when the connection is closed for good.
    ///
    /// # Errors
    /// When our certificate may not read one of the subjects.
    pub async fn next(&mut self) -> Result<Option<Seen>, SubscribeError> {
        tokio::select! {
            biased;
            subject = &mut self.refusal => {
                Err(SubscribeError::Refused { subject: subject.to_string() })
            }
            message = self.subscribers.next() => Ok(message.map(|message| Seen {
                subject: message.subject.to_string(),
                payload: message.payload.to_vec(),
                kept: None,
            })),
        }
    }
}
