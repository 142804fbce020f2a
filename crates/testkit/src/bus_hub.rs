//! A hub and its edge clusters, each with a server, certificates and streams of its own.

use lanner_bus::{
    Connection, Identity,
    hub::ClusterName,
    layout::Layout,
    permissions::{HubLink, Links},
};

use crate::{SecuredBus, bus::small_layout, process::free_port, relay::Relay};

/// A hub, and its edges behind links that can be cut.
#[derive(Debug)]
pub struct HubAndEdges {
    /// Takes what the edges keep.
    pub hub: SecuredBus,
    /// As they were named.
    pub edges: Vec<Edge>,
}

/// A cluster with its own bus.
#[derive(Debug)]
pub struct Edge {
    /// Its name at the hub.
    pub name: ClusterName,
    /// Its bus.
    pub bus: SecuredBus,
    /// Its way to the hub.
    pub link: Relay,
}

impl HubAndEdges {
    /// Starts a hub and these edges, each with the forwarders of the same nodes.
    ///
    /// # Panics
    /// When any of that fails.
    pub async fn start(names: &[&str], nodes: &[&str]) -> Self {
        let names: Vec<ClusterName> =
            names.iter().map(|name| name.parse().expect("a cluster's name")).collect();
        let port = free_port();
        let layout = Layout { edges: names.iter().cloned().collect(), ..small_layout() };
        let links = Links { edges_listen: Some(format!("127.0.0.1:{port}")), ..Links::default() };
        let hub = SecuredBus::start_linked(&[], layout, links);
        let mut edges = Vec::new();
        for name in names {
            edges.push(Edge::start(name, nodes, &hub, port).await);
        }
        set_up(&hub).await;
        Self { hub, edges }
    }
}

impl Edge {
    async fn start(name: ClusterName, nodes: &[&str], hub: &SecuredBus, port: u16) -> Self {
        let link = Relay::to(port);
        let stem = Identity::Cluster(name.clone()).file_stem();
        let to_hub = HubLink {
            urls: vec![format!("tls://localhost:{}", link.port())],
            ca_file: hub.pki().join("ca.crt"),
            cert_file: hub.pki().join(format!("{stem}.crt")),
            key_file: hub.pki().join(format!("{stem}.key")),
        };
        let layout = Layout { cluster: Some(name.clone()), ..small_layout() };
        let links = Links { hub: Some(to_hub), ..Links::default() };
        let bus = SecuredBus::start_linked(nodes, layout, links);
        set_up(&bus).await;
        Self { name, bus, link }
    }
}

async fn set_up(bus: &SecuredBus) {
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await;
    let admin = admin.expect("connect as the admin");
    admin.set_up(bus.layout()).await.expect("set up streams, buckets and consumers");
}
