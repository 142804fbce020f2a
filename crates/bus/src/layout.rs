//! What stands on the server: streams, buckets and consumers, written down once.
//!
//! ```text
//! <root>.alerts.>            ─▶ LANNER_ALERTS            ─▶ consumer `responder`
//! <root>.responses.>         ─▶ LANNER_RESPONSES
//! <root>.tags.<tag>.>        ─▶ LANNER_TAG_<TAG>         one for each of `tag_streams`
//! <root>.restricted.<tag>.>  ─▶ LANNER_RESTRICTED_<TAG>  one for each of `restricted_tags` ─▶ consumer `responder`
//! advisories of the responder's consumers: given up after max_deliver, terminated
//!                            ─▶ LANNER_DLQ
//! plans, locks               ─▶ buckets LANNER_PLANS, LANNER_LOCKS
//! heartbeats of the nodes    ─▶ bucket LANNER_FLEET
//! ```
//!
//! A hub has a stream for each stream of each of its edges, under
//! `<cluster>.<root>.>`: see [`crate::hub`].
//!
//! For each grant there is a consumer `reader_<name>` on the streams that it
//! covers, which delivers what it covers and nothing else: see [`crate::grant`].
//!
//! Every one is bounded in bytes and age. The server *reserves* the bytes of
//! each against its `max_file_store`, so their sum has to fit that.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull, push},
    kv,
    stream::{self, DiscardPolicy, StorageType},
};
use lanner_alert::{GatewayName, InvalidRouting, Routing, SubjectRoot, SubjectTemplate, Tag};
use serde::Deserialize;

use crate::{
    Cause,
    gateway::{Gateway, GatewayNodes},
    grant::{Grant, Reader, ReaderName},
    hub::ClusterName,
};

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
/// Bucket of the nodes' heartbeats, which are forgotten by their age.
pub const FLEET: &str = "LANNER_FLEET";
/// The stream behind that bucket.
pub(crate) const FLEET_STREAM: &str = "KV_LANNER_FLEET";
/// Durable pull consumer of [`ALERTS`], and of each stream of a restricted tag,
/// that all responders share.
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

/// Stream of the copies for one of `tag_streams`.
pub fn tag_stream(tag: &Tag) -> String {
    format!("LANNER_TAG_{}", tag.in_stream_name())
}

/// Stream of the alerts with a restricted tag, and of what was done about them.
pub fn restricted_stream(tag: &Tag) -> String {
    format!("LANNER_RESTRICTED_{}", tag.in_stream_name())
}

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
    /// Bounds of the bucket of heartbeats. A silent node is forgotten at that age.
    pub fleet: Bounds,
    /// Tags whose copies are stored, each with the bounds of its stream.
    pub tag_streams: BTreeMap<Tag, Bounds>,
    /// Tags whose alerts are stored nowhere but in a stream of their own, with
    /// the bounds of that.
    pub restricted_tags: BTreeMap<Tag, Bounds>,
    /// Where the forwarders send one more copy, for subscribers of Falcosidekick.
    pub subject_template: Option<SubjectTemplate>,
    /// What readers may read, by their names.
    pub grants: BTreeMap<ReaderName, Grant>,
    /// Our cluster's name at the hub that takes what our streams keep.
    pub cluster: Option<ClusterName>,
    /// The clusters of which we are the hub: for each of their streams we have one
    /// that keeps as much as our own.
    pub edges: BTreeSet<ClusterName>,
    /// Forwarders that publish for nodes without one.
    pub gateways: BTreeMap<GatewayName, GatewayNodes>,
}

