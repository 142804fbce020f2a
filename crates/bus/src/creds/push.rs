use bytes::Bytes;
use serde::Deserialize;
use tokio::time::timeout;

use super::{AccountToken, claims::UPDATE};
use crate::{Cause, Connection, connection::CONNECT_MAX};

/// Why the server did not take an account's claims.
#[derive(Debug, thiserror::Error)]
#[error("the server does not take account {account}")]
pub struct PushError {
    account: String,
    source: Cause,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
}

impl Connection {
    /// Tells the server the claims of an account. Takes `system.creds`. Users
    /// that it revokes are cut off before this returns; a server of a cluster
    /// hands it on to the others.
    ///
    /// # Errors
    /// When the server refuses it, or does not answer.
    pub async fn push_account(&self, account: &AccountToken) -> Result<(), PushError> {
        let failed = |source| PushError { account: account.name.clone(), source };
        let request = self.client.request(UPDATE, Bytes::from(account.token.clone()));
        let answer = tokio::select! {
            () = self.refusal_of(UPDATE) => {
                return Err(failed(Cause::said("our credentials may not; use system.creds")));
            }
            answer = timeout(CONNECT_MAX, request) => match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(failed(Cause::of(&error))),
                Err(_elapsed) => return Err(failed(Cause::said("no answer"))),
            },
        };
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|error| failed(Cause::of(&error)))?;
        match answer.error {
            None => Ok(()),
            Some(refusal) => Err(failed(Cause::said(refusal.description))),
        }
    }
}
