//! A bus as an operator gets it from `lanner bus`: an authority, certificates,
//! a server that takes nobody without, and streams small enough for a test.

use std::{
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use lanner_bus::{
    Connection, ConnectionConfig, Identity,
    certs::Authority,
    layout::{Bounds, Layout},
    permissions::ServerConfig,
};
use tempfile::TempDir;

use crate::NatsServer;

/// A server with mutual TLS, and the folder of the certificates.
#[derive(Debug)]
pub struct SecuredBus {
    /// The server itself, to be killed and restarted.
    pub server: NatsServer,
    pki: TempDir,
    layout: Layout,
}

impl SecuredBus {
    /// Starts a server that knows the forwarders of these nodes, and whose
    /// streams, buckets and consumers stand.
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start(nodes: &[&str]) -> Self {
        Self::start_with_layout(nodes, small_layout()).await
    }

    /// As [`SecuredBus::start`], with another layout than [`small_layout`].
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start_with_layout(nodes: &[&str], layout: Layout) -> Self {
        let bus = Self::start_empty_with_layout(nodes, layout);
        let admin = Connection::connect(&bus.connection(&Identity::Admin)).await;
        admin
            .expect("connect as the admin")
            .set_up(&bus.layout)
            .await
            .expect("set up streams, buckets and consumers");
        bus
    }

    /// As [`SecuredBus::start`], with nothing set up.
    ///
    /// # Panics
    /// When the server cannot be started.
    pub fn start_empty(nodes: &[&str]) -> Self {
        Self::start_empty_with_layout(nodes, small_layout())
    }

    /// As [`SecuredBus::start_empty`], with the permissions of this layout.
    ///
    /// # Panics
    /// When the server cannot be started.
    pub fn start_empty_with_layout(nodes: &[&str], layout: Layout) -> Self {
        let pki = tempfile::tempdir().expect("make a temporary folder");
        let dir = pki.path();
        Authority::init(dir).expect("make an authority");
        let authority = Authority::open(dir).expect("open the authority");
        authority.issue_server(&["127.0.0.1".to_owned()]).expect("issue the server's certificate");
        for role in [Identity::Admin, Identity::Responder, Identity::Subscriber] {
            authority.issue(&role).expect("issue a role's certificate");
        }
        for node in nodes {
            let forwarder = Identity::Forwarder { node: (*node).to_owned() };
            authority.issue(&forwarder).expect("issue a node's certificate");
        }
        for reader in layout.readers() {
            authority.issue(&Identity::Reader(reader)).expect("issue a reader's certificate");
        }
        let config = ServerConfig {
            listen: "127.0.0.1:-1".to_owned(),
            store_dir: dir.join("store"),
            cert_file: dir.join("server.crt"),
            key_file: dir.join("server.key"),
            ca_file: dir.join("ca.crt"),
            layout: layout.clone(),
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        let server = NatsServer::start_with_config(&config.render());
        Self { server, pki, layout }
    }

    /// How this identity connects.
    pub fn connection(&self, identity: &Identity) -> ConnectionConfig {
        let file = |name: String| Some(self.pki.path().join(name));
        let stem = identity.file_stem();
        ConnectionConfig {
            servers: vec![format!("tls://127.0.0.1:{}", self.server.port())],
            ca_file: file("ca.crt".to_owned()),
            cert_file: file(format!("{stem}.crt")),
            key_file: file(format!("{stem}.key")),
            name: None,
        }
    }

    /// The folder with the authority and all certificates.
    pub fn pki(&self) -> &Path {
        self.pki.path()
    }

    /// The same connection as the text of a configuration file.
    pub fn connection_yaml(&self, identity: &Identity, indent: &str) -> String {
        let config = self.connection(identity);
        let path = |path: Option<PathBuf>| path.unwrap_or_default().display().to_string();
        format!(
            "{indent}servers: [\"{}\"]\n{indent}ca_file: {}\n{indent}cert_file: {}\n{indent}key_file: {}\n",
            config.servers.join("\", \""),
            path(config.ca_file),
            path(config.cert_file),
            path(config.key_file),
        )
    }

    /// What stands on the server after [`SecuredBus::start`].
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// A layout whose streams are small enough for a test.
pub fn small_layout() -> Layout {
    let mut layout = Layout::default();
    let small = small_bounds().size_bytes_max;
    for bounds in [
        &mut layout.alerts,
        &mut layout.responses,
        &mut layout.dead_letters,
        &mut layout.plans,
        &mut layout.locks,
    ] {
        *bounds = Bounds { size_bytes_max: small, ..*bounds };
    }
    layout
}

/// Bounds of a stream that is small enough for a test.
pub fn small_bounds() -> Bounds {
    Bounds {
        size_bytes_max: NonZeroU64::new(64 << 20).expect("64 MiB is not zero"),
        age_hours_max: NonZeroU32::new(24).expect("a day has hours"),
    }
}
