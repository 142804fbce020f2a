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
    permissions::{Links, ServerConfig},
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
        Self::start_linked(nodes, layout, Links::default())
    }

    /// As [`SecuredBus::start_empty_with_layout`], with other servers. The
    /// certificates of the layout's edges are beside all others.
    ///
    /// # Panics
    /// When the server cannot be started.
    pub fn start_linked(nodes: &[&str], layout: Layout, links: Links) -> Self {
        let pki = make_pki(nodes, &layout);
        let config = server_config(pki.path(), "store", nodes, &layout, links);
        let server = NatsServer::start_with_config(&config.render());
        Self { server, pki, layout }
    }

    /// How this identity connects.
    pub fn connection(&self, identity: &Identity) -> ConnectionConfig {
        connection_to([&self.server], self.pki.path(), identity)
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

/// How this identity connects to one of `servers`.
pub(crate) fn connection_to<'a>(
    servers: impl IntoIterator<Item = &'a NatsServer>,
    pki: &Path,
    identity: &Identity,
) -> ConnectionConfig {
    let stem = identity.file_stem();
    let address = |server: &NatsServer| format!("tls://127.0.0.1:{}", server.port());
    ConnectionConfig {
        servers: servers.into_iter().map(address).collect(),
        ca_file: Some(pki.join("ca.crt")),
        cert_file: Some(pki.join(format!("{stem}.crt"))),
        key_file: Some(pki.join(format!("{stem}.key"))),
        name: None,
    }
}

/// A folder with an authority, and a certificate for everybody.
pub(crate) fn make_pki(nodes: &[&str], layout: &Layout) -> TempDir {
    let pki = tempfile::tempdir().expect("make a temporary folder");
    let dir = pki.path();
    Authority::init(dir).expect("make an authority");
    let authority = Authority::open(dir).expect("open the authority");
    // Other servers know it by its host's name, clients by the address.
    let hosts = ["127.0.0.1", "localhost"].map(str::to_owned);
    authority.issue_server(&hosts).expect("issue the server's certificate");
    let nodes = nodes.iter().map(|node| Identity::Forwarder { node: (*node).to_owned() });
    let everybody = [Identity::Admin, Identity::Responder, Identity::Subscriber]
        .into_iter()
        .chain(nodes)
        .chain(layout.readers().map(Identity::Reader))
        .chain(layout.edges.iter().cloned().map(Identity::Cluster));
    for identity in everybody {
        authority.issue(&identity).expect("issue a certificate");
    }
    pki
}

/// The configuration of a server that keeps its streams in `store`, beside the certificates.
pub(crate) fn server_config(
    pki: &Path,
    store: &str,
    nodes: &[&str],
    layout: &Layout,
    links: Links,
) -> ServerConfig {
    let config = ServerConfig {
        listen: "127.0.0.1:-1".to_owned(),
        store_dir: pki.join(store),
        cert_file: pki.join("server.crt"),
        key_file: pki.join("server.key"),
        ca_file: pki.join("ca.crt"),
        layout: layout.clone(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        links,
    };
    config.check().expect("the servers can find each other");
    config
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
