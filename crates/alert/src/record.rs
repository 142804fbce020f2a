use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Outcome, PLAN_SCHEMA, Plan};

/// A plan and how far it has come: the value of its key in the plans' bucket.
///
/// Written by compare-and-set only, by who holds the plan's lease. A process
/// that lost the lease without knowing it learns so from the refused write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Version of this shape; see [`PLAN_SCHEMA`].
    pub schema: u32,
    /// What is to be done. Never changes.
    pub plan: Plan,
    /// The responder process that works on it.
    pub owner: String,
    /// The uid of the alert's pod, once the alert was found to be true: the pod
    /// exists, runs on the alert's node and holds its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// One for each step of the plan.
    pub steps: Vec<StepRecord>,
    /// How it ended; `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether the outcome is published.
    #[serde(default)]
    pub told: bool,
    /// A person wants the steps taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoRequest>,
}

impl PlanRecord {
    /// A plan that nobody has begun.
    pub fn new(plan: Plan, owner: String) -> Self {
        let steps = plan.steps.iter().map(|_| StepRecord::default()).collect();
        Self {
            schema: PLAN_SCHEMA,
            plan,
            owner,
            pod_uid: None,
            steps,
            outcome: None,
            told: false,
            undo: None,
        }
    }

    /// Whether nobody has anything left to do here.
    pub fn is_finished(&self) -> bool {
        self.outcome.is_some() && self.told && self.undo.is_none()
    }
}

/// How far one step has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRecord {
    /// Written before and after the deed.
    pub state: StepState,
    /// When `state` became what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What was found or went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How to take it back. Stored before the deed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// How far one step has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    #[default]
    Pending,
    /// Begun, and perhaps done: whoever finds this looks at the cluster first.
    Started,
    /// Done.
    Done,
    /// Tried and not done.
    Failed,
    /// Taken back.
    Undone,
}

/// The inverse of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Undo {
    /// Labels get the values they had; those without one were not there.
    Labels {
        /// By key.
        before: BTreeMap<String, Option<String>>,
    },
    /// Our policy in the step's namespace is deleted.
    Policy {
        /// Its name.
        name: String,
    },
    /// The step found its work done by another plan, which also undoes it.
    Nothing,
}

/// A person's wish to take a plan back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRequest {
    /// Who asked, as their tool says.
    pub by: String,
    /// When.
    pub at: Timestamp,
}
