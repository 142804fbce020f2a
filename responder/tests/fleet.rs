//! Nodes that fall silent, on a real bus, with the heartbeats of real
//! forwarders' identities and responders that start anew.

use std::time::Duration;

use jiff::Timestamp;
use lanner_alert::{
    Alert, Drops, FLEET, FalcoInput, HEARTBEAT_SCHEMA, Heartbeat, SilenceRecord, SpoolBrief,
    SubjectRoot,
};
use lanner_bus::{Connection, Identity, Subscription};
use lanner_responder::fleet::{FleetWatch, Pace, Thresholds};
use lanner_service::CancellationToken;
use lanner_testkit::{SecuredBus, eventually_async};
use tokio::{task::JoinHandle, time::timeout};

const SOON: Duration = Duration::from_secs(30);

struct Rig {
    bus: SecuredBus,
    alerts: Subscription,
}

/// A node that beats until it is dropped.
struct Node(JoinHandle<()>);

/// A replica that watches until it is dropped.
struct Replica {
    stop: CancellationToken,
    done: JoinHandle<()>,
}

impl Rig {
    async fn new(nodes: &[&str]) -> Self {
        let bus = SecuredBus::start(nodes).await;
        let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
        let alerts = reader.subscribe("lanner.alerts.>").await.unwrap();
        Self { bus, alerts }
    }

