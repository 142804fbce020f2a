use std::time::Duration;

use tokio::time::timeout;

use crate::Cause;

/// How long the server may take for anything.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Why a bucket did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket is not there: `lanner bus setup` makes it.
    #[error("bucket {bucket} cannot be used; `lanner bus setup` creates it")]
    Missing {
        /// Its name.
        bucket: String,
        /// What the server answered.
        source: Cause,
    },
    /// Not a key: letters, digits and `-/_=.`, without a dot at either end.
    #[error("{key:?} is not a key")]
    Key {
        /// As given, cut at 64 characters.
        key: String,
    },
    /// To be created, but there.
    #[error("key {key} exists")]
    Exists {
        /// The key.
        key: String,
    },
    /// Somebody else wrote it since.
    #[error("key {key} was changed by somebody else")]
    Conflict {
        /// The key.
        key: String,
    },
    /// The server did not do it or did not answer; it may have happened.
    #[error("cannot {deed} key {key}")]
    Failed {
        /// What was to be done.
        deed: &'static str,
        /// The key.
        key: String,
        /// What went wrong.
        source: Cause,
    },
}

pub(super) async fn bounded<T>(
    deed: &'static str,
    key: &str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(ANSWER_MAX, work).await {
        Ok(done) => done,
        Err(_elapsed) => {
            let source = Cause::said("no answer");
            Err(StoreError::Failed { deed, key: key.to_owned(), source })
        }
    }
}

pub(super) fn failed(
    deed: &'static str,
    key: &str,
    error: &(dyn std::error::Error + 'static),
) -> StoreError {
    StoreError::Failed { deed, key: key.to_owned(), source: Cause::of(error) }
}
