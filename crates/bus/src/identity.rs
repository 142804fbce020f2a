//! Who a certificate says its holder is, and who that is on the bus.
//!
//! nats-server's `verify_and_map` takes the first e-mail, DNS or URI name of a
//! client certificate that one of its users has, and else the subject. Ours
//! carry exactly one name, a DNS name, so there is nothing to choose from:
//!
//! ```text
//! responder                      responder.lanner
//! reader soc                     reader.soc.lanner
//! edge cluster eu-1, at its hub  cluster.eu-1.lanner
//! forwarder of node ip-10-0-0-7  forwarder.ip-10-0-0-7.lanner
//! forwarder of node a.b          forwarder.a_b.lanner
//! ```
//!
//! The node is written as [`node_token`] writes it: one label, which no two
//! nodes share, and the same text as in the node's subjects.

use std::fmt;

use lanner_alert::node_token;

use crate::{grant::Reader, hub::ClusterName};

/// One who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Creates streams, consumers and buckets.
    Admin,
    /// Consumes alerts, keeps plans, publishes outcomes.
    Responder,
    /// Reads alerts, tag copies and outcomes, but nothing restricted.
    Subscriber,
    /// Reads what it was granted.
    Reader(Reader),
    /// An edge cluster, at its hub: the link by which the hub takes what it keeps.
    Cluster(ClusterName),
    /// Publishes the alerts of this one node.
    Forwarder {
        /// The node's name, as in its alerts.
        node: String,
    },
}

impl Identity {
    /// The DNS name in its certificate, and its user's name in the server.
    pub fn name(&self) -> String {
        match self {
            Self::Admin => "admin.lanner".to_owned(),
            Self::Responder => "responder.lanner".to_owned(),
            Self::Subscriber => "subscriber.lanner".to_owned(),
            Self::Reader(reader) => format!("reader.{}.lanner", reader.name),
            Self::Cluster(cluster) => format!("cluster.{cluster}.lanner"),
            Self::Forwarder { node } => format!("forwarder.{}.lanner", node_token(node)),
        }
    }

    /// What its files begin with: `responder.crt`, `forwarder.a_b.crt`.
    pub fn file_stem(&self) -> String {
        match self {
            Self::Admin => "admin".to_owned(),
            Self::Responder => "responder".to_owned(),
            Self::Subscriber => "subscriber".to_owned(),
            Self::Reader(reader) => format!("reader.{}", reader.name),
            Self::Cluster(cluster) => format!("cluster.{cluster}"),
            Self::Forwarder { node } => format!("forwarder.{}", node_token(node)),
        }
    }

    /// The first token of the inboxes on which it gets its answers.
    pub fn inbox_prefix(&self) -> String {
        inbox_prefix(&self.name())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Inboxes of the holder of a certificate with this name. Each has its own
/// prefix, so that permissions keep one from reading another's answers.
pub(crate) fn inbox_prefix(name: &str) -> String {
    format!("_INBOX_{}", node_token(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Identity;
    use crate::grant::{Grant, Reader};

    #[test]
    fn no_two_identities_share_a_name_or_an_inbox() {
        let nodes =
            ["a.b", "a_b", "a-b", "a", "A", "lanner", "a.lanner", "responder", "", "=", "*"];
        let mut all = vec![Identity::Admin, Identity::Responder, Identity::Subscriber];
        all.extend(nodes.map(|node| Identity::Forwarder { node: node.to_owned() }));
        all.extend(["a-b", "a", "lanner", "responder", "reader", "forwarder"].map(|name| {
            Identity::Reader(Reader { name: name.parse().unwrap(), grant: Grant::default() })
        }));

        let names: BTreeSet<String> = all.iter().map(Identity::name).collect();
        let inboxes: BTreeSet<String> = all.iter().map(Identity::inbox_prefix).collect();
        assert_eq!((names.len(), inboxes.len()), (all.len(), all.len()));
        for inbox in inboxes {
            assert!(!inbox.contains(['.', '*', '>', ' ']), "{inbox} is more than one token");
        }
    }
}
