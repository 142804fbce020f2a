//! A bus as an operator gets it from `lanner bus`: an authority, certificates,
//! a server that takes nobody without, and streams small enough for a test.

use std::{
    num::{NonZeroU32, NonZeroU64},
    path::Path,
};

use lanner_bus::{
    Connection, ConnectionConfig, Identity,
    certs::Authority,
    creds::{self, CredsFolder},
    layout::{Bounds, Layout},
    permissions::{Links, ServerConfig},
};
use tempfile::TempDir;

use crate::NatsServer;

/// Below the folder of the certificates.
const CREDS: &str = "creds";

/// A server with mutual TLS, and the folder of the certificates.
#[derive(Debug)]
pub struct SecuredBus {
    /// The server itself, to be killed and restarted.
    pub server: NatsServer,
    pki: TempDir,
    layout: Layout,
    admission: Admission,
}

/// By what the server knows who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A certificate for each.
    Certificates,
    /// Credentials for each: nodes are added while the server runs.
    Credentials,
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
        Self::start_as(Admission::Certificates, nodes, layout).await
    }

    /// As [`SecuredBus::start`], where credentials say who connects.
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start_with_creds(nodes: &[&str]) -> Self {
        Self::start_as(Admission::Credentials, nodes, small_layout()).await
    }

    /// As [`SecuredBus::start`], by certificates or by credentials.
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start_as(admission: Admission, nodes: &[&str], layout: Layout) -> Self {
        let bus = Self::start_server(admission, nodes, layout, Links::default());
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
        Self::start_server(Admission::Certificates, nodes, layout, links)
    }

    fn start_server(admission: Admission, nodes: &[&str], layout: Layout, links: Links) -> Self {
        let pki = make_pki(nodes, &layout);
        let mut config = server_config(pki.path(), "store", nodes, &layout, links);
        if admission == Admission::Credentials {
            let (mut folder, _system) =
                CredsFolder::init(&pki.path().join(CREDS), &layout).expect("make an operator");
            for identity in clients(nodes, &layout) {
                folder.issue(&identity, creds::VALID).expect("issue credentials");
            }
            // With the keys of readers and gateways.
            folder.update(&layout).expect("write the accounts");
            config.tokens = Some(folder.tokens().expect("read the tokens"));
        }
        let server = NatsServer::start_with_config(&config.render());
        Self { server, pki, layout, admission }
    }

    /// The folder of the credentials, where there are some.
    ///
    /// # Panics
    /// When certificates say who connects.
    pub fn creds(&self) -> CredsFolder {
        CredsFolder::open(&self.pki.path().join(CREDS)).expect("open the folder of credentials")
    }

    /// How a holder of this file connects.
    pub fn connection_with_creds(&self, creds_file: &Path) -> ConnectionConfig {
        ConnectionConfig {
            servers: vec![format!("tls://127.0.0.1:{}", self.server.port())],
            ca_file: Some(self.pki.path().join("ca.crt")),
            creds_file: Some(creds_file.to_owned()),
            ..ConnectionConfig::default()
        }
    }

    /// How whoever runs the bus tells it of changed accounts.
    pub fn system_connection(&self) -> ConnectionConfig {
        self.connection_with_creds(&self.pki.path().join(CREDS).join("system.creds"))
    }

    /// How this identity connects.
    pub fn connection(&self, identity: &Identity) -> ConnectionConfig {
        if self.admission == Admission::Credentials {
            let stem = identity.file_stem();
            let creds = self.pki.path().join(CREDS).join(format!("{stem}.creds"));
            return self.connection_with_creds(&creds);
        }
        connection_to([&self.server], self.pki.path(), identity)
    }

    /// The folder with the authority and all certificates.
    pub fn pki(&self) -> &Path {
        self.pki.path()
    }

    /// The same connection as the text of a configuration file.
    pub fn connection_yaml(&self, identity: &Identity, indent: &str) -> String {
        let config = self.connection(identity);
        let mut text = format!("{indent}servers: [\"{}\"]\n", config.servers.join("\", \""));
        for (key, path) in [
            ("ca_file", config.ca_file),
            ("cert_file", config.cert_file),
            ("key_file", config.key_file),
            ("creds_file", config.creds_file),
        ] {
            if let Some(path) = path {
                text.push_str(&format!("{indent}{key}: {}\n", path.display()));
            }
        }
        text
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
        ..ConnectionConfig::default()
    }
}

/// Everybody who connects as a client.
fn clients(nodes: &[&str], layout: &Layout) -> Vec<Identity> {
    let mut clients = vec![Identity::Admin, Identity::Responder, Identity::Subscriber];
    clients.extend(nodes.iter().map(|node| Identity::Forwarder { node: (*node).to_owned() }));
    clients.extend(layout.readers().map(Identity::Reader));
    clients.extend(layout.gateways().map(Identity::Gateway));
    clients
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
    let edges = layout.edges.iter().cloned().map(Identity::Cluster);
    for identity in clients(nodes, layout).into_iter().chain(edges) {
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
        tokens: None,
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
        &mut layout.fleet,
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
