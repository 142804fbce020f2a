use async_nats::jetstream::context::{CreateKeyValueError, CreateStreamError};

use crate::{Cause, Connection, layout::Layout};

/// Why the server does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Our certificate may not: setting up is for the admin.
    #[error("the bus refuses {subject} to our certificate; connect as the admin")]
    Denied {
        /// What the server would not take from us.
        subject: String,
    },
    /// One of the streams, buckets or consumers was refused.
    #[error("cannot create or update {kind} {name}")]
    Refused {
        /// `stream`, `bucket` or `consumer`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the server answered.
        source: Cause,
    },
}

/// One thing that stands on the server after [`Connection::set_up`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `stream`, `bucket` or `consumer`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

impl Connection {
    /// Creates what is missing of `layout` and changes what differs. What
    /// stands already as it should stays as it is.
    ///
    /// # Errors
    /// On the first that the server refuses; those before it stand.
    pub async fn set_up(&self, layout: &Layout) -> Result<Vec<Standing>, SetupError> {
        // What is refused is not answered, and would end in a timeout.
        tokio::select! {
            subject = self.refusal_of_jetstream() => Err(SetupError::Denied { subject }),
            done = self.create_or_update(layout) => done,
        }
    }

    async fn create_or_update(&self, layout: &Layout) -> Result<Vec<Standing>, SetupError> {
        let mut standing = Vec::new();
        for stream in layout.streams() {
            let name = stream.name.clone();
            self.jetstream
                .create_or_update_stream(stream)
                .await
                .map_err(|error: CreateStreamError| refused("stream", &name, &error))?;
            standing.push(Standing { kind: "stream", name });
        }
        for bucket in layout.buckets() {
            let name = bucket.bucket.clone();
            self.jetstream
                .create_or_update_key_value(bucket)
                .await
                .map_err(|error: CreateKeyValueError| refused("bucket", &name, &error))?;
            standing.push(Standing { kind: "bucket", name });
        }
        for (stream, consumer) in layout.consumers() {
            let name = consumer.durable_name.clone().unwrap_or_default();
            self.jetstream
                .create_consumer_on_stream(consumer, stream)
                .await
                .map_err(|error| refused("consumer", &name, &error))?;
            standing.push(Standing { kind: "consumer", name });
        }
        Ok(standing)
    }
}

fn refused(
    kind: &'static str,
    name: &str,
    error: &(dyn std::error::Error + 'static),
) -> SetupError {
    SetupError::Refused { kind, name: name.to_owned(), source: Cause::of(error) }
}
