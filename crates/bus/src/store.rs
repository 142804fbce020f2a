//! Key-value buckets with compare-and-set: plans, leases, locks, budgets.

mod error;

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        context::PublishErrorKind,
        kv::{self, Operation},
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};

pub use self::error::StoreError;
use self::error::{bounded, failed};
use crate::{Cause, Connection};

/// One bucket.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Connection,
    bucket: kv::Store,
}

/// A key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The bytes.
    pub value: Bytes,
    /// Grows with each write to the bucket; what an update compares.
    pub revision: u64,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has this value now.
    Put(Entry),
    /// It was deleted, or expired.
    Gone {
        /// The key.
        key: String,
    },
}

impl Connection {
    /// Opens a bucket that [`Connection::set_up`] made.
    ///
    /// # Errors
    /// When it is not there, or the server did not answer.
    pub async fn store(&self, bucket: &str) -> Result<Store, StoreError> {
        match self.jetstream.get_key_value(bucket).await {
            Ok(found) => Ok(Store { connection: self.clone(), bucket: found }),
            Err(error) => {
                Err(StoreError::Missing { bucket: bucket.to_owned(), source: Cause::of(&error) })
            }
        }
    }
}

impl Store {
    /// Writes a key that is not there; gives its revision.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it is.
    pub async fn create(&self, key: &str, value: Bytes) -> Result<u64, StoreError> {
        self.create_for(key, value, None).await
    }

    /// As [`Store::create`], and the key expires after `ttl` (in whole seconds,
    /// rounded up).
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it is there.
    pub async fn create_with_ttl(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        self.create_for(key, value, Some(ttl)).await
    }

    async fn create_for(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<u64, StoreError> {
        match self.write("create", key, value.clone(), 0, ttl).await {
            Err(StoreError::Conflict { .. }) => {}
            done => return done,
        }
        // Something was written under this key. If that is the mark of its end,
        // the key is free, and we write after that mark. (The library's own
        // `create_with_ttl` forgets the ttl here: a lock for ever.)
        let last = self.last("create", key).await?;
        match last {
            Some(entry) if entry.operation != Operation::Put => {
                match self.write("create", key, value, entry.revision, ttl).await {
                    Err(StoreError::Conflict { key }) => Err(StoreError::Exists { key }),
                    done => done,
                }
            }
            Some(_) => Err(StoreError::Exists { key: key.to_owned() }),
            None => match self.write("create", key, value, 0, ttl).await {
                Err(StoreError::Conflict { key }) => Err(StoreError::Exists { key }),
                done => done,
            },
        }
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// When the server did not answer, or `key` is not a key.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let last = self.last("read", key).await?;
        Ok(last.filter(|entry| entry.operation == Operation::Put).map(Entry::from))
    }

    /// Writes a key that still has `revision`; gives its new one.
    ///
    /// A key that was created with a ttl does not expire any more after this:
    /// see [`Store::renew`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was changed or deleted since.
    pub async fn update(&self, key: &str, value: Bytes, revision: u64) -> Result<u64, StoreError> {
        self.write("update", key, value, revision, None).await
    }

    /// As [`Store::update`], and the key expires after `ttl` from now.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was changed, deleted or expired since.
    pub async fn renew(
        &self,
        key: &str,
        value: Bytes,
        revision: u64,
        ttl: Duration,
    ) -> Result<u64, StoreError> {
        self.write("renew", key, value, revision, Some(ttl)).await
    }

    /// Deletes a key that still has `revision`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was changed or deleted since.
    pub async fn delete(&self, key: &str, revision: u64) -> Result<(), StoreError> {
        let mut headers = HeaderMap::new();
        headers.insert("KV-Operation", "DEL");
        self.publish("delete", key, Bytes::new(), revision, headers).await.map(drop)
    }

    /// The keys that are there.
    ///
    /// # Errors
    /// When the server did not answer.
    pub async fn keys(&self) -> Result<Vec<String>, StoreError> {
        let list = async {
            let keys = self.bucket.keys().await.map_err(|error| failed("list", ">", &error))?;
            keys.try_collect().await.map_err(|error| failed("list", ">", &error))
        };
        bounded("list", ">", list).await
    }

    /// What is there, and then each change as it happens.
    ///
    /// # Errors
    /// When the server did not answer. An error in the stream ends it.
    pub async fn watch(
        &self,
    ) -> Result<impl Stream<Item = Result<Change, StoreError>> + Send + use<>, StoreError> {
        // With history, for a plain watch begins with the next change only.
        let watch = async {
            let watch = self.bucket.watch_with_history(">").await;
            watch.map_err(|error| failed("watch", ">", &error))
        };
        let watch = bounded("watch", ">", watch).await?;
        Ok(watch.map(|entry| match entry {
            Ok(entry) if entry.operation == Operation::Put => Ok(Change::Put(entry.into())),
            Ok(entry) => Ok(Change::Gone { key: entry.key }),
            Err(error) => Err(failed("watch", ">", &error)),
        }))
    }

    async fn last(&self, deed: &'static str, key: &str) -> Result<Option<kv::Entry>, StoreError> {
        check_key(key)?;
        let entry =
            async { self.bucket.entry(key).await.map_err(|error| failed(deed, key, &error)) };
        bounded(deed, key, entry).await
    }

    async fn write(
        &self,
        deed: &'static str,
        key: &str,
        value: Bytes,
        revision: u64,
        ttl: Option<Duration>,
    ) -> Result<u64, StoreError> {
        let mut headers = HeaderMap::new();
        if let Some(ttl) = ttl {
            // Whole seconds, and at least one: the server takes nothing finer.
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            headers.insert("Nats-TTL", format!("{}s", seconds.max(1)));
        }
        self.publish(deed, key, value, revision, headers).await
    }

    async fn publish(
        &self,
        deed: &'static str,
        key: &str,
        value: Bytes,
        revision: u64,
        mut headers: HeaderMap,
    ) -> Result<u64, StoreError> {
        check_key(key)?;
        headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
        let subject = format!("{}{key}", self.bucket.prefix);
        let write = async {
            let jetstream = &self.connection.jetstream;
            let sent = jetstream.publish_with_headers(subject, headers, value).await;
            match sent.map_err(|error| failed(deed, key, &error))?.await {
                Ok(ack) => Ok(ack.sequence),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    Err(StoreError::Conflict { key: key.to_owned() })
                }
                Err(error) => Err(failed(deed, key, &error)),
            }
        };
        bounded(deed, key, write).await
    }
}

impl From<kv::Entry> for Entry {
    fn from(entry: kv::Entry) -> Self {
        Self { key: entry.key, value: entry.value, revision: entry.revision }
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_=.".contains(&byte);
    let token_empty = key.split('.').any(str::is_empty);
    if token_empty || !key.bytes().all(allowed) {
        return Err(StoreError::Key { key: key.chars().take(64).collect() });
    }
    Ok(())
}
