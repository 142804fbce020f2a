use std::collections::BTreeSet;

use jiff::Timestamp;
use lanner_alert::{Alert, AlertId, Entity, Priority, SCHEMA};
use serde::Deserialize;
use serde_json::{Map, Value};

/// An alert, written short: what a case does not say is filled in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseAlert {
    rule: String,
    #[serde(default = "notice")]
    priority: Priority,
    #[serde(default = "syscall")]
    source: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default = "node")]
    node: String,
    #[serde(default)]
    output: String,
    /// `output_fields`.
    #[serde(default)]
    fields: Map<String, Value>,
    /// `namespace/name`: fills the entity's pod, and a container of it.
    pod: Option<String>,
    pod_uid: Option<String>,
    container_id: Option<String>,
    pid: Option<i64>,
    exe_path: Option<String>,
    uid: Option<u32>,
}

fn notice() -> Priority {
    Priority::Notice
}

fn syscall() -> String {
    "syscall".to_owned()
}

fn node() -> String {
    "node-1".to_owned()
}

impl CaseAlert {
    pub(super) fn build(&self) -> Result<Alert, String> {
        let pod = self.pod.as_deref().map(|pod| {
            pod.split_once('/').ok_or_else(|| format!("pod {pod:?} is not namespace/name"))
        });
        let pod = pod.transpose()?;
        let entity = Entity {
            boot_id: None,
            container_id: self.container_id.clone().or(pod.map(|_| "c0ff".repeat(16))),
            pod_namespace: pod.map(|(namespace, _)| namespace.to_owned()),
            pod_name: pod.map(|(_, name)| name.to_owned()),
            pod_uid: self.pod_uid.clone(),
            pid: self.pid,
            start_time: None,
            exe_path: self.exe_path.clone(),
            uid: self.uid,
        };
        Ok(Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time: Timestamp::now(),
            node: self.node.clone(),
            cluster: None,
            hostname: self.node.clone(),
            rule: self.rule.clone(),
            priority: self.priority,
            source: self.source.clone(),
            tags: self.tags.clone(),
            output: self.output.clone(),
            output_fields: self.fields.clone(),
            entity,
            other: Map::new(),
        })
    }
}
