use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{AlertId, Entity, GatewayName, Priority, Tag};

/// The version of the shapes of plans, records and outcomes that this build writes.
pub const PLAN_SCHEMA: u32 = 1;

/// What one playbook wants done about one alert: pure data, made before
/// anything is touched, stored before the alert's message is acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this shape; see [`PLAN_SCHEMA`].
    pub schema: u32,
    /// Names the plan: the same alert, playbook and version give the same id.
    pub id: PlanId,
    /// The alert that it answers.
    pub alert: AlertId,
    /// When the alert's event happened.
    pub alert_time: Timestamp,
    /// The alert's rule.
    pub rule: String,
    /// The alert's priority.
    pub priority: Priority,
    /// The alert's node: no pod of another node is touched.
    pub node: String,
    /// The alert's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The restricted tag that the alert was stored under: nothing of the plan
    /// is published to who may not read alerts with that tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<Tag>,
    /// The gateway that published the alert for its node. A node says of itself
    /// what happened; a gateway has it from somebody, so less is done at its word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayName>,
    /// Who the alert is about. The targets come from here, and are checked
    /// against the cluster by it.
    pub entity: Entity,
    /// The playbook's name.
    pub playbook: String,
    /// Hash of the playbook's text: another text is another plan.
    pub version: String,
    /// What may happen: the playbook's mode under the cluster's ceiling.
    pub mode: Mode,
    /// When the plan was made.
    pub made: Timestamp,
    /// Most pods that the plan may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_max: Option<u32>,
    /// What is to be done, in this order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The playbook's reason to do nothing. There are no steps then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
}

/// One deed of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// The verb with its arguments.
    #[serde(flatten)]
    pub action: Action,
    /// What it is done to; `None` for a verb that only tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How hard it is to take back; `None` for a verb that changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The line of the playbook that asked for it.
    pub at: Place,
}

/// A verb and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Action {
    /// Deletes a pod.
    Delete {
        /// Seconds that its processes get to end; the pod's own value if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_seconds: Option<u32>,
    },
    /// Cuts a pod or a namespace off the network.
    Isolate {
        /// Whether the cluster's DNS stays reachable.
        #[serde(default)]
        allow_dns: bool,
        /// Namespaces that may still talk to the isolated one, both ways.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allow_namespaces: Vec<String>,
    },
    /// Sets labels.
    Label {
        /// Their keys and new values.
        labels: BTreeMap<String, String>,
    },
    /// Tells people.
    Notify {
        /// Where to.
        channel: String,
        /// What. May hold text that an attacker chose.
        text: String,
    },
}

impl Action {
    /// The verb, as a playbook writes it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Delete { .. } => "delete",
            Self::Isolate { .. } => "isolate",
            Self::Label { .. } => "label",
            Self::Notify { .. } => "notify",
        }
    }

    /// How hard the verb is to take back.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Delete { .. } => Some(Class::Final),
            Self::Isolate { .. } | Self::Label { .. } => Some(Class::Reversible),
            Self::Notify { .. } => None,
        }
    }
}

/// How hard a step is to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Its inverse is stored before it is done.
    Reversible,
    /// Nothing is lost for good, but work is.
    Costly,
    /// Cannot be taken back.
    Final,
}

/// What a step is done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// The alert's pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid, where the alert has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
    },
    /// The namespace of the alert's pod.
    Namespace {
        /// Its name.
        name: String,
    },
}

impl Target {
    /// The namespace that is touched.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Pod { namespace, .. } => namespace,
            Self::Namespace { name } => name,
        }
    }
}

/// For people. A control character, which no name has, cannot get through.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, name, .. } => {
                write!(f, "pod {}/{}", namespace.escape_debug(), name.escape_debug())
            }
            Self::Namespace { name } => write!(f, "namespace {}", name.escape_debug()),
        }
    }
}

/// A place in a playbook's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The file's name, without its folder.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What a responder may do with a plan. Orders by power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Plan, check, dry-run and tell; change nothing.
    #[default]
    Observe,
    /// Do it.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        })
    }
}

/// Names one plan: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanId(
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^[0-9a-f]{32}$")))] [u8; 16],
);

/// A text that is not a plan's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a plan id: expected 32 hexadecimal digits")]
pub struct InvalidPlanId;

impl PlanId {
    /// The id of the plan that this version of this playbook makes for this alert.
    pub fn of(alert: AlertId, playbook: &str, version: &str) -> Self {
        let mut hash = Sha256::new();
        // A zero byte is in none of them, so no two triples give the same bytes.
        for part in [alert.to_string().as_str(), playbook, version] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(id)
    }

    /// Its first twelve digits: the value of labels, where people look.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanId({self})")
    }
}

impl FromStr for PlanId {
    type Err = InvalidPlanId;

    fn from_str(text: &str) -> Result<Self, InvalidPlanId> {
        let digits: Vec<u8> = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or(InvalidPlanId)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 16 || !rest.is_empty() {
            return Err(InvalidPlanId);
        }
        let mut id = [0; 16];
        for (to, [high, low]) in id.iter_mut().zip(pairs) {
            *to = high << 4 | low;
        }
        Ok(Self(id))
    }
}

impl Serialize for PlanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlanId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
