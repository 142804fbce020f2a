//! Messages as they are published, for whoever looks on.

use std::pin::Pin;

use async_nats::Subscriber;
use futures::StreamExt as _;

use crate::{Cause, Connection};

/// Messages of one subject from now on. Nothing is stored for it: what is
/// published while the connection is away is not seen.
pub struct Subscription {
    subscriber: Subscriber,
    subject: String,
    refusal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// One message, as it came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it was published.
    pub subject: String,
    /// Its bytes.
    pub payload: Vec<u8>,
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
        let failed = |source| SubscribeError::Subject { subject: subject.to_owned(), source };
        let refusal = Box::pin(self.refusal_of(subject));
        let subscriber = self
            .client
            .subscribe(subject.to_owned())
            .await
            .map_err(|error| failed(Cause::of(&error)))?;
        self.round_trip().await.map_err(failed)?;
        Ok(Subscription { subscriber, subject: subject.to_owned(), refusal })
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

impl Subscription {
    /// The next message; `None` when the connection is closed for good.
    ///
    /// # Errors
    /// When our certificate may not read this subject.
    pub async fn next(&mut self) -> Result<Option<Seen>, SubscribeError> {
        tokio::select! {
            biased;
            () = &mut self.refusal => {
                Err(SubscribeError::Refused { subject: self.subject.clone() })
            }
            message = self.subscriber.next() => Ok(message.map(|message| Seen {
                subject: message.subject.to_string(),
                payload: message.payload.to_vec(),
            })),
        }
    }
}
