use std::fmt;

use async_nats::jetstream::{
    consumer::{self, IntoConsumerConfig as _},
    kv, stream,
};
use serde_json::{Map, Value};

use super::SetupError;
use crate::{Cause, layout::Layout};

/// What stands on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A stream.
    Stream,
    /// A key-value bucket: a stream whose subjects are keys.
    Bucket,
    /// A durable consumer.
    Consumer,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Bucket => "bucket",
            Self::Consumer => "consumer",
        })
    }
}

/// Settings of streams and buckets that are ours. All others are the operator's.
const OF_BOTH: [&str; 11] = [
    "description",
    "subjects",
    "sources",
    "retention",
    "storage",
    "max_bytes",
    "max_age",
    "discard",
    "num_replicas",
    "allow_direct",
    "max_msgs_per_subject",
];
/// Beside those, of a stream. A bucket's is up to the server.
const OF_STREAMS: [&str; 1] = ["duplicate_window"];
/// Beside those, of a bucket.
const OF_BUCKETS: [&str; 5] =
    ["allow_rollup_hdrs", "deny_delete", "allow_msg_ttl", "subject_delete_marker_ttl", "mirror"];
/// Settings of a consumer that are ours.
const OF_CONSUMERS: [&str; 13] = [
    "description",
    "deliver_policy",
    "deliver_subject",
    "ack_policy",
    "ack_wait",
    "backoff",
    "max_deliver",
    "max_ack_pending",
    "max_expires",
    "filter_subjects",
    "flow_control",
    "idle_heartbeat",
    "replay_policy",
];

/// One thing of the layout, as the server's API takes it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    /// The stream; of a consumer, the one that it reads.
    pub(super) stream: String,
    /// Of a consumer.
    pub(super) durable: Option<String>,
    pub(super) config: Map<String, Value>,
}

/// All that `layout` wants; streams stand before their consumers.
pub(super) fn wanted(layout: &Layout) -> Vec<Wanted> {
    let streams = layout.streams().into_iter().map(|config| Wanted::stream(Kind::Stream, &config));
    let buckets = layout
        .buckets()
        .into_iter()
        .map(|bucket| Wanted::stream(Kind::Bucket, &stream_of_bucket(&bucket)));
    let pulled = layout
        .consumers()
        .into_iter()
        .map(|(stream, config)| Wanted::consumer(stream, config.into_consumer_config()));
    let pushed = layout
        .consumers_for_hub()
        .into_iter()
        .map(|(stream, config)| Wanted::consumer(stream, config.into_consumer_config()));
    streams.chain(buckets).chain(pulled).chain(pushed).collect()
}

impl Wanted {
    fn stream(kind: Kind, config: &stream::Config) -> Self {
        Self { kind, stream: config.name.clone(), durable: None, config: object(config) }
    }

    fn consumer(stream: String, config: consumer::Config) -> Self {
        let durable = config.durable_name.clone();
        Self { kind: Kind::Consumer, stream, durable, config: object(&config) }
    }

    /// Tells it from all others.
    pub(super) fn key(&self) -> (String, Option<String>) {
        (self.stream.clone(), self.durable.clone())
    }

    /// As people know it.
    pub(super) fn title(&self) -> String {
        match (&self.durable, self.kind) {
            (Some(durable), _) => format!("{durable} of {}", self.stream),
            (None, Kind::Bucket) => {
                self.stream.strip_prefix("KV_").unwrap_or(&self.stream).to_owned()
            }
            (None, _) => self.stream.clone(),
        }
    }

    /// The settings that are ours.
    pub(super) fn managed(&self) -> impl Iterator<Item = &'static str> {
        let (own, more): (&'static [&'static str], &'static [&'static str]) = match self.kind {
            Kind::Stream => (&OF_BOTH, &OF_STREAMS),
            Kind::Bucket => (&OF_BOTH, &OF_BUCKETS),
            Kind::Consumer => (&OF_CONSUMERS, &[]),
        };
        own.iter().chain(more).copied()
    }

    /// Bytes that it takes of the account, with all its replicas.
    pub(super) fn reserves(&self) -> u64 {
        self.reserved_by(&self.config)
    }

    /// The same, of the configuration that stands.
    pub(super) fn reserved_by(&self, config: &Map<String, Value>) -> u64 {
        if self.kind == Kind::Consumer { 0 } else { reserved(config) }
    }

    pub(super) fn unanswered(&self, source: Cause) -> SetupError {
        SetupError::Unanswered { kind: self.kind, name: self.title(), source }
    }
}

/// Bytes that a stream takes of its account.
pub(super) fn reserved(config: &Map<String, Value>) -> u64 {
    let number = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or(0);
    number("max_bytes").saturating_mul(number("num_replicas").max(1))
}

/// The stream behind a bucket, as the NATS clients make it (ADR-8 of NATS).
fn stream_of_bucket(bucket: &kv::Config) -> stream::Config {
    stream::Config {
        name: format!("KV_{}", bucket.bucket),
        description: Some(bucket.description.clone()),
        subjects: vec![format!("$KV.{}.>", bucket.bucket)],
        max_messages_per_subject: bucket.history.max(1),
        max_bytes: bucket.max_bytes,
        max_age: bucket.max_age,
        max_message_size: if bucket.max_value_size > 0 { bucket.max_value_size } else { -1 },
        storage: bucket.storage,
        num_replicas: bucket.num_replicas.max(1),
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: bucket.limit_markers.is_some(),
        subject_delete_marker_ttl: bucket.limit_markers,
        ..Default::default()
    }
}

fn object(config: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(object)) => object,
        // Both kinds of configuration are objects.
        _ => Map::new(),
    }
}
