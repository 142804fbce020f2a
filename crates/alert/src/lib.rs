//! The contract that crosses Lanner's process boundaries: the alert, the NATS
//! subjects it travels on, the frames of the sensor's socket, what sensor and
//! forwarder tell of themselves, and the records of what the responder decided.
//!
//! ```text
//! sensor ──frame──▶ forwarder ──subject, headers, JSON──▶ NATS ──▶ responder ──plan, outcome──▶ NATS
//! Falco  ──JSON───▶    │
//! ```
//!
//! Promises:
//! - Falco's JSON is read, and what Falco's consumers read is written: the same
//!   keys with the same meaning, and more beside them.
//! - Wire types only grow; the golden files under `tests/golden` show each change.
//! - No text of an alert can add a token, a wildcard or a control byte to a subject.
//! - Whatever is read is bounded, and nothing read makes this crate panic.
//!
//! Not here: sockets, NATS, clocks. The caller passes bytes and times in.

#![warn(missing_docs)]
#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod alert;
mod entity;
mod falco;
pub mod frame;
mod gateway;
mod heartbeat;
mod id;
mod outcome;
mod plan;
mod priority;
mod record;
mod routing;
pub mod schema;
mod shorten;
mod silence;
mod status;
mod subject;
mod tag;
mod template;
mod text;

pub use crate::{
    alert::{ALERT_BYTES_MAX, Alert, AlertError, SCHEMA},
    entity::Entity,
    falco::{FALCO_BYTES_MAX, FalcoInput, TEXT_RULE},
    gateway::{GatewayName, InvalidGatewayName, node_token_via},
    heartbeat::{
        Drops, HEARTBEAT_BYTES_MAX, HEARTBEAT_SCHEMA, Heartbeat, HeartbeatError, SensorBrief,
        SpoolBrief,
    },
    id::{AlertId, InvalidAlertId},
    outcome::{Outcome, Status, StepOutcome},
    plan::{Action, Class, InvalidPlanId, Mode, PLAN_SCHEMA, Place, Plan, PlanId, Step, Target},
    priority::{Priority, UnknownPriority},
    record::{PlanRecord, StepRecord, StepState, Undo, UndoRequest},
    routing::{InvalidRouting, Routed, Routing, RoutingTags, SubjectCopy},
    shorten::{SHORTENED, shorten},
    silence::{SILENCE_SCHEMA, Silence, SilenceRecord},
    status::{
        MetricFamily, MetricKind, STATUS_BYTES_MAX, STATUS_SCHEMA, Sample, SensorStatus,
        StatusError,
    },
    subject::{
        AlertSubject, FLEET, InvalidSubjectRoot, Subject, SubjectRoot, node_of_token, node_token,
        publisher_token, slug,
    },
    tag::{InvalidTag, Tag},
    template::{InvalidTemplate, SubjectTemplate},
};
