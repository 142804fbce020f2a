use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one alert from its birth on, through every retry and copy.
///
/// A UUID version 7 (RFC 9562): made where the alert is born, so that a second
/// delivery is known as such everywhere, and sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct AlertId(Uuid);

/// A text that is not an alert's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an alert id: expected a UUID such as 0199c5a2-7d3e-7a10-8f4e-2f6d1c0b9a87")]
pub struct InvalidAlertId;

impl AlertId {
    /// A new id, of now.
    #[expect(clippy::new_without_default, reason = "each call gives another value")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for AlertId {
    type Err = InvalidAlertId;

    fn from_str(text: &str) -> Result<Self, InvalidAlertId> {
        match Uuid::try_parse(text) {
            Ok(id) => Ok(Self(id)),
            Err(_) => Err(InvalidAlertId),
        }
    }
}