    async fn node(&self, name: &str) -> Node {
        let identity = Identity::Forwarder { node: name.to_owned() };
        let connection = Connection::connect(&self.bus.connection(&identity)).await.unwrap();
        let name = name.to_owned();
        Node(tokio::spawn(async move {
            loop {
                let beat = Heartbeat {
                    schema: HEARTBEAT_SCHEMA,
                    node: name.clone(),
                    cluster: None,
                    time: Timestamp::now(),
                    interval_seconds: 1,
                    forwarder_version: "0.1.0".to_owned(),
                    sensor: None,
                    drops: Drops::default(),
                    spool: SpoolBrief::default(),
                    troubles: Vec::new(),
                };
                connection.connected().await;
                // While the server is away it cannot be stored.
                let _ = connection.beat(&beat).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }))
    }

    async fn replica(&self) -> Replica {
        let connection =
            Connection::connect(&self.bus.connection(&Identity::Responder)).await.unwrap();
        let pace = Pace { poll: Duration::from_millis(100), adopt_after: Duration::from_secs(1) };
        let thresholds = Thresholds { window: Duration::from_secs(1), many: 3 };
        let watch =
            FleetWatch::new(connection, SubjectRoot::default(), None).with_pace(pace, thresholds);
        let stop = CancellationToken::new();
        Replica { stop: stop.clone(), done: tokio::spawn(watch.run(stop)) }
    }

    /// The next alert: its rule, and which nodes it is about.
    async fn next(&mut self) -> (String, String, Alert) {
        let seen = timeout(SOON, self.alerts.next()).await.expect("no alert").unwrap().unwrap();
        let alert = Alert::from_json(&seen.payload).unwrap();
        let nodes = alert.output_fields["fleet.nodes"].as_str().unwrap().to_owned();
        (seen.subject, nodes, alert)
    }

    /// Waits until all that are named are heard, and no other is.
    async fn heard(&self, names: &[&str]) {
        let reader = Connection::connect(&self.bus.connection(&Identity::Subscriber)).await;
        let reader = reader.unwrap();
        eventually_async("the nodes are heard", SOON, async || {
            let fleet = reader.fleet().await.ok()?;
            let heard = fleet.nodes.values().filter(|node| !node.is_silent(fleet.now));
            (heard.map(|node| node.beat.node.as_str()).collect::<Vec<_>>() == names).then_some(())
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Replica {
    async fn stop(self) {
        self.stop.cancel();
        timeout(SOON, self.done).await.expect("it does not stop").unwrap();
    }
}

const SILENT: &str = "lanner.alerts.critical.fleet.lanner_node_silent._fleet";
const BACK: &str = "lanner.alerts.notice.fleet.lanner_node_back._fleet";

#[tokio::test]
async fn a_silence_is_told_once_whoever_looks_and_however_often_they_start() {
    let mut rig = Rig::new(&["n1", "n2"]).await;
    let (first, second) = (rig.replica().await, rig.replica().await);
    let (n1, n2) = (rig.node("n1").await, rig.node("n2").await);
    rig.heard(&["n1", "n2"]).await;
    drop(n1);
    let (subject, nodes, alert) = rig.next().await;
    assert_eq!((subject.as_str(), nodes.as_str()), (SILENT, "n1"));
    assert_eq!((alert.source.as_str(), alert.hostname.as_str()), ("internal", "n1"));

    // Whoever starts now finds it silent, and told.
    first.stop().await;
    second.stop().await;
    let third = rig.replica().await;
    drop(n2);
    let (subject, nodes, _) = rig.next().await;
    assert_eq!((subject.as_str(), nodes.as_str()), (SILENT, "n2"));

    let _n1 = rig.node("n1").await;
    let (subject, nodes, _) = rig.next().await;
    assert_eq!((subject.as_str(), nodes.as_str()), (BACK, "n1"));
    third.stop().await;
}

#[tokio::test]
async fn what_a_replica_wrote_down_and_did_not_publish_another_one_does() {
    let mut rig = Rig::new(&["n1"]).await;
    let _n1 = rig.node("n1").await;
    rig.heard(&["n1"]).await;
    let falco = FalcoInput { node: FLEET.to_owned(), cluster: None };
    let text = r#"{"rule":"Lanner node silent","priority":"critical","output":"o","source":"internal",
        "tags":["fleet"],"time":"2026-11-21T10:00:00Z","output_fields":{"fleet.nodes":"n0"}}"#;
    let record = SilenceRecord {
        to_publish: vec![falco.read(text.as_bytes()).unwrap()],
        ..SilenceRecord::default()
    };
    let dead = Connection::connect(&rig.bus.connection(&Identity::Responder)).await.unwrap();
    let locks = dead.store("LANNER_LOCKS").await.unwrap();
    let json = serde_json::to_vec(&record).unwrap();
    locks.create("fleet.silence", json.into()).await.unwrap();

    let _replicas = (rig.replica().await, rig.replica().await);
    let (subject, nodes, alert) = rig.next().await;
    assert_eq!((subject.as_str(), nodes.as_str()), (SILENT, "n0"));
    assert_eq!(alert, record.to_publish[0]);
    eventually_async("nothing is left to publish", SOON, async || {
        let left = locks.get("fleet.silence").await.unwrap().unwrap();
        let left: SilenceRecord = serde_json::from_slice(&left.value).unwrap();
        left.to_publish.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn many_are_one_alert_and_an_outage_of_the_bus_is_none() {
    let mut rig = Rig::new(&["n1", "n2", "n3", "n4"]).await;
    let _replica = rig.replica().await;
    let mut nodes = Vec::new();
    for name in ["n1", "n2", "n3", "n4"] {
        nodes.push(rig.node(name).await);
    }
    rig.heard(&["n1", "n2", "n3", "n4"]).await;

    rig.bus.server.kill();
    // Longer than a node may be silent.
    tokio::time::sleep(Duration::from_secs(4)).await;
    rig.bus.server.restart();
    rig.heard(&["n1", "n2", "n3", "n4"]).await;
    nodes.truncate(1);
    // The first alert of all, so that the outage raised none.
    let (subject, names, alert) = rig.next().await;
    assert_eq!((subject.as_str(), names.as_str()), (SILENT, "n2, n3, n4"));
    assert!(alert.output.starts_with("3 nodes are silent, the first since "), "{}", alert.output);

    for name in ["n2", "n3", "n4"] {
        nodes.push(rig.node(name).await);
    }
    let (subject, names, _) = rig.next().await;
    assert_eq!((subject.as_str(), names.as_str()), (BACK, "n2, n3, n4"));
}
