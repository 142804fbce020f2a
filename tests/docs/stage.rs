//! What the pages take for granted: a bus, its certificates, a cluster.

use std::{fs, path::Path};

use lanner_bus::{Connection, Identity, Subscription, certs::Authority};
use lanner_testkit::{KubeApiserver, SecuredBus, scene::ScenePod};

use crate::place::Place;

pub(crate) const NODE: &str = "node-1";

pub(crate) struct Stage {
    pub(crate) place: Place,
    /// Ends with us.
    _bus: SecuredBus,
    pub(crate) apiserver: KubeApiserver,
    pub(crate) pod: ScenePod,
    pub(crate) alerts: Subscription,
    pub(crate) outcomes: Subscription,
}

impl Stage {
    /// Starts all of it; `address` on the page is then our bus.
    pub(crate) async fn start(address: &str) -> Self {
        let bus = SecuredBus::start(&[NODE]).await;
        let mut place = Place::new();
        place.swap(address, &format!("127.0.0.1:{}", bus.server.port()));
        copy(bus.pki(), &place.path("/etc/lanner/pki"));
        let apiserver = KubeApiserver::start();
        fs::copy(apiserver.kubeconfig_path(), place.path("/etc/lanner/kubeconfig")).unwrap();
        let pod = pod("shop", "cart", NODE, '3');
        pod.create(&apiserver);
        let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
        let alerts = reader.subscribe("lanner.alerts.>").await.unwrap();
        let outcomes = reader.subscribe("lanner.responses.>").await.unwrap();
        Self { place, _bus: bus, apiserver, pod, alerts, outcomes }
    }
}

/// A pod whose container's id is this digit again and again.
pub(crate) fn pod(namespace: &str, name: &str, node: &str, digit: char) -> ScenePod {
    ScenePod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container: digit.to_string().repeat(64),
    }
}

/// The certificates that the shipped configurations name.
pub(crate) fn issue_certificates(place: &Place) {
    let made = place.path("/made");
    Authority::init(&made).unwrap();
    let authority = Authority::open(&made).unwrap();
    let forwarder = Identity::Forwarder { node: NODE.to_owned() };
    for (identity, name) in [(&forwarder, "forwarder"), (&Identity::Responder, "responder")] {
        authority.issue(identity).unwrap();
        for (folder, name) in [("pki", name), ("tls", "tls")] {
            let folder = place.path("/etc/lanner").join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::copy(made.join("ca.crt"), folder.join("ca.crt")).unwrap();
            for end in ["crt", "key"] {
                let stem = identity.file_stem();
                let from = made.join(format!("{stem}.{end}"));
                fs::copy(from, folder.join(format!("{name}.{end}"))).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
