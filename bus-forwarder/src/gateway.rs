//! Whose alerts we publish: our own node's, or as a gateway those of listed nodes.

use std::collections::BTreeSet;

use lanner_alert::{Alert, GatewayName};
use serde::Deserialize;

/// A forwarder that publishes for nodes that do not do it themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its name, as in the layout of the bus.
    pub name: GatewayName,
    /// The nodes, as their alerts name them. The bus must list them too.
    pub nodes: BTreeSet<String>,
}

/// Whose alerts are ours to publish.
#[derive(Clone, Debug)]
pub(crate) enum Nodes {
    /// This node's.
    Own(String),
    /// Those of a gateway.
    Of(Gateway),
}

impl Nodes {
    /// Whether an alert that names its node is ours to publish.
    pub(crate) fn has(&self, node: &str) -> bool {
        match self {
            Self::Own(own) => own == node,
            Self::Of(gateway) => gateway.nodes.contains(node),
        }
    }

    /// Gives an alert of Falco its node. Falco's own `hostname` says it to a
    /// gateway; it says nothing to the forwarder of one node, being often the
    /// name of Falco's pod. False when it is of none of our nodes.
    pub(crate) fn claim(&self, alert: &mut Alert) -> bool {
        match self {
            Self::Own(own) => alert.node.clone_from(own),
            Self::Of(_) => alert.node.clone_from(&alert.hostname),
        }
        self.has(&alert.node)
    }
}
