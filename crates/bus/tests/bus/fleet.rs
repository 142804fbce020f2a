//! Heartbeats: written by each node for itself, read by who may, and of use to
//! nobody who wants to hide a node.

use std::time::Duration;

use async_nats::{HeaderMap, Request};
use jiff::{SignedDuration, Timestamp};
use lanner_alert::{Drops, HEARTBEAT_SCHEMA, Heartbeat, SpoolBrief};
use lanner_bus::{Connection, FleetError, Identity};
use lanner_testkit::{SecuredBus, eventually_async};

use crate::access::Bare;

const SOON: Duration = Duration::from_secs(10);

fn beat(node: &str) -> Heartbeat {
    Heartbeat {
        schema: HEARTBEAT_SCHEMA,
        node: node.to_owned(),
        cluster: None,
        time: Timestamp::now(),
        interval_seconds: 1,
        forwarder_version: "0.1.0".to_owned(),
        sensor: None,
        drops: Drops::default(),
        spool: SpoolBrief::default(),
        troubles: Vec::new(),
    }
}

async fn connect(bus: &SecuredBus, identity: &Identity) -> Connection {
    Connection::connect(&bus.connection(identity)).await.unwrap()
}

fn node(name: &str) -> Identity {
    Identity::Forwarder { node: name.to_owned() }
}

#[tokio::test]
async fn each_node_tells_of_itself_and_readers_see_all() {
    let bus = SecuredBus::start(&["a.b", "n2"]).await;
    let (first, second) = (connect(&bus, &node("a.b")).await, connect(&bus, &node("n2")).await);
    let admin = connect(&bus, &Identity::Admin).await;
    assert!(admin.fleet().await.unwrap().nodes.is_empty());

    let ahead = Timestamp::now() + SignedDuration::from_mins(10);
    first.beat(&beat("a.b")).await.unwrap();
    second.beat(&Heartbeat { time: ahead, ..beat("n2") }).await.unwrap();
    first.beat(&beat("a.b")).await.unwrap();
    for reader in [Identity::Admin, Identity::Responder, Identity::Subscriber] {
        let fleet = connect(&bus, &reader).await.fleet().await.unwrap();
        assert_eq!(fleet.nodes.keys().collect::<Vec<_>>(), ["a_b", "n2"], "{reader}");
        let skew = fleet.nodes["n2"].clock_skew();
        assert!((SignedDuration::from_secs(590)..=SignedDuration::from_secs(600)).contains(&skew));
        // The clock of the node, wrong as it is, is not what its age goes by.
        assert!(fleet.nodes["n2"].age(fleet.now) < Duration::from_secs(60));
    }

    eventually_async("the node falls silent", SOON, async || {
        let fleet = admin.fleet().await.unwrap();
        fleet.nodes["n2"].is_silent(fleet.now).then_some(())
    })
    .await;
    second.beat(&beat("n2")).await.unwrap();
    let fleet = admin.fleet().await.unwrap();
    assert!(!fleet.nodes["n2"].is_silent(fleet.now));

    admin.forget_node("n2").await.unwrap();
    assert_eq!(admin.fleet().await.unwrap().nodes.len(), 1);
    second.beat(&beat("n2")).await.unwrap();
    assert_eq!(admin.fleet().await.unwrap().nodes.len(), 2, "it is back");
}

#[tokio::test]
async fn more_nodes_than_a_page_are_all_read() {
    const NODES: usize = 600;
    let bus = SecuredBus::start(&[]).await;
    let admin = Bare::holding(&bus, &Identity::Admin).await;
    for n in 0..NODES {
        let name = format!("n{n}");
        let json = beat(&name).to_json().unwrap();
        admin.client.publish(format!("$KV.LANNER_FLEET.{name}"), json.into()).await.unwrap();
    }
    admin.client.flush().await.unwrap();
    let reader = connect(&bus, &Identity::Subscriber).await;
    eventually_async("all are stored", SOON, async || {
        (reader.fleet().await.unwrap().nodes.len() == NODES).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_hides_no_other_and_not_itself() {
    let bus = SecuredBus::start(&["n1", "n2"]).await;
    let reader = connect(&bus, &Identity::Subscriber).await;
    connect(&bus, &node("n2")).await.beat(&beat("n2")).await.unwrap();

    let mut thief = Bare::holding(&bus, &node("n1")).await;
    let key = "$KV.LANNER_FLEET.n1".to_owned();
    let answer = |headers: HeaderMap, json: Vec<u8>| {
        let request = Request::new().headers(headers).payload(json.into());
        let sent = thief.client.send_request(key.clone(), request);
        async { String::from_utf8(sent.await.unwrap().payload.to_vec()).unwrap() }
    };
    let with = |name: &str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        headers
    };
    let own = || beat("n1").to_json().unwrap();
    // Would remove the heartbeats of all nodes, or its own after a second.
    for headers in [with("Nats-Rollup", "all"), with("Nats-TTL", "1s")] {
        let told = answer(headers.clone(), own()).await;
        assert!(told.contains("error"), "{headers:?}: {told}");
    }
    // Under its own key a heartbeat of another, none at all, or as if it were deleted.
    for (headers, json) in [
        (HeaderMap::new(), beat("n2").to_json().unwrap()),
        (HeaderMap::new(), b"\x00 no heartbeat".to_vec()),
        (with("KV-Operation", "DEL"), own()),
        (with("KV-Operation", "PURGE"), Vec::new()),
    ] {
        answer(headers, json).await;
        let fleet = reader.fleet().await.unwrap();
        assert_eq!(fleet.nodes.keys().collect::<Vec<_>>(), ["n1", "n2"]);
        assert_eq!(fleet.nodes["n1"].beat.troubles, ["bad-heartbeat"]);
        assert_eq!((fleet.nodes["n1"].beat.node.as_str(), fleet.unreadable), ("n1", 0));
    }

    for subject in [
        "$KV.LANNER_FLEET.n2",
        "$KV.LANNER_FLEET.n1.more",
        "$JS.API.DIRECT.GET.KV_LANNER_FLEET",
        "$JS.API.STREAM.INFO.KV_LANNER_FLEET",
        // In the name of the fleet, which speaks of nodes that fell silent.
        "lanner.alerts.critical.fleet.lanner_node_silent._fleet",
        "lanner.tags.fleet.critical.lanner_node_silent._fleet",
    ] {
        thief.publish_is_refused(subject).await;
    }
    let mut subscriber = Bare::holding(&bus, &Identity::Subscriber).await;
    subscriber.publish_is_refused("$KV.LANNER_FLEET.n2").await;
    assert_eq!(reader.fleet().await.unwrap().nodes.len(), 2);
}

#[tokio::test]
async fn who_may_not_is_told_and_so_is_who_finds_no_bucket() {
    let bus = SecuredBus::start_empty(&["n1"]);
    let forwarder = connect(&bus, &node("n1")).await;
    let missing = forwarder.beat(&beat("n1")).await;
    assert!(matches!(missing, Err(FleetError::Missing)), "{missing:?}");
    let missing = connect(&bus, &Identity::Admin).await.fleet().await;
    assert!(matches!(missing, Err(FleetError::Missing)), "{missing:?}");

    let denied = forwarder.fleet().await;
    assert!(matches!(denied, Err(FleetError::Denied { .. })), "{denied:?}");
    let denied = forwarder.beat(&beat("n2")).await;
    assert!(matches!(denied, Err(FleetError::Denied { .. })), "{denied:?}");
    let denied = connect(&bus, &Identity::Subscriber).await.forget_node("n1").await;
    assert!(matches!(denied, Err(FleetError::Denied { .. })), "{denied:?}");
}
