//! A hub, and two clusters with equal node, namespace and pod names.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use lanner_bus::{
    Connection, Identity, Message, Outcome, Publisher, headers::Headers, layout::ALERTS,
};
use lanner_testkit::{HubAndEdges, bus_hub::Edge, eventually_async};
use tokio::time::timeout;

use crate::access::Bare;

/// For what is not to come.
const A_MOMENT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);
const SUBJECT: &str = "lanner.alerts.notice.shell.rule.n1";

/// Publishes alerts with these numbers, which are also their ids: the same in each cluster.
async fn publish(edge: &Edge, ids: std::ops::Range<u32>) {
    let forwarder = Identity::Forwarder { node: "n1".to_owned() };
    let connection = Connection::connect(&edge.bus.connection(&forwarder)).await.unwrap();
    let publisher = Publisher::new(connection);
    for id in ids {
        let message = Message {
            subject: SUBJECT.to_owned(),
            id: format!("id-{id}"),
            headers: Headers::default(),
            payload: Bytes::from(format!("{} {id}", edge.name)),
        };
        publisher.publish(&message).await.unwrap();
    }
}

/// What the hub keeps of an edge, each with its subject, once there are this many.
async fn at_hub(world: &HubAndEdges, edge: usize, count: u32) -> Vec<(String, String)> {
    let stream = world.edges[edge].name.stream_at_hub(ALERTS);
    let admin = Bare::holding(&world.hub, &Identity::Admin).await;
    eventually_async("all of it is at the hub", LONG, async || {
        (admin.stored_in(&stream).await >= u64::from(count)).then_some(())
    })
    .await;
    let reader = Connection::connect(&world.hub.connection(&Identity::Subscriber)).await.unwrap();
    let mut archive = reader.archive(&stream).await.unwrap();
    let mut found = Vec::new();
    while let Some(seen) = archive.next().await.unwrap() {
        found.push((seen.subject, String::from_utf8(seen.payload).unwrap()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_keeps_what_its_edges_keep_each_once_and_none_for_another() {
    const COUNT: u32 = 200;
    let mut world = HubAndEdges::start(&["eu-1", "us-1"], &["n1"]).await;
    let [eu, us] = world.edges.as_slice() else { panic!("two edges") };
    publish(eu, 0..COUNT / 4).await;
    publish(us, 0..COUNT).await;
    at_hub(&world, 0, COUNT / 4).await;
    at_hub(&world, 1, COUNT).await;

    // One link is cut while alerts go on; the other edge does not mind.
    eu.link.cut();
    publish(eu, COUNT / 4..COUNT / 2).await;
    publish(us, COUNT..COUNT + 10).await;
    at_hub(&world, 1, COUNT + 10).await;
    assert_eq!(at_hub(&world, 0, 0).await.len(), COUNT as usize / 4, "through a cut link");
    eu.link.mend();
    publish(eu, COUNT / 2..3 * COUNT / 4).await;
    at_hub(&world, 0, 3 * COUNT / 4).await;

    // The hub itself is killed, and comes back.
    world.hub.server.kill();
    publish(&world.edges[0], 3 * COUNT / 4..COUNT).await;
    world.hub.server.restart();

    // Each once, and in the order in which they were stored at the edge.
    for (edge, cluster, count) in [(0, "eu-1", COUNT), (1, "us-1", COUNT + 10)] {
        let expected: Vec<(String, String)> = (0..count)
            .map(|id| (format!("{cluster}.{SUBJECT}"), format!("{cluster} {id}")))
            .collect();
        assert_eq!(at_hub(&world, edge, count).await, expected);
    }

    // Setting up again changes nothing, here and there.
    for bus in [&world.hub, &world.edges[0].bus] {
        let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();
        for standing in admin.set_up(bus.layout()).await.unwrap() {
            assert_eq!(standing.outcome, Outcome::Unchanged, "{standing}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_carries_nothing_but_what_the_hub_takes() {
    let world = HubAndEdges::start(&["eu-1"], &["n1"]).await;
    let edge = &world.edges[0];
    publish(edge, 0..1).await;
    at_hub(&world, 0, 1).await;

    // What the hub's admin, or who took the hub over, sends or asks for stays at the hub.
    let hub = Bare::holding(&world.hub, &Identity::Admin).await;
    for subject in [
        "$JS.eu-1.API.INFO",
        "$JS.eu-1.API.STREAM.INFO.LANNER_ALERTS",
        "$JS.eu-1.API.STREAM.PURGE.LANNER_ALERTS",
        "$JS.eu-1.API.STREAM.DELETE.LANNER_ALERTS",
        "$JS.eu-1.API.CONSUMER.DELETE.LANNER_ALERTS.responder",
        "$JS.eu-1.API.CONSUMER.RESET.LANNER_ALERTS.responder",
        "_LANNER_HUB.eu-1.API.CONSUMER.RESET.LANNER_ALERTS.responder",
        "_LANNER_HUB.eu-1.API.STREAM.PURGE.LANNER_ALERTS",
    ] {
        let answer = timeout(A_MOMENT, hub.client.request(subject, Bytes::new())).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{subject} is answered: {answer:?}");
    }
    // And an edge cannot do at the hub what its link is not for: not as a client,
    let cluster = Identity::Cluster(edge.name.clone());
    let as_client = lanner_bus::Connection::connect(&world.hub.connection(&cluster)).await;
    as_client.expect_err("the link's certificate is for a link");
    // and not from the edge, whose subjects the hub does not see.
    let reader = Bare::holding(&world.hub, &Identity::Subscriber).await;
    let mut live = reader.client.subscribe("lanner.>").await.unwrap();
    reader.client.flush().await.unwrap();
    publish(edge, 1..2).await;
    let found = at_hub(&world, 0, 2).await;
    assert_eq!(found[1], (format!("eu-1.{SUBJECT}"), "eu-1 1".to_owned()));
    let seen = timeout(A_MOMENT, live.next()).await;
    assert!(seen.is_err(), "{seen:?} came by as it was published");
}
