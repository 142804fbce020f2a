//! The nats-server's configuration: mutual TLS, and for each identity no more
//! than it needs.
//!
//! Two accounts, which share no subject but what the nodes publish:
//!
//! ```text
//! LANNER_NODES  forwarders ──alerts, tags──▶ LANNER  streams, buckets; responder, admin, subscriber
//!               ▲ acknowledgements ──────────┘
//! ```
//!
//! The server sends an acknowledgement to whatever reply subject a message
//! names, in its own name and past the publisher's permissions. In one account
//! a node could so write into the buckets, or under another node's name; from
//! its own account the answer comes back to its own account.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use lanner_alert::{SubjectRoot, node_token};

use crate::{
    Identity,
    layout::{ALERTS, LOCKS, Layout, PLANS, RESPONDER, RESPONSES},
    rights::USER_INFO,
};

/// What a server's configuration is made of.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `0.0.0.0:4222`.
    pub listen: String,
    /// Where the server keeps its streams.
    pub store_dir: PathBuf,
    /// The server's own certificate.
    pub cert_file: PathBuf,
    /// The server's own key.
    pub key_file: PathBuf,
    /// Who signs the certificates of clients.
    pub ca_file: PathBuf,
    /// Subjects and sizes; see [`Layout::size_bytes`].
    pub layout: Layout,
    /// The nodes whose forwarders may publish.
    pub nodes: Vec<String>,
}

/// What one identity may do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Permissions {
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl ServerConfig {
    /// The text of the configuration file.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# Written by `lanner bus permissions`: write it anew when nodes come or go, and\n\
             # reload the server (SIGHUP). Who is not named under `users` is not let in.\n",
        );
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&format!("listen: {}", quoted(&self.listen)));
        line("");
        line("jetstream {");
        line(&format!("  store_dir: {}", quoted(&self.store_dir.to_string_lossy())));
        line("  # The sum of what `lanner bus setup` reserves, and a tenth of room.");
        let reserved = self.layout.size_bytes();
        line(&format!("  max_file_store: {}", reserved.saturating_add(reserved / 10)));
        line("}");
        line("");
        line("tls {");
        line(&format!("  cert_file: {}", quoted(&self.cert_file.to_string_lossy())));
        line(&format!("  key_file: {}", quoted(&self.key_file.to_string_lossy())));
        line(&format!("  ca_file: {}", quoted(&self.ca_file.to_string_lossy())));
        line("  # A client needs a certificate, and its DNS name is the user below.");
        line("  verify_and_map: true");
        line("  # TLS before the first byte: nothing is told to who has no certificate.");
        line("  handshake_first: true");
        line("  # Many nodes come back at once after an outage.");
        line("  timeout: 5");
        line("}");
        line("");
        let root = &self.layout.subject_root;
        let from_nodes = ["alerts", "tags"].map(|kind| format!("{}.{kind}.*.*.*.*", root.as_str()));
        let service = |subject: &String| format!("      {{ service: {} }}\n", quoted(subject));
        let import = |subject: &String| {
            let subject = quoted(subject);
            format!("      {{ service: {{ account: LANNER, subject: {subject} }} }}\n")
        };
        let user = |identity: &Identity| user(identity, &permissions(identity, root));
        let roles = [Identity::Admin, Identity::Responder, Identity::Subscriber];
        // Each once: the server takes no user twice.
        let nodes: BTreeSet<&String> = self.nodes.iter().collect();
        let forwarders = nodes.into_iter().map(|node| Identity::Forwarder { node: node.clone() });

        line("accounts {");
        line("  LANNER {");
        line("    jetstream: enabled");
        text.push_str(&block("exports", from_nodes.iter().map(service)));
        text.push_str(&block("users", roles.iter().map(user)));
        text.push_str("  }\n  LANNER_NODES {\n");
        text.push_str(&block("imports", from_nodes.iter().map(import)));
        text.push_str(&block("users", forwarders.map(|forwarder| user(&forwarder))));
        text.push_str("  }\n}\n");
        text
    }
}

fn permissions(identity: &Identity, root: &SubjectRoot) -> Permissions {
    let root = root.as_str();
    let inbox = format!("{}.>", identity.inbox_prefix());
    let (mut publish, mut subscribe) = match identity {
        Identity::Admin => (
            // Streams, consumers, buckets, and the plans in them.
            vec![
                "$JS.API.>".to_owned(),
                "$JS.FC.>".to_owned(),
                format!("$KV.{PLANS}.>"),
                format!("$KV.{LOCKS}.>"),
            ],
            vec![],
        ),
        Identity::Responder => {
            let mut publish = vec![
                format!("$JS.API.CONSUMER.INFO.{ALERTS}.{RESPONDER}"),
                format!("$JS.API.CONSUMER.MSG.NEXT.{ALERTS}.{RESPONDER}"),
                format!("$JS.ACK.{ALERTS}.{RESPONDER}.>"),
                format!("{root}.responses.>"),
            ];
            for bucket in [PLANS, LOCKS] {
                publish.extend([
                    format!("$KV.{bucket}.>"),
                    format!("$JS.API.STREAM.INFO.KV_{bucket}"),
                    format!("$JS.API.DIRECT.GET.KV_{bucket}.>"),
                    // Listing and watching keys goes by consumers that live as long.
                    format!("$JS.API.CONSUMER.CREATE.KV_{bucket}"),
                    format!("$JS.API.CONSUMER.CREATE.KV_{bucket}.>"),
                    format!("$JS.API.CONSUMER.DELETE.KV_{bucket}.>"),
                    format!("$JS.FC.KV_{bucket}.>"),
                ]);
            }
            (publish, vec![])
        }
        Identity::Subscriber => {
            // Reads single stored messages, and may make no consumer: whoever
            // makes consumers can also change the responder's.
            let publish = [ALERTS, RESPONSES]
                .iter()
                .flat_map(|stream| {
                    [
                        format!("$JS.API.STREAM.INFO.{stream}"),
                        format!("$JS.API.DIRECT.GET.{stream}"),
                        format!("$JS.API.DIRECT.GET.{stream}.>"),
                    ]
                })
                .collect();
            let subscribe = ["alerts", "tags", "responses"];
            (publish, subscribe.map(|subjects| format!("{root}.{subjects}.>")).to_vec())
        }
        Identity::Forwarder { node } => {
            let node = node_token(node);
            (
                vec![format!("{root}.alerts.*.*.*.{node}"), format!("{root}.tags.*.*.*.{node}")],
                vec![],
            )
        }
    };
    publish.push(USER_INFO.to_owned());
    subscribe.push(inbox);
    Permissions { publish, subscribe }
}

fn block(name: &str, entries: impl Iterator<Item = String>) -> String {
    format!("    {name}: [\n{}    ]\n", entries.collect::<String>())
}

fn user(identity: &Identity, permissions: &Permissions) -> String {
    let mut text =
        format!("      {{\n        user: {}\n        permissions: {{\n", quoted(&identity.name()));
    for (deed, subjects) in
        [("publish", &permissions.publish), ("subscribe", &permissions.subscribe)]
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "          {deed}: {{ allow: [");
        for subject in subjects {
            let _ = writeln!(text, "            {}", quoted(subject));
        }
        text.push_str("          ] }\n");
    }
    text.push_str("        }\n      }\n");
    text
}

/// A text of the configuration. Quoted, `$JS` is no variable.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
        .collect();
    format!("\"{escaped}\"")
}
