//! What a sensor tells the forwarder of itself, beside its alerts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::text;

/// The version of [`SensorStatus`]'s shape that this build writes.
pub const STATUS_SCHEMA: u32 = 1;

/// Most bytes of a status's JSON.
pub const STATUS_BYTES_MAX: usize = 128 << 10;

const FAMILIES_MAX: usize = 64;
/// In all families together.
const SAMPLES_MAX: usize = 1024;
const LABELS_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 256;

/// A sensor's version, rules and counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorStatus {
    /// Version of this shape; see [`STATUS_SCHEMA`].
    pub schema: u32,
    /// The sensor's version.
    pub version: String,
    /// Of what the enabled rules look for, in hexadecimal digits: two nodes
    /// with the same hash raise the same alerts.
    pub rules_hash: String,
    /// How many rules are enabled.
    pub rules: u64,
    /// Events that were lost on their way from the kernel, since the start.
    pub events_lost: u64,
    /// Alerts that the sensor could not keep for the forwarder, since the start.
    pub alerts_lost: u64,
    /// Everything that it counts.
    #[serde(default)]
    pub metrics: Vec<MetricFamily>,
}

/// One metric, with a value for each set of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricFamily {
    /// `events_read_total`: what stands behind the prefix `lanner_sensor_`.
    pub name: String,
    /// One sentence.
    pub help: String,
    /// What the values are.
    pub kind: MetricKind,
    /// The values.
    pub samples: Vec<Sample>,
}

/// What a metric's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Grows, until the sensor starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// One that a newer sensor knows.
    #[serde(other)]
    Unknown,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What tells it from the others of its metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
    /// The tags of the rule that it is about, which are not shown: whoever
    /// shows it leaves out what is not for everybody.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
}

/// Why bytes are not a status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Longer than [`STATUS_BYTES_MAX`].
    #[error("status of {len} bytes is longer than {STATUS_BYTES_MAX}")]
    TooLong {
        /// Bytes that were offered.
        len: usize,
    },
    /// Not the JSON of a status; the cause names the key and the place.
    #[error("not a status")]
    Json(#[source] serde_json::Error),
}

impl SensorStatus {
    /// Reads a status.
    ///
    /// What is read is fit to be shown as it is, whoever wrote it: texts are cut
    /// and without control characters, names are names, nothing is there twice,
    /// and there is not too much of anything. What does not keep to that is left
    /// out, and the rest stays.
    ///
    /// # Errors
    /// When the bytes are too long or not a status.
    pub fn from_json(bytes: &[u8]) -> Result<Self, StatusError> {
        if bytes.len() > STATUS_BYTES_MAX {
            return Err(StatusError::TooLong { len: bytes.len() });
        }
        let mut status: Self = serde_json::from_slice(bytes).map_err(StatusError::Json)?;
        text::tame(&mut status.version, NAME_BYTES_MAX);
        text::tame(&mut status.rules_hash, NAME_BYTES_MAX);
        let mut seen = BTreeSet::new();
        let mut room = SAMPLES_MAX;
        status.metrics.retain_mut(|family| {
            seen.len() < FAMILIES_MAX
                && family.kind != MetricKind::Unknown
                && is_name(&family.name)
                && (family.kind == MetricKind::Counter) == family.name.ends_with("_total")
                && seen.insert(family.name.clone())
                && {
                    family.tame(&mut room);
                    true
                }
        });
        Ok(status)
    }

    /// The status as JSON. Whoever makes one keeps it short enough.
    ///
    /// # Errors
    /// [`StatusError::TooLong`].
    pub fn to_json(&self) -> Result<Vec<u8>, StatusError> {
        let bytes = serde_json::to_vec(self).map_err(StatusError::Json)?;
        if bytes.len() > STATUS_BYTES_MAX {
            return Err(StatusError::TooLong { len: bytes.len() });
        }
        Ok(bytes)
    }
}

impl MetricFamily {
    fn tame(&mut self, room: &mut usize) {
        text::tame(&mut self.help, TEXT_BYTES_MAX);
        let mut seen = BTreeSet::new();
        self.samples.retain_mut(|sample| {
            let fits = *room > 0
                && sample.labels.len() <= LABELS_MAX
                && sample.labels.keys().all(|name| is_name(name))
                && sample.value.is_finite()
                && (self.kind == MetricKind::Gauge || sample.value >= 0.0);
            if !fits {
                return false;
            }
            for value in sample.labels.values_mut() {
                text::tame(value, TEXT_BYTES_MAX);
            }
            let is_new = seen.insert(sample.labels.clone());
            *room -= usize::from(is_new);
            is_new
        });
    }
}

/// A name of a metric or a label, of which Prometheus keeps none for itself.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
