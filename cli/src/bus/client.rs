//! Who may connect, as subcommands: the same for certificates and credentials.

use clap::Subcommand;
use lanner_alert::GatewayName;
use lanner_bus::{
    Identity,
    gateway::Gateway,
    grant::{Grant, Reader, ReaderName},
};

/// Who connects.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Who sets up streams, buckets and consumers
    Admin,
    /// The responders, all together
    Responder,
    /// Readers of alerts, tag copies and outcomes
    Subscriber,
    /// A reader who has a grant; see `lanner bus grant`
    Reader {
        /// Its name
        name: ReaderName,
    },
    /// The forwarder of a node, which may publish as this node alone
    Forwarder {
        /// The node's name, as in its alerts; once for each
        #[arg(long = "node", value_name = "NODE", required = true)]
        nodes: Vec<String>,
    },
    /// A forwarder that publishes for the nodes that the layout lists under `gateways`
    Gateway {
        /// Its name
        name: GatewayName,
    },
}

impl Client {
    /// What each may do is not said here: the server knows it from the layout.
    pub(crate) fn identities(self) -> Vec<Identity> {
        match self {
            Self::Admin => vec![Identity::Admin],
            Self::Responder => vec![Identity::Responder],
            Self::Subscriber => vec![Identity::Subscriber],
            Self::Reader { name } => {
                vec![Identity::Reader(Reader { name, grant: Grant::default() })]
            }
            Self::Forwarder { nodes } => {
                nodes.into_iter().map(|node| Identity::Forwarder { node }).collect()
            }
            Self::Gateway { name } => {
                vec![Identity::Gateway(Gateway { name, nodes: Vec::new() })]
            }
        }
    }
}
