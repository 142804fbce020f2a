//! What the server says that we may do.

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::timeout;

use crate::{Cause, Connection, connection::CONNECT_MAX};

/// Where the server tells each user about itself, and nobody else.
pub(crate) const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// Who we are to the server, and what it lets us do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The user that our certificate was mapped to, or the key of our credentials.
    pub user: String,
    /// The account that the user is in.
    pub account: String,
    /// Subjects that we may publish to.
    pub publish: Vec<String>,
    /// Subjects that we may subscribe to.
    pub subscribe: Vec<String>,
}

/// Why the server did not say.
#[derive(Debug, thiserror::Error)]
#[error("the server does not say what we may do")]
pub struct RightsError {
    source: Cause,
}

#[derive(Deserialize)]
struct Answer {
    data: UserInfo,
}

#[derive(Deserialize)]
struct UserInfo {
    user: String,
    account: String,
    /// Where the account itself is a key; servers before 2.12 do not tell it.
    #[serde(default)]
    account_name: String,
    permissions: Option<Permissions>,
}

#[derive(Default, Deserialize)]
struct Permissions {
    publish: Option<Subjects>,
    subscribe: Option<Subjects>,
}

#[derive(Default, Deserialize)]
struct Subjects {
    #[serde(default)]
    allow: Vec<String>,
}

impl Connection {
    /// Asks the server what our certificate lets us do.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn rights(&self) -> Result<Rights, RightsError> {
        let failed = |source| RightsError { source };
        let answer = match timeout(CONNECT_MAX, self.client.request(USER_INFO, Bytes::new())).await
        {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(Cause::of(&error))),
            Err(_elapsed) => return Err(failed(Cause::said("no answer"))),
        };
        let Answer { data } =
            serde_json::from_slice(&answer.payload).map_err(|error| failed(Cause::of(&error)))?;
        let Permissions { publish, subscribe } = data.permissions.unwrap_or_default();
        Ok(Rights {
            user: data.user,
            account: if data.account_name.is_empty() { data.account } else { data.account_name },
            publish: sorted(publish),
            subscribe: sorted(subscribe),
        })
    }
}

/// The server lists subjects in another order each time.
fn sorted(subjects: Option<Subjects>) -> Vec<String> {
    let mut allowed = subjects.unwrap_or_default().allow;
    allowed.sort();
    allowed
}
