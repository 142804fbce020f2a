//! Which nodes are known to be silent: what the responders of one cluster
//! remember together, so that each silence is told once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Alert;

/// The version of [`SilenceRecord`]'s shape that this build writes.
pub const SILENCE_SCHEMA: u32 = 1;

/// The value of a key that is written by compare-and-set alone: whoever finds
/// something new writes it down together with the alerts about it, and only
/// then are these published, by whoever finds them there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceRecord {
    /// Version of this shape; see [`SILENCE_SCHEMA`].
    pub schema: u32,
    /// The silent nodes that were told of, by their tokens.
    #[serde(default)]
    pub silent: BTreeMap<String, Silence>,
    /// Alerts that may not be published yet.
    #[serde(default)]
    pub to_publish: Vec<Alert>,
}

/// A node's silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// When its last heartbeat was stored.
    pub since: Timestamp,
    /// When it was heard again, which is not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Timestamp>,
}

impl Default for SilenceRecord {
    fn default() -> Self {
        Self { schema: SILENCE_SCHEMA, silent: BTreeMap::new(), to_publish: Vec::new() }
    }
}
