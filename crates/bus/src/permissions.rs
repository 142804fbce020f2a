//! The nats-server's configuration: TLS 1.3, and for each identity no more than
//! it needs; who connects is known by a certificate or by a token.

mod links;

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

pub use self::links::{HubLink, InvalidLinks, Links, ServerCluster};

use crate::{
    Identity,
    access::{Account, Permissions, Share, ShareKind, shares},
    creds::AccountToken,
    layout::Layout,
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
    /// The nodes whose forwarders may publish, where certificates say who connects.
    pub nodes: Vec<String>,
    /// Other servers.
    pub links: Links,
    /// Where tokens say it instead. A certificate is not asked for then.
    pub tokens: Option<Tokens>,
}

/// What a server has to trust: see [`crate::creds`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The operator's token.
    pub operator: String,
    /// The key of the account that may change accounts.
    pub system_account: String,
    /// All accounts, as the server knows them until it is told otherwise.
    pub accounts: Vec<AccountToken>,
}

impl ServerConfig {
    /// The text of the configuration file.
    pub fn render(&self) -> String {
        let mut text = String::from("# Written by `lanner bus permissions`");
        text.push_str(match &self.tokens {
            None => {
                ": write it anew when nodes come or go, and\n\
                 # reload the server (SIGHUP). Who is not named under `users` is not let in.\n"
            }
            Some(_) => {
                ". Nodes come and go without it: see\n\
                 # `lanner bus creds`.\n"
            }
        });
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&format!("listen: {}", quoted(&self.listen)));
        line("");
        line("jetstream {");
        line(&format!("  store_dir: {}", quoted(&self.store_dir.to_string_lossy())));
        line("  # The sum of what `lanner bus setup` reserves, and a tenth of room.");
        line(&format!("  max_file_store: {}", self.store_bytes()));
        line(&format!("{}}}", self.domain_line()));
        line("");
        line(&format!("{}{}", self.server_lines(), self.leafnodes()));
        line("tls {");
        line(&format!("  cert_file: {}", quoted(&self.cert_file.to_string_lossy())));
        line(&format!("  key_file: {}", quoted(&self.key_file.to_string_lossy())));
        if self.tokens.is_none() {
            line(&format!("  ca_file: {}", quoted(&self.ca_file.to_string_lossy())));
            line("  # A client needs a certificate, and its DNS name is the user below.");
            line("  verify_and_map: true");
        }
        line("  # TLS before the first byte: nothing is told to who has no certificate.");
        line("  handshake_first: true");
        line("  min_version: \"1.3\"");
        line("  # Many nodes come back at once after an outage.");
        line("  timeout: 5");
        line("}");
        line("");
        match &self.tokens {
            None => text.push_str(&self.accounts()),
            Some(tokens) => text.push_str(&self.trust(tokens)),
        }
        text
    }

    fn trust(&self, tokens: &Tokens) -> String {
        let mut text = format!(
            "operator: {}\nsystem_account: {}\n\
             # Accounts as they are now. What `lanner bus creds` pushes later is kept in `dir`,\n\
             # and the newer of both counts.\n\
             resolver {{\n  type: full\n  dir: {}\n  allow_delete: false\n  interval: \"2m\"\n}}\n\
             resolver_preload {{\n",
            quoted(&tokens.operator),
            quoted(&tokens.system_account),
            quoted(&self.store_dir.join("accounts").to_string_lossy()),
        );
        for account in &tokens.accounts {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  # {}", account.name);
            let _ = writeln!(text, "  {}: {}", account.key, quoted(&account.token));
        }
        text.push_str("}\n");
        text
    }

    /// What each server stores.
    fn store_bytes(&self) -> u64 {
        let reserved = self.layout.size_bytes();
        reserved.saturating_add(reserved / 10)
    }

    fn accounts(&self) -> String {
        let mut text = String::from("accounts {\n");
        let shares = shares(&self.layout);
        let identities = self.identities();
        for account in Account::ALL {
            let _ = writeln!(text, "  {} {{", account.name());
            if account == Account::Lanner {
                // What an account may store is told to its admin, what the server
                // may is not. Counted here with every replica.
                let max = self.store_bytes().saturating_mul(self.layout.replicas.get().into());
                let _ = writeln!(text, "    jetstream: {{ max_file: {max} }}");
            }
            let exports = shares.iter().filter(|share| share.from == account).map(export);
            let to_hub = self.exports_to_hub().filter(|_| account == Account::Lanner);
            text.push_str(&block("exports", exports.chain(to_hub)));
            let imports = shares.iter().filter(|share| share.with == account).map(import);
            text.push_str(&block("imports", imports));
            let users = identities.iter().filter(|identity| identity.account() == account).map(
                |identity| user_with(&identity.name(), &identity.permissions(&self.layout), ""),
            );
            let edges = self.edge_users().filter(|_| account == Account::Lanner);
            text.push_str(&block("users", users.chain(edges)));
            text.push_str("  }\n");
        }
        text.push_str(&self.link_account());
        text.push_str("}\n");
        text
    }

    /// Each once: the server takes no user twice.
    fn identities(&self) -> Vec<Identity> {
        let mut identities = vec![Identity::Admin, Identity::Responder, Identity::Subscriber];
        identities.extend(self.layout.readers().map(Identity::Reader));
        identities.extend(self.layout.gateways().map(Identity::Gateway));
        let nodes: BTreeSet<&String> = self.nodes.iter().collect();
        identities.extend(nodes.into_iter().map(|node| Identity::Forwarder { node: node.clone() }));
        identities
    }
}

fn export(share: &Share) -> String {
    let (kind, answers) = match share.kind {
        ShareKind::Stream => ("stream", ""),
        ShareKind::Service => ("service", ""),
        ShareKind::ServiceWithManyAnswers => ("service", ", response: stream"),
    };
    let (subject, with) = (quoted(&share.subject), share.with.name());
    format!("      {{ {kind}: {subject}{answers}, accounts: [{with}] }}\n")
}

fn import(share: &Share) -> String {
    let kind = match share.kind {
        ShareKind::Stream => "stream",
        ShareKind::Service | ShareKind::ServiceWithManyAnswers => "service",
    };
    let (subject, from) = (quoted(&share.subject), share.from.name());
    format!("      {{ {kind}: {{ account: {from}, subject: {subject} }} }}\n")
}

fn block(name: &str, entries: impl Iterator<Item = String>) -> String {
    match entries.collect::<String>() {
        none if none.is_empty() => String::new(),
        entries => format!("    {name}: [\n{entries}    ]\n"),
    }
}

/// One user; `more` are further lines of it.
fn user_with(name: &str, permissions: &Permissions, more: &str) -> String {
    let mut text =
        format!("      {{\n        user: {}\n{more}        permissions: {{\n", quoted(name));
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
