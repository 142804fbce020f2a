use std::time::Duration;

use bytes::Bytes;
use lanner_bus::{Store, StoreError};
use tokio::time::{Instant, sleep_until, timeout_at};

/// A plan belongs to us until this expires on the server.
///
/// The clock is the server's alone, so replicas with wrong clocks agree. It does
/// not fence: a process that sleeps past its lease learns of it only when its
/// next write of the record is refused.
#[derive(Debug)]
pub struct Lease {
    locks: Store,
    key: String,
    owner: Bytes,
    revision: u64,
    ttl: Duration,
    /// Not later than on the server: counted from before it was asked.
    expires: Instant,
}

impl Lease {
    pub(super) async fn take(
        locks: Store,
        key: String,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let owner = Bytes::copy_from_slice(owner.as_bytes());
        let expires = Instant::now() + ttl;
        match locks.create_with_ttl(&key, owner.clone(), ttl).await {
            Ok(revision) => Ok(Some(Self { locks, key, owner, revision, ttl, expires })),
            Err(StoreError::Exists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it until it is lost, and returns then: at its end on the server at the
    /// latest, even if the server is away.
    pub async fn keep(&mut self) {
        loop {
            sleep_until((Instant::now() + self.ttl / 3).min(self.expires)).await;
            let asked = Instant::now();
            let renewal = self.locks.renew(&self.key, self.owner.clone(), self.revision, self.ttl);
            match timeout_at(self.expires, renewal).await {
                Ok(Ok(revision)) => {
                    self.revision = revision;
                    self.expires = asked + self.ttl;
                }
                Ok(Err(StoreError::Conflict { .. })) | Err(_) => return,
                // It may have been renewed: then the next try ends in a conflict,
                // and we give up a lease that we had. That is the safe side.
                Ok(Err(_)) if Instant::now() < self.expires => {}
                Ok(Err(_)) => return,
            }
        }
    }

    /// Gives it back.
    pub async fn release(self) {
        // If this fails, it expires.
        let _ = self.locks.delete(&self.key, self.revision).await;
    }
}
