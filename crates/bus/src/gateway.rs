//! A forwarder that publishes for listed nodes: see [`lanner_alert::GatewayName`].

use lanner_alert::GatewayName;
use serde::Deserialize;

/// A gateway and its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its name, which is in the subject of each of its alerts.
    pub name: GatewayName,
    /// The nodes that it may publish for.
    pub nodes: Vec<String>,
}

/// The nodes of a gateway, as the layout lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayNodes {
    /// The nodes that it may publish for.
    pub nodes: Vec<String>,
}
