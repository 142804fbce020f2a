//! What each forwarder tells of its node every few seconds: the value of the
//! node's key in the bucket `LANNER_FLEET`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text;

/// The version of [`Heartbeat`]'s shape that this build writes.
pub const HEARTBEAT_SCHEMA: u32 = 1;

/// Most bytes of a heartbeat's JSON.
pub const HEARTBEAT_BYTES_MAX: usize = 8 << 10;

/// Heartbeats that must be missing before a node is called silent: one is lost
/// with a server that restarts.
const MISSED_MAX: u32 = 3;
/// No node postpones the day on which it is missed any further.
const INTERVAL_SECONDS_MAX: u32 = 300;
const TEXT_BYTES_MAX: usize = 256;
const TROUBLES_MAX: usize = 8;

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Version of this shape; see [`HEARTBEAT_SCHEMA`].
    pub schema: u32,
    /// The node.
    pub node: String,
    /// Its cluster, where one was configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Now, by the node's own clock.
    pub time: Timestamp,
    /// Seconds until the next one.
    pub interval_seconds: u32,
    /// The forwarder's version.
    pub forwarder_version: String,
    /// The sensor beside it, while one is connected that tells of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<SensorBrief>,
    /// What was lost on this node since its processes started.
    pub drops: Drops,
    /// What waits for the bus.
    pub spool: SpoolBrief,
    /// What the forwarder found wrong: `sensor-away`, `losing-alerts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

/// A sensor, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorBrief {
    /// Its version.
    pub version: String,
    /// As in [`SensorStatus`](crate::SensorStatus).
    pub rules_hash: String,
    /// How many rules are enabled.
    pub rules: u64,
}

/// What was lost, since the start of whoever counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Events, on their way from the kernel to the rules.
    pub events: u64,
    /// Alerts, on their way from the sensor to the forwarder.
    pub sensor_alerts: u64,
    /// Alerts that the forwarder gave up for more urgent ones.
    pub forwarder_alerts: u64,
}

/// What waits for the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolBrief {
    /// Bytes.
    pub size_bytes: u64,
    /// How long the oldest has waited; `None` when nothing waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_age_seconds: Option<u64>,
}

/// Why bytes are not a heartbeat.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// Longer than [`HEARTBEAT_BYTES_MAX`].
    #[error("heartbeat of {len} bytes is longer than {HEARTBEAT_BYTES_MAX}")]
    TooLong {
        /// Bytes that were offered.
        len: usize,
    },
    /// Not the JSON of a heartbeat; the cause names the key and the place.
    #[error("not a heartbeat")]
    Json(#[source] serde_json::Error),
}

impl Heartbeat {
    /// Reads a heartbeat. Its texts are cut, and without control characters.
    ///
    /// # Errors
    /// When the bytes are too long or not a heartbeat.
    pub fn from_json(bytes: &[u8]) -> Result<Self, HeartbeatError> {
        if bytes.len() > HEARTBEAT_BYTES_MAX {
            return Err(HeartbeatError::TooLong { len: bytes.len() });
        }
        let mut beat: Self = serde_json::from_slice(bytes).map_err(HeartbeatError::Json)?;
        beat.troubles.truncate(TROUBLES_MAX);
        let sensor = beat.sensor.iter_mut().flat_map(|s| [&mut s.version, &mut s.rules_hash]);
        let texts = [&mut beat.node, &mut beat.forwarder_version].into_iter();
        for text in texts.chain(&mut beat.cluster).chain(sensor).chain(&mut beat.troubles) {
            text::tame(text, TEXT_BYTES_MAX);
        }
        Ok(beat)
    }

    /// The heartbeat as JSON.
    ///
    /// # Errors
    /// [`HeartbeatError::TooLong`].
    pub fn to_json(&self) -> Result<Vec<u8>, HeartbeatError> {
        let bytes = serde_json::to_vec(self).map_err(HeartbeatError::Json)?;
        if bytes.len() > HEARTBEAT_BYTES_MAX {
            return Err(HeartbeatError::TooLong { len: bytes.len() });
        }
        Ok(bytes)
    }

    /// How old the newest heartbeat of a node may become before the node is
    /// called silent.
    pub fn silent_after(&self) -> Duration {
        let interval = self.interval_seconds.clamp(1, INTERVAL_SECONDS_MAX);
        Duration::from_secs(u64::from(interval * MISSED_MAX))
    }
}
