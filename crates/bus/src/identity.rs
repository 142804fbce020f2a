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
//! gateway edge-1                 gateway.edge-1.lanner
//! ```
//!
//! The node is written as [`node_token`] writes it: one label, which no two
//! nodes share, and the same text as in the node's subjects. Credentials (see
//! [`crate::creds`]) say the same with a role and a user's name.

use std::fmt::{self, Write as _};

use lanner_alert::{node_of_token, node_token};

use crate::{gateway::Gateway, grant::Reader, hub::ClusterName, layout::Layout};

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
    /// Publishes the alerts of nodes that have no forwarder, marked as such.
    Gateway(Gateway),
}

impl Identity {
    /// The role of every forwarder: see [`Identity::role`].
    pub(crate) const FORWARDER_ROLE: &str = "forwarder";

    /// Who shares its permissions, but for the name in them.
    pub(crate) fn role(&self) -> String {
        match self {
            Self::Forwarder { .. } => Self::FORWARDER_ROLE.to_owned(),
            other => other.file_stem(),
        }
    }

    /// The user's name in its credentials.
    pub(crate) fn user(&self) -> String {
        match self {
            Self::Reader(reader) => reader.name.to_string(),
            Self::Forwarder { node } => node_token(node),
            Self::Gateway(gateway) => gateway.name.to_string(),
            Self::Cluster(cluster) => cluster.to_string(),
            Self::Admin | Self::Responder | Self::Subscriber => self.file_stem(),
        }
    }

    /// The DNS name in its certificate, and its user's name in the server.
    pub fn name(&self) -> String {
        match self {
            Self::Admin => "admin.lanner".to_owned(),
            Self::Responder => "responder.lanner".to_owned(),
            Self::Subscriber => "subscriber.lanner".to_owned(),
            Self::Reader(reader) => format!("reader.{}.lanner", reader.name),
            Self::Cluster(cluster) => format!("cluster.{cluster}.lanner"),
            Self::Forwarder { node } => format!("forwarder.{}.lanner", node_token(node)),
            Self::Gateway(gateway) => format!("gateway.{}.lanner", gateway.name),
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
            Self::Gateway(gateway) => format!("gateway.{}", gateway.name),
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

/// Inboxes of who has this name. Each has its own prefix, so that permissions
/// keep one from reading another's answers. What a node's token may hold stays
/// as it is: a server that fills in a user's name makes the same of it.
pub(crate) fn inbox_prefix(name: &str) -> String {
    let mut prefix = "_INBOX_".to_owned();
    for byte in name.bytes() {
        match byte {
            b'.' => prefix.push('_'),
            b'-' | b'_' | b'=' => prefix.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => prefix.push(char::from(byte)),
            // Of a certificate that is not ours. Writing to a String cannot fail.
            byte => drop(write!(prefix, "={byte:02X}")),
        }
    }
    prefix
}

/// Who that name is of, as `layout` knows readers and gateways.
pub(crate) fn of_name(name: &str, layout: &Layout) -> Option<Identity> {
    let (role, rest) = name.strip_suffix(".lanner")?.split_once('.').unzip();
    match (role, rest) {
        (None, None) => match name {
            "admin.lanner" => Some(Identity::Admin),
            "responder.lanner" => Some(Identity::Responder),
            "subscriber.lanner" => Some(Identity::Subscriber),
            _ => None,
        },
        (Some("forwarder"), Some(token)) => {
            Some(Identity::Forwarder { node: node_of_token(token)? })
        }
        (Some("reader"), Some(name)) => {
            let reader = layout.readers().find(|reader| reader.name.as_str() == name);
            reader.map(Identity::Reader)
        }
        (Some("gateway"), Some(name)) => {
            let gateway = layout.gateways().find(|gateway| gateway.name.as_str() == name);
            gateway.map(Identity::Gateway)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Identity;
    use crate::{
        gateway::Gateway,
        grant::{Grant, Reader},
    };

    #[test]
    fn no_two_identities_share_a_name_or_an_inbox() {
        let nodes =
            ["a.b", "a_b", "a-b", "a", "A", "lanner", "a.lanner", "responder", "", "=", "*"];
        let mut all = vec![Identity::Admin, Identity::Responder, Identity::Subscriber];
        all.extend(nodes.map(|node| Identity::Forwarder { node: node.to_owned() }));
        all.extend(["a-b", "a", "lanner", "responder", "reader", "forwarder"].map(|name| {
            Identity::Reader(Reader { name: name.parse().unwrap(), grant: Grant::default() })
        }));
        all.extend(["a-b", "a", "forwarder"].map(|name| {
            Identity::Gateway(Gateway { name: name.parse().unwrap(), nodes: Vec::new() })
        }));

        let names: BTreeSet<String> = all.iter().map(Identity::name).collect();
        let inboxes: BTreeSet<String> = all.iter().map(Identity::inbox_prefix).collect();
        assert_eq!((names.len(), inboxes.len()), (all.len(), all.len()));
        for inbox in inboxes {
            assert!(!inbox.contains(['.', '*', '>', ' ']), "{inbox} is more than one token");
        }
    }
}
