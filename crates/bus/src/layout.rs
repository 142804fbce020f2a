//! What stands on the server: streams, buckets and consumers, written down once.
//!
//! ```text
//! <root>.alerts.>     ─▶ LANNER_ALERTS     ─▶ consumer `responder`
//! <root>.responses.>  ─▶ LANNER_RESPONSES
//! advisories of LANNER_ALERTS: given up after max_deliver, terminated
//!                     ─▶ LANNER_DLQ
//! plans, locks        ─▶ buckets LANNER_PLANS, LANNER_LOCKS
//! ```
//!
//! Every one is bounded in bytes and age. The server *reserves* the bytes of
//! each against its `max_file_store`, so their sum has to fit that.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    kv,
    stream::{self, DiscardPolicy, StorageType},
};
use lanner_alert::SubjectRoot;
use serde::Deserialize;

/// Stream of the alerts.
pub const ALERTS: &str = "LANNER_ALERTS";
/// Stream of what the responder decided and did.
pub const RESPONSES: &str = "LANNER_RESPONSES";
/// Stream of what was given up: advisories that point into [`ALERTS`].
pub const DEAD_LETTERS: &str = "LANNER_DLQ";
/// Bucket of the plans.
pub const PLANS: &str = "LANNER_PLANS";
/// Bucket of leases and locks, whose keys may expire.
pub const LOCKS: &str = "LANNER_LOCKS";
/// Durable pull consumer of [`ALERTS`] that all responders share.
pub const RESPONDER: &str = "responder";

/// A message with the same id is dropped for that long.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Waits before a message that was not acknowledged comes again.
const REDELIVERY_WAITS: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
];
/// Deliveries of one message before it is given up, and its advisory is stored.
const DELIVERIES_MAX: i64 = 8;
/// Messages that all responders together may hold unacknowledged.
const UNACKNOWLEDGED_MAX: i64 = 256;
/// How long the server remembers that a key of a bucket expired.
const EXPIRY_MARKER_AGE: Duration = Duration::from_secs(60 * 60);

/// Sizes of what `setup` creates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layout {
    /// The tokens in front of every subject.
    pub subject_root: SubjectRoot,
    /// Copies of each stream in a cluster of servers: 1, 3 or 5.
    pub replicas: NonZeroU32,
    /// Bounds of the stream of alerts.
    pub alerts: Bounds,
    /// Bounds of the stream of outcomes.
    pub responses: Bounds,
    /// Bounds of the stream of dead letters.
    pub dead_letters: Bounds,
    /// Bounds of the bucket of plans.
    pub plans: Bounds,
    /// Bounds of the bucket of locks.
    pub locks: Bounds,
}

/// How much is kept, and for how long. The oldest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Bytes on the server's disk, reserved from the start.
    pub size_bytes_max: NonZeroU64,
    /// Hours.
    pub age_hours_max: NonZeroU32,
}

impl Default for Layout {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            subject_root: SubjectRoot::default(),
            replicas: NonZeroU32::MIN,
            alerts: Bounds::new(1024 * MIB, 7 * 24),
            responses: Bounds::new(256 * MIB, 30 * 24),
            dead_letters: Bounds::new(16 * MIB, 30 * 24),
            plans: Bounds::new(256 * MIB, 30 * 24),
            locks: Bounds::new(16 * MIB, 7 * 24),
        }
    }
}

impl Bounds {
    const fn new(size_bytes_max: u64, age_hours_max: u32) -> Self {
        let size_bytes_max = NonZeroU64::new(size_bytes_max).expect("sizes are not zero");
        let age_hours_max = NonZeroU32::new(age_hours_max).expect("ages are not zero");
        Self { size_bytes_max, age_hours_max }
    }

    fn bytes(self) -> i64 {
        i64::try_from(self.size_bytes_max.get()).unwrap_or(i64::MAX)
    }

    fn age(self) -> Duration {
        Duration::from_secs(u64::from(self.age_hours_max.get()) * 3600)
    }
}

impl Layout {
    /// Bytes that the server must be allowed to store for all of this.
    pub fn size_bytes(&self) -> u64 {
        [self.alerts, self.responses, self.dead_letters, self.plans, self.locks]
            .iter()
            .fold(0, |sum: u64, bounds| sum.saturating_add(bounds.size_bytes_max.get()))
    }

    pub(crate) fn streams(&self) -> [stream::Config; 3] {
        let root = self.subject_root.as_str();
        let advisories = |kind: &str| format!("$JS.EVENT.ADVISORY.CONSUMER.{kind}.{ALERTS}.>");
        [
            self.stream(ALERTS, "alerts, each once", vec![format!("{root}.alerts.>")], self.alerts),
            self.stream(
                RESPONSES,
                "what the responder decided and did",
                vec![format!("{root}.responses.>")],
                self.responses,
            ),
            self.stream(
                DEAD_LETTERS,
                "alerts that no responder could finish",
                vec![advisories("MAX_DELIVERIES"), advisories("MSG_TERMINATED")],
                self.dead_letters,
            ),
        ]
    }

    fn stream(
        &self,
        name: &str,
        description: &str,
        subjects: Vec<String>,
        bounds: Bounds,
    ) -> stream::Config {
        stream::Config {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            subjects,
            storage: StorageType::File,
            max_bytes: bounds.bytes(),
            max_age: bounds.age(),
            discard: DiscardPolicy::Old,
            duplicate_window: DUPLICATE_WINDOW.min(bounds.age()),
            num_replicas: self.replicas(),
            // Readers may fetch single messages without a consumer of their own.
            allow_direct: true,
            ..Default::default()
        }
    }

    pub(crate) fn buckets(&self) -> [kv::Config; 2] {
        [
            self.bucket(PLANS, "plans and their progress", self.plans),
            self.bucket(LOCKS, "leases, locks and budgets", self.locks),
        ]
    }

    fn bucket(&self, name: &str, description: &str, bounds: Bounds) -> kv::Config {
        kv::Config {
            bucket: name.to_owned(),
            description: description.to_owned(),
            history: 1,
            storage: StorageType::File,
            max_bytes: bounds.bytes(),
            max_age: bounds.age(),
            num_replicas: self.replicas(),
            limit_markers: Some(EXPIRY_MARKER_AGE),
            ..Default::default()
        }
    }

    /// The stream that each consumer reads, and the consumer.
    pub(crate) fn consumers(&self) -> [(&'static str, pull::Config); 1] {
        let responder = pull::Config {
            durable_name: Some(RESPONDER.to_owned()),
            description: Some("all responders together".to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: REDELIVERY_WAITS[0],
            backoff: REDELIVERY_WAITS.to_vec(),
            max_deliver: DELIVERIES_MAX,
            max_ack_pending: UNACKNOWLEDGED_MAX,
            ..Default::default()
        };
        [(ALERTS, responder)]
    }

    fn replicas(&self) -> usize {
        usize::try_from(self.replicas.get()).unwrap_or(usize::MAX)
    }
}
