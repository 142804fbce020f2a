//! How a server reaches others: the servers of its cluster, its hub, its edges.

use std::path::PathBuf;

use super::{ServerConfig, block, quoted, user_with};
use crate::{access::Account, hub::HUB_DOMAIN};

/// The account that an edge's link to its hub is bound to.
const LINK_ACCOUNT: &str = "LANNER_HUB";

/// The servers that a server is connected with. None unless said.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// The servers that keep the same streams.
    pub cluster: Option<ServerCluster>,
    /// Where the edges of the layout connect: `0.0.0.0:7422`.
    pub edges_listen: Option<String>,
    /// The hub of the layout's cluster.
    pub hub: Option<HubLink>,
}

/// One server of several that keep the same streams.
#[derive(Clone, Debug)]
pub struct ServerCluster {
    /// The same for all of them.
    pub name: String,
    /// This server's own.
    pub server_name: String,
    /// Where the others connect: `0.0.0.0:6222`.
    pub listen: String,
    /// All of them: `tls://nats-0.nats.lanner.svc:6222`. By host names, which
    /// their certificates are held against.
    pub routes: Vec<String>,
}

/// A cluster's way to its hub.
#[derive(Clone, Debug)]
pub struct HubLink {
    /// `tls://hub.example.org:7422`; more than one if the hub has several servers.
    pub urls: Vec<String>,
    /// Who signed the hub's certificate.
    pub ca_file: PathBuf,
    /// Our certificate, issued by the hub's authority.
    pub cert_file: PathBuf,
    /// The key of that.
    pub key_file: PathBuf,
}

/// Why servers could not find each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLinks {
    /// An address where a name has to be.
    #[error(
        "route {route}: write tls://HOST:PORT with a host name: a server lets another one in if its \
         certificate has the name of a route"
    )]
    Route {
        /// As given.
        route: String,
    },
    /// A link without the layout's other half.
    #[error("{0}")]
    Layout(&'static str),
}

