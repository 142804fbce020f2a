use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{ALERT_BYTES_MAX, Alert, AlertError, AlertId, Entity, Priority, SCHEMA};

/// What stock Falco cannot say about itself, known to whoever reads its alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FalcoInput {
    /// The node that this Falco watches. Falco's own `hostname` is often the
    /// name of its pod, and an alert of another node must not act on this one.
    pub node: String,
    /// The cluster of that node.
    pub cluster: Option<String>,
}

impl FalcoInput {
    /// Reads one alert of stock Falco (`json_output: true`) and gives it an id.
    ///
    /// `id`, `node`, `cluster`, `schema` and `entity` in the bytes are ignored:
    /// a writer of Falco alerts does not get to name another node's pod.
    ///
    /// # Errors
    /// When the bytes are too long, are not JSON, or lack `rule`, `priority`,
    /// `output` or `time`; the message names the key.
    pub fn read(&self, bytes: &[u8]) -> Result<Alert, AlertError> {
        if bytes.len() > ALERT_BYTES_MAX {
            return Err(AlertError::TooLong { len: bytes.len() });
        }
        let falco: FalcoAlert = serde_json::from_slice(bytes).map_err(AlertError::Json)?;
        if falco.rule.is_empty() {
            return Err(AlertError::Empty { key: "rule" });
        }
        let mut other = falco.other;
        for ours in ["id", "node", "cluster", "schema", "entity"] {
            other.remove(ours);
        }
        Ok(Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time: falco.time,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            hostname: falco.hostname,
            rule: falco.rule,
            priority: falco.priority,
            source: falco.source,
            tags: falco.tags,
            output: falco.output,
            entity: Entity::from_falco(&falco.output_fields),
            output_fields: falco.output_fields,
            other,
        })
    }
}

/// Falco's JSON, as `falco -o json_output=true` prints it.
#[derive(Deserialize)]
struct FalcoAlert {
    #[serde(default)]
    hostname: String,
    output: String,
    #[serde(default)]
    output_fields: Map<String, Value>,
    priority: Priority,
    rule: String,
    #[serde(default = "syscall")]
    source: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    time: Timestamp,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// The source of alerts from a Falco too old to name one.
fn syscall() -> String {
    "syscall".to_owned()
}
