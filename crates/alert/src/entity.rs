use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who and what an alert is about, whatever its output text names.
///
/// The responder aims its actions by this alone. The sensor fills it from the
/// kernel's and the runtime's facts; for stock Falco it is read from the
/// output fields that Falco itself filled, and is then less exact: twelve
/// digits of the container's id, and no pod uid.
///
/// A fact that is not known is absent, never an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Entity {
    /// Names the node's current boot (`/proc/sys/kernel/random/boot_id`): a
    /// process id means something only within one boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// 64 hexadecimal digits, or the first twelve of them from stock Falco.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The pod's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_namespace: Option<String>,
    /// The pod's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The pod's uid, as the API server gave it. For a static pod the runtime
    /// knows another one (the hash of its manifest).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Process id in the host's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
    /// When the process started, in nanoseconds since boot (`CLOCK_BOOTTIME`).
    /// Tells one process from a later one of the same pid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// Absolute path of the process's executable file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe_path: Option<String>,
    /// Effective user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Entity {
    /// What stock Falco's output fields say.
    ///
    /// Only fields that Falco fills from its own state are read; text that a
    /// process chose (its arguments, say) is never parsed.
    pub(crate) fn from_falco(fields: &Map<String, Value>) -> Self {
        let text = |name: &str| {
            let value = fields.get(name)?.as_str()?;
            let known = !value.is_empty() && value != "<NA>";
            known.then(|| value.to_owned())
        };
        let number = |name: &str| fields.get(name).and_then(Value::as_i64);
        Self {
            boot_id: None,
            container_id: text("container.full_id")
                .or_else(|| text("container.id"))
                .filter(|id| is_container_id(id)),
            pod_namespace: text("k8s.ns.name"),
            pod_name: text("k8s.pod.name"),
            pod_uid: text("k8s.pod.uid"),
            pid: number("proc.pid"),
            start_time: None,
            exe_path: text("proc.exepath"),
            uid: number("user.uid").and_then(|uid| u32::try_from(uid).ok()),
        }
    }
}

/// `host` stands in Falco's `container.id` for "no container".
fn is_container_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
