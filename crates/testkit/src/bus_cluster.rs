//! Several servers that keep the same streams, as an operator gets them from `lanner bus`.

use std::{num::NonZeroU32, time::Duration};

use lanner_bus::{
    Connection, ConnectionConfig, Identity,
    layout::Layout,
    permissions::{Links, ServerCluster},
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    NatsServer,
    bus::{connection_to, make_pki, server_config, small_layout},
    eventually_async,
    process::free_port,
};

/// Electing the first leader, and then one for each stream.
const SETUP_MAX: Duration = Duration::from_secs(30);
/// A request that came before the leader is never answered.
const ATTEMPT_MAX: Duration = Duration::from_secs(3);

/// Three servers with mutual TLS among them, and the folder of the certificates.
#[derive(Debug)]
pub struct ClusteredBus {
    /// The servers, called `nats-0`, `nats-1` and `nats-2`.
    pub servers: Vec<NatsServer>,
    pki: TempDir,
    layout: Layout,
}

impl ClusteredBus {
    /// Starts three servers that know the forwarders of these nodes; each stream,
    /// bucket and consumer stands on all of them.
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start(nodes: &[&str]) -> Self {
        let layout = Layout { replicas: NonZeroU32::new(3).expect("not zero"), ..small_layout() };
        let pki = make_pki(nodes, &layout);
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let routes: Vec<String> =
            ports.iter().map(|port| format!("tls://localhost:{port}")).collect();
        let servers = ports.iter().enumerate().map(|(number, port)| {
            let server_name = format!("nats-{number}");
            let cluster = ServerCluster {
                name: "lanner".to_owned(),
                server_name: server_name.clone(),
                listen: format!("127.0.0.1:{port}"),
                routes: routes.clone(),
            };
            let links = Links { cluster: Some(cluster), ..Links::default() };
            let config = server_config(pki.path(), &server_name, nodes, &layout, links);
            NatsServer::start_with_config(&config.render())
        });
        let servers = servers.collect();
        let bus = Self { servers, pki, layout };
        let admin = Connection::connect(&bus.connection(&Identity::Admin)).await;
        let admin = admin.expect("connect as the admin");
        let mut last = None;
        // Until they have elected a leader there is no JetStream.
        let set_up = async || match timeout(ATTEMPT_MAX, admin.set_up(&bus.layout)).await {
            Ok(Ok(_)) => Some(()),
            Err(_elapsed) => None,
            Ok(Err(error)) => {
                last = Some(format!("{error:?}"));
                None
            }
        };
        let done = eventually_async("the streams stand", SETUP_MAX * 2, set_up);
        if timeout(SETUP_MAX, done).await.is_err() {
            panic!("the streams do not stand: {last:?}\n{}", bus.logs());
        }
        bus
    }

    /// How this identity connects, to any of the servers.
    pub fn connection(&self, identity: &Identity) -> ConnectionConfig {
        connection_to(&self.servers, self.pki.path(), identity)
    }

    /// The folder with the authority and all certificates.
    pub fn pki(&self) -> &std::path::Path {
        self.pki.path()
    }

    /// The configuration's text of one of the servers.
    ///
    /// # Panics
    /// When there is no such server.
    pub fn config_of(&self, server: usize) -> String {
        let path = self.servers[server].config_path().expect("it has one");
        std::fs::read_to_string(path).expect("read the configuration")
    }

    /// What the servers logged last.
    pub fn logs(&self) -> String {
        self.servers.iter().map(NatsServer::log_tail).collect::<Vec<_>>().join("\n---\n")
    }

    /// What stands on the servers.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}