/// A layout that cannot stand.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLayout {
    /// Subjects that contradict each other.
    #[error(transparent)]
    Routing(#[from] InvalidRouting),
    /// A hub of a hub.
    #[error("cluster and edges: a bus is a hub of others or an edge of one, not both")]
    HubOfHub,
    /// A number of copies that no cluster keeps.
    #[error("replicas: {0}; it is 1, 3 or 5")]
    Replicas(NonZeroU32),
    /// The grant cannot be kept.
    #[error("grants: {reader}")]
    Grant {
        /// Whose.
        reader: ReaderName,
        /// Why not.
        source: Cause,
    },
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
            fleet: Bounds::new(16 * MIB, 24),
            tag_streams: BTreeMap::new(),
            restricted_tags: BTreeMap::new(),
            subject_template: None,
            grants: BTreeMap::new(),
            cluster: None,
            edges: BTreeSet::new(),
            gateways: BTreeMap::new(),
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
    /// Looks at what the file's shape cannot say.
    ///
    /// # Errors
    /// When two settings contradict each other; the message names them.
    pub fn check(&self) -> Result<(), InvalidLayout> {
        let routing = Routing {
            root: self.subject_root.clone(),
            tag_streams: self.tag_streams.keys().cloned().collect(),
            restricted_tags: self.restricted_tags.keys().cloned().collect(),
            subject_template: self.subject_template.clone(),
            ..Routing::default()
        };
        routing.check()?;
        if self.cluster.is_some() && !self.edges.is_empty() {
            return Err(InvalidLayout::HubOfHub);
        }
        if !matches!(self.replicas.get(), 1 | 3 | 5) {
            return Err(InvalidLayout::Replicas(self.replicas));
        }
        for (reader, grant) in &self.grants {
            grant.check(self).map_err(|error| InvalidLayout::Grant {
                reader: reader.clone(),
                source: Cause::of(&error),
            })?;
        }
        Ok(())
    }

    /// The readers that have a grant.
    pub fn readers(&self) -> impl Iterator<Item = Reader> {
        self.grants.iter().map(|(name, grant)| Reader { name: name.clone(), grant: grant.clone() })
    }

    /// The gateways, with their nodes.
    pub fn gateways(&self) -> impl Iterator<Item = Gateway> {
        self.gateways
            .iter()
            .map(|(name, of)| Gateway { name: name.clone(), nodes: of.nodes.clone() })
    }

    /// Bytes that the server must be allowed to store for all of this.
    pub fn size_bytes(&self) -> u64 {
        [self.alerts, self.responses, self.dead_letters, self.plans, self.locks, self.fleet]
            .iter()
            .chain(self.tag_streams.values())
            .chain(self.restricted_tags.values())
            .copied()
            .chain(
                self.edges.iter().flat_map(|_edge| {
                    self.streams_for_hub().into_iter().map(|(.., bounds)| bounds)
                }),
            )
            .fold(0, |sum: u64, bounds| sum.saturating_add(bounds.size_bytes_max.get()))
    }

    pub(crate) fn streams(&self) -> Vec<stream::Config> {
        let root = self.subject_root.as_str();
        let mut streams = vec![
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
                self.advisories_of_responders(),
                self.dead_letters,
            ),
            self.fleet(),
        ];
        streams.extend(self.tag_streams.iter().map(|(tag, bounds)| {
            let subjects = vec![format!("{root}.tags.{tag}.>")];
            self.stream(&tag_stream(tag), "copies of alerts with one tag", subjects, *bounds)
        }));
        streams.extend(self.restricted_tags.iter().map(|(tag, bounds)| {
            let subjects = vec![format!("{root}.restricted.{tag}.>")];
            let description = "alerts with one restricted tag, and what was done about them";
            self.stream(&restricted_stream(tag), description, subjects, *bounds)
        }));
        for edge in &self.edges {
            streams.extend(self.streams_for_hub().into_iter().map(|(stream, subject, bounds)| {
                let description = format!("what cluster {edge} keeps in {stream}");
                let name = edge.stream_at_hub(&stream);
                let config = self.stream(&name, &description, Vec::new(), bounds);
                let sources = Some(vec![edge.source(&stream, &subject)]);
                stream::Config { sources, ..config }
            }));
        }
        streams
    }

    /// What an edge gives to its hub: each stream, its subjects, and how much the
    /// hub keeps of it. What is restricted stays where it is.
    pub(crate) fn streams_for_hub(&self) -> Vec<(String, String, Bounds)> {
        let root = self.subject_root.as_str();
        let mut streams = vec![
            (ALERTS.to_owned(), format!("{root}.alerts.>"), self.alerts),
            (RESPONSES.to_owned(), format!("{root}.responses.>"), self.responses),
        ];
        streams.extend(
            self.tag_streams
                .iter()
                .map(|(tag, bounds)| (tag_stream(tag), format!("{root}.tags.{tag}.>"), *bounds)),
        );
        streams
    }

    /// Of responders alone: what a reader refuses is no dead letter.
    fn advisories_of_responders(&self) -> Vec<String> {
        let streams = self.streams_of_responders();
        ["MAX_DELIVERIES", "MSG_TERMINATED"]
            .iter()
            .flat_map(|kind| {
                streams.iter().map(move |(stream, _)| {
                    format!("$JS.EVENT.ADVISORY.CONSUMER.{kind}.{stream}.{RESPONDER}")
                })
            })
            .collect()
    }

    /// The streams that responders take alerts from, and which of their subjects.
    fn streams_of_responders(&self) -> Vec<(String, Vec<String>)> {
        let root = self.subject_root.as_str();
        let mut streams = vec![(ALERTS.to_owned(), Vec::new())];
        streams.extend(self.restricted_tags.keys().map(|tag| {
            (restricted_stream(tag), vec![format!("{root}.restricted.{tag}.alerts.>")])
        }));
        streams
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

    /// A bucket as any other to who reads it, but written by every node: by
    /// `Nats-Rollup` one of them could remove the heartbeats of all, and by
    /// `Nats-TTL` have its own forgotten at once. So neither is allowed.
    fn fleet(&self) -> stream::Config {
        stream::Config {
            max_messages_per_subject: 1,
            ..self.stream(
                FLEET_STREAM,
                "heartbeats of the nodes",
                vec![format!("$KV.{FLEET}.>")],
                self.fleet,
            )
        }
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
    pub(crate) fn consumers(&self) -> Vec<(String, pull::Config)> {
        let mut consumers: Vec<(String, pull::Config)> = self
            .streams_of_responders()
            .into_iter()
            .map(|(stream, filter_subjects)| {
                let responder = pull::Config {
                    durable_name: Some(RESPONDER.to_owned()),
                    description: Some("all responders together".to_owned()),
                    deliver_policy: DeliverPolicy::All,
                    ack_policy: AckPolicy::Explicit,
                    ack_wait: REDELIVERY_WAITS[0],
                    backoff: REDELIVERY_WAITS.to_vec(),
                    max_deliver: DELIVERIES_MAX,
                    max_ack_pending: UNACKNOWLEDGED_MAX,
                    filter_subjects,
                    ..Default::default()
                };
                (stream, responder)
            })
            .collect();
        for reader in self.readers() {
            for source in reader.sources(self) {
                consumers.push((source.stream.clone(), reader.consumer(&source)));
            }
        }
        consumers
    }

    /// The consumers from which a hub takes what our streams keep.
    pub(crate) fn consumers_for_hub(&self) -> Vec<(String, push::Config)> {
        let streams = self.streams_for_hub().into_iter();
        let consumers = streams.flat_map(|(stream, ..)| {
            let cluster = self.cluster.iter();
            cluster.map(move |cluster| (stream.clone(), cluster.consumer(&stream)))
        });
        consumers.collect()
    }

    fn replicas(&self) -> usize {
        usize::try_from(self.replicas.get()).unwrap_or(usize::MAX)
    }
}
