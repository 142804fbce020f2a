use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AlertId, Entity, Priority};

/// The version of the alert's shape that this build writes.
pub const SCHEMA: u32 = 1;

/// Most bytes of one alert's JSON. The NATS server's default `max_payload` is
/// four times that, so an alert with its headers always fits.
pub const ALERT_BYTES_MAX: usize = 256 << 10;

/// What a rule found, as it crosses every process boundary of Lanner.
///
/// Its JSON is Falco's (`hostname output output_fields priority rule source
/// tags time`) with more keys beside them, so that what reads Falco's alerts
/// reads these. Keys that this build does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Alert {
    /// Made where the alert was born.
    pub id: AlertId,
    /// Version of this shape; see [`SCHEMA`].
    pub schema: u32,
    /// When the event happened, in UTC with nanoseconds.
    #[serde(with = "nanoseconds")]
    #[cfg_attr(test, schemars(with = "Timestamp"))]
    pub time: Timestamp,
    /// The Kubernetes node, or the host, where the event happened. Never empty.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub node: String,
    /// The cluster of that node, where one was configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Falco's `hostname`: with stock Falco in a pod often that pod's name.
    pub hostname: String,
    /// The rule's name. Never empty.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub rule: String,
    /// The rule's priority.
    pub priority: Priority,
    /// The event source: `syscall`, `k8s_audit`.
    pub source: String,
    /// The rule's tags, sorted, each once.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// The rendered text for people.
    pub output: String,
    /// The fields that the rule's output names; `null` where one was missing.
    #[serde(default)]
    pub output_fields: Map<String, Value>,
    /// Who and what the alert is about.
    #[serde(default)]
    pub entity: Entity,
    /// Keys of a newer or another writer.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Why bytes are not an alert.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// Longer than it may be: [`ALERT_BYTES_MAX`], unless something else was asked for.
    #[error("alert of {len} bytes is longer than {max}")]
    TooLong {
        /// Bytes that were offered.
        len: usize,
        /// Most that are taken.
        max: usize,
    },
    /// Not the JSON of an alert; the cause names the key and the place.
    #[error("not an alert")]
    Json(#[source] serde_json::Error),
    /// Neither JSON nor a text alert of Falco.
    #[error("neither JSON nor a text such as `13:53:31.726060287: Critical Something happened`")]
    NotText,
    /// A key that must hold a text is empty.
    #[error("alert without {key}")]
    Empty {
        /// The empty key.
        key: &'static str,
    },
}

impl Alert {
    /// Reads one of our own alerts.
    ///
    /// # Errors
    /// When the bytes are too long, not JSON, or lack a key.
    pub fn from_json(bytes: &[u8]) -> Result<Self, AlertError> {
        if bytes.len() > ALERT_BYTES_MAX {
            return Err(AlertError::TooLong { len: bytes.len(), max: ALERT_BYTES_MAX });
        }
        let alert: Self = serde_json::from_slice(bytes).map_err(AlertError::Json)?;
        if alert.node.is_empty() {
            return Err(AlertError::Empty { key: "node" });
        }
        if alert.rule.is_empty() {
            return Err(AlertError::Empty { key: "rule" });
        }
        Ok(alert)
    }

    /// The alert as one line of JSON, without a line feed.
    ///
    /// # Errors
    /// [`AlertError::TooLong`]: whoever makes an alert bounds its texts, and
    /// counts the one that does not fit.
    pub fn to_json(&self) -> Result<Vec<u8>, AlertError> {
        let bytes = serde_json::to_vec(self).map_err(AlertError::Json)?;
        if bytes.len() > ALERT_BYTES_MAX {
            return Err(AlertError::TooLong { len: bytes.len(), max: ALERT_BYTES_MAX });
        }
        Ok(bytes)
    }
}

/// Falco's time: UTC, always nine digits of a second.
mod nanoseconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{time:.9}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
