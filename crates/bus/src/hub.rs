//! Many clusters: each has a bus of its own, and a hub keeps what all of them keep.
//!
//! ```text
//! edge eu-1                                                   hub
//! LANNER_ALERTS ─▶ consumer hub_eu-1 ─▶ LANNER_HUB ══leaf══▶ HUB_EU_1_LANNER_ALERTS
//!   lanner.alerts.>    flow control ◀──── account ══link═══    eu-1.lanner.alerts.>
//! ```
//!
//! The hub's streams *source* those of the edges (NATS ADR-60): by sequence, so
//! that each message arrives once, whatever breaks in between, and while the
//! link is down it waits in the edge's own stream. The hub puts the cluster in
//! front of the subject, so that equal names of two clusters never meet. Each
//! cluster has its own streams there: the server drops a message whose id a stream
//! knows already, whoever sent that, and one noisy cluster would push out the others.
//!
//! Neither side trusts the other with more than that:
//! - The consumer is the edge's own (`setup` makes it), and what it delivers goes
//!   to a fixed subject. The hub may begin it anew and keep its pace; nothing else
//!   is exported into the account that the link is bound to.
//! - The link's user at the hub may publish its own deliveries, and be asked for them.
//!
//! What is restricted stays in its cluster.

use std::{fmt, str::FromStr, time::Duration};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, push},
    stream::{External, Source, StreamConsumerSource, SubjectTransform},
};
use serde::{Deserialize, Deserializer};

use crate::access::Permissions;

/// The hub's own JetStream domain. No cluster has this name.
pub const HUB_DOMAIN: &str = "hub";

const NAME_BYTES_MAX: usize = 32;
/// The server takes no other for consumers of this kind.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Messages on their way to the hub.
const UNACKNOWLEDGED_MAX: i64 = 10_000;
/// What a leaf node's answers to the hub are sent to.
const ANSWERS: &str = "$JSC.R.>";

/// A cluster's name at its hub: up to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

/// A text that is no cluster's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cluster {text:?} is not named by up to {NAME_BYTES_MAX} of a-z, 0-9 and -, or is {HUB_DOMAIN:?}"
)]
pub struct InvalidClusterName {
    text: String,
}

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The consumer from which the hub takes what an edge's stream keeps.
    pub(crate) fn durable(&self) -> String {
        format!("hub_{}", self.0)
    }

    /// What the edge's JetStream answers to on the link. Not `$JS.<domain>.API`:
    /// the server maps that itself, past what the account takes over.
    fn api(&self) -> String {
        format!("_LANNER_HUB.{}.API", self.0)
    }

    /// The hub's stream of what this cluster keeps in `stream`.
    pub fn stream_at_hub(&self, stream: &str) -> String {
        format!("HUB_{}_{stream}", self.0.to_ascii_uppercase().replace('-', "_"))
    }

    fn deliveries(&self, stream: &str) -> String {
        format!("_LANNER_HUB.{}.{stream}", self.0)
    }

    /// The consumer of an edge's stream that the hub takes from.
    pub(crate) fn consumer(&self, stream: &str) -> push::Config {
        push::Config {
            durable_name: Some(self.durable()),
            description: Some("what the hub takes".to_owned()),
            deliver_subject: self.deliveries(stream),
            deliver_policy: DeliverPolicy::All,
            // Acknowledged by how the hub keeps up, once it has stored.
            ack_policy: AckPolicy::FlowControl,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            max_ack_pending: UNACKNOWLEDGED_MAX,
            ..Default::default()
        }
    }

    /// Where a stream of the hub takes what this cluster's `stream` keeps of `subject`.
    pub(crate) fn source(&self, stream: &str, subject: &str) -> Source {
        Source {
            name: stream.to_owned(),
            external: Some(External { api_prefix: self.api(), delivery_prefix: None }),
            subject_transforms: vec![SubjectTransform {
                source: subject.to_owned(),
                destination: format!("{}.{subject}", self.0),
            }],
            consumer: Some(StreamConsumerSource {
                name: self.durable(),
                deliver_subject: self.deliveries(stream),
            }),
            ..Default::default()
        }
    }

    /// What the edge's account of the link takes over from the account of its
    /// streams: the kind, the subject there, and the subject on the link.
    pub(crate) fn exports(&self, streams: &[String]) -> Vec<(&'static str, String, String)> {
        let durable = self.durable();
        let mut exports = vec![];
        for stream in streams {
            let reset = format!("CONSUMER.RESET.{stream}.{durable}");
            let pace = format!("$JS.FC.{stream}.{durable}.>");
            exports.extend([
                ("stream", self.deliveries(stream), self.deliveries(stream)),
                ("service", format!("$JS.API.{reset}"), format!("{}.{reset}", self.api())),
                ("service", pace.clone(), pace),
            ]);
        }
        exports
    }

    /// What the link of this cluster may do at the hub: `publish` is what may
    /// come in, `subscribe` what may be asked for.
    pub(crate) fn link_permissions(&self) -> Permissions {
        let (name, api, durable) = (&self.0, self.api(), self.durable());
        Permissions {
            publish: vec![format!("_LANNER_HUB.{name}.*"), ANSWERS.to_owned()],
            subscribe: vec![
                format!("{api}.CONSUMER.RESET.*.{durable}"),
                format!("$JS.FC.*.{durable}.>"),
            ],
        }
    }
}

impl FromStr for ClusterName {
    type Err = InvalidClusterName;

    fn from_str(text: &str) -> Result<Self, InvalidClusterName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits && text != HUB_DOMAIN {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidClusterName { text: text.chars().take(64).collect() })
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClusterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::ClusterName;

    #[test]
    fn a_name_is_one_token_and_not_the_hubs() {
        for (text, good) in [
            ("eu-1", true),
            ("", false),
            ("hub", false),
            ("a.b", false),
            ("A", false),
            ("*", false),
        ] {
            assert_eq!(text.parse::<ClusterName>().is_ok(), good, "{text:?}");
        }
    }
}
