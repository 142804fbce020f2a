use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AlertId, Mode, PlanId, Step, StepRecord, Tag};

/// What the responder decided about an alert, and what came of it: published on
/// `lanner.responses.<status>.<playbook>.<node>` for every decision, or on
/// `lanner.restricted.<tag>.responses.<status>.<playbook>.<node>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    /// Version of this shape; see [`crate::PLAN_SCHEMA`].
    pub schema: u32,
    /// How it ended.
    pub status: Status,
    /// Why, for people. Always there unless `status` is `executed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
    /// The alert, where it had a readable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertId>,
    /// When the alert's event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_time: Option<Timestamp>,
    /// The alert's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The alert's node; of a refused message, the node in its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The restricted tag of the alert: the outcome is stored with the alerts of
    /// that tag, and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<Tag>,
    /// The playbook; `None` when the alert was refused before any was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
    /// The plan; `None` when there was none to store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// When the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_made: Option<Timestamp>,
    /// The mode that the plan was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The responder process that says so.
    pub responder: String,
    /// The steps, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOutcome>,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepOutcome {
    /// What was to be done.
    #[serde(flatten)]
    pub step: Step,
    /// What was done.
    #[serde(flatten)]
    pub record: StepRecord,
}

/// How a decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every step was done.
    Executed,
    /// Every check passed, and the mode let nothing be changed.
    Observed,
    /// A check said no; nothing was changed.
    Refused,
    /// The playbook itself chose to do nothing.
    Skipped,
    /// A step went wrong, and those before it stay done; or the playbook itself
    /// did, and nothing was done.
    Failed,
    /// A person had it taken back.
    Undone,
}

impl Status {
    /// The token in the outcome's subject.
    pub fn as_token(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Observed => "observed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_token())
    }
}