impl ServerConfig {
    /// Whether the servers can find each other.
    ///
    /// # Errors
    /// What is wrong, and the cure.
    pub fn check(&self) -> Result<(), InvalidLinks> {
        for route in self.links.cluster.iter().flat_map(|cluster| &cluster.routes) {
            let host = route.strip_prefix("tls://").and_then(|rest| rest.rsplit_once(':'));
            let is_name = |host: &str| {
                host.contains(|c: char| c.is_ascii_alphabetic())
                    && !host.contains(['/', '@', '[', '*'])
            };
            if !host.is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok()) {
                return Err(InvalidLinks::Route { route: route.clone() });
            }
        }
        let layout = &self.layout;
        if self.tokens.is_some() && (self.links.hub.is_some() || self.links.edges_listen.is_some())
        {
            return Err(InvalidLinks::Layout(
                "a hub and its edges know their users by certificates, not by tokens",
            ));
        }
        match (&self.links.hub, &layout.cluster, &self.links.edges_listen, layout.edges.is_empty())
        {
            (Some(_), None, ..) => Err(InvalidLinks::Layout(
                "a hub is of use to a layout with `cluster`, its name there",
            )),
            (_, _, Some(_), true) => {
                Err(InvalidLinks::Layout("edges connect to a layout with `edges`, their names"))
            }
            _ => Ok(()),
        }
    }

    /// Lines in front of everything else.
    pub(super) fn server_lines(&self) -> String {
        let Some(cluster) = &self.links.cluster else { return String::new() };
        let mut routes: Vec<String> = cluster.routes.iter().map(|url| quoted(url)).collect();
        routes.dedup();
        format!(
            "server_name: {}\n\
             cluster {{\n  \
               name: {}\n  \
               listen: {}\n\
             {}    \
                 # A server's certificate alone makes no server: its name has to be that of a route.\n    \
                 verify_cert_and_check_known_urls: true\n    \
                 timeout: 5\n  \
               }}\n  \
               routes: [{}]\n\
             }}\n",
            quoted(&cluster.server_name),
            quoted(&cluster.name),
            quoted(&cluster.listen),
            self.tls_files(),
            routes.join(", "),
        )
    }

    /// Lines within `jetstream`.
    pub(super) fn domain_line(&self) -> String {
        match &self.layout.cluster {
            Some(cluster) => format!("  domain: {}\n", quoted(cluster.as_str())),
            None if !self.layout.edges.is_empty() => format!("  domain: {}\n", quoted(HUB_DOMAIN)),
            None => String::new(),
        }
    }

    /// The block `leafnodes`.
    pub(super) fn leafnodes(&self) -> String {
        let mut text = String::new();
        if let Some(listen) = &self.links.edges_listen {
            text.push_str(&format!(
                "leafnodes {{\n  \
                   listen: {}\n\
                 {}    \
                     verify_and_map: true\n    \
                     handshake_first: true\n    \
                     timeout: 5\n  \
                   }}\n\
                 }}\n",
                quoted(listen),
                self.tls_files(),
            ));
        }
        if let Some(hub) = &self.links.hub {
            let urls: Vec<String> = hub.urls.iter().map(|url| quoted(url)).collect();
            let file = |path: &PathBuf| quoted(&path.to_string_lossy());
            text.push_str(&format!(
                "leafnodes {{\n  \
                   remotes: [{{\n    \
                     urls: [{}]\n    \
                     account: {LINK_ACCOUNT}\n    \
                     tls {{\n      \
                       ca_file: {}\n      \
                       cert_file: {}\n      \
                       key_file: {}\n      \
                       min_version: \"1.3\"\n      \
                       handshake_first: true\n    \
                     }}\n  \
                   }}]\n\
                 }}\n",
                urls.join(", "),
                file(&hub.ca_file),
                file(&hub.cert_file),
                file(&hub.key_file),
            ));
        }
        text
    }

    /// What the account of the streams shares with the link to the hub.
    pub(super) fn exports_to_hub(&self) -> impl Iterator<Item = String> {
        self.shared_with_hub().into_iter().map(|(kind, subject, _)| {
            format!("      {{ {kind}: {}, accounts: [{LINK_ACCOUNT}] }}\n", quoted(&subject))
        })
    }

    /// The account that the link to the hub is bound to.
    pub(super) fn link_account(&self) -> String {
        let shared = self.shared_with_hub();
        if shared.is_empty() {
            return String::new();
        }
        let imports = shared.into_iter().map(|(kind, subject, on_link)| {
            let from = Account::Lanner.name();
            let to = if subject == on_link {
                String::new()
            } else {
                format!(", to: {}", quoted(&on_link))
            };
            format!(
                "      {{ {kind}: {{ account: {from}, subject: {} }}{to} }}\n",
                quoted(&subject)
            )
        });
        format!("  {LINK_ACCOUNT} {{\n{}  }}\n", block("imports", imports))
    }

    /// The users by which the edges are known, for the account of the streams.
    pub(super) fn edge_users(&self) -> impl Iterator<Item = String> {
        self.layout.edges.iter().map(|cluster| {
            let name = crate::Identity::Cluster(cluster.clone()).name();
            let only_as_leaf = "        allowed_connection_types: [\"LEAFNODE\"]\n";
            user_with(&name, &cluster.link_permissions(), only_as_leaf)
        })
    }

    fn shared_with_hub(&self) -> Vec<(&'static str, String, String)> {
        let streams: Vec<String> =
            self.layout.streams_for_hub().into_iter().map(|(stream, ..)| stream).collect();
        self.layout.cluster.iter().flat_map(|cluster| cluster.exports(&streams)).collect()
    }

    /// The head of a block `tls` one level in, with the server's own files.
    fn tls_files(&self) -> String {
        let file = |path: &PathBuf| quoted(&path.to_string_lossy());
        format!(
            "  tls {{\n    cert_file: {}\n    key_file: {}\n    ca_file: {}\n    min_version: \"1.3\"\n",
            file(&self.cert_file),
            file(&self.key_file),
            file(&self.ca_file)
        )
    }
}
