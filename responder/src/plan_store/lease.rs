use std::time::Duration;

use bytes::Bytes;
use lanner_bus::{Store, StoreError};
use tokio::time::{Instant, sleep};

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
}

impl Lease {
    pub(super) async fn take(
        locks: Store,
        key: String,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let owner = Bytes::copy_from_slice(owner.as_bytes());
        match locks.create_with_ttl(&key, owner.clone(), ttl).await {
            Ok(revision) => Ok(Some(Self { locks, key, owner, revision, ttl })),
            Err(StoreError::Exists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it until it is lost, and returns then.
    pub async fn keep(&mut self) {
        let mut renewed = Instant::now();
        loop {
            sleep(self.ttl / 3).await;
            let asked = Instant::now();
            match self.locks.renew(&self.key, self.owner.clone(), self.revision, self.ttl).await {
                Ok(revision) => {
                    self.revision = revision;
                    renewed = asked;
                }
                Err(StoreError::Conflict { .. }) => return,
                // It may have been renewed: then the next try ends in a conflict,
                // and we give up a lease that we had. That is the safe side.
                Err(_) if renewed.elapsed() < self.ttl => {}
                Err(_) => return,
            }
        }
    }

    /// Gives it back.
    pub async fn release(self) {
        // If this fails, it expires.
        let _ = self.locks.delete(&self.key, self.revision).await;
    }
}
