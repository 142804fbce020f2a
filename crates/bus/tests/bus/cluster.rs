//! Three servers that keep the same streams.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers, layout::ALERTS};
use lanner_testkit::{ClusteredBus, NatsServer, eventually_async};
use tokio::time::timeout;

use crate::access::{Bare, SOON};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_leader_is_killed() {
    const COUNT: u32 = 4000;
    let began = Instant::now();
    let mut bus = ClusteredBus::start(&["n1"]).await;
    println!("three servers stand after {:?}", began.elapsed());
    let forwarder = Identity::Forwarder { node: "n1".to_owned() };
    let connection = Connection::connect(&bus.connection(&forwarder)).await.unwrap();
    let publisher = Arc::new(Publisher::new(connection));
    let admin = Bare::connected(bus.connection(&Identity::Admin), &Identity::Admin).await;
    let leader = leader_of(&admin, ALERTS).await;

    let mut under_way: FuturesUnordered<_> = (0..COUNT)
        .map(|id| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(&message(id)).await.unwrap() })
        })
        .collect();
    let (mut acknowledged, mut resent) = (0, 0);
    while let Some(stored) = timeout(LONG, under_way.next()).await.expect("no acknowledgement") {
        acknowledged += 1;
        resent += u32::from(stored.unwrap().attempts > 1);
        if acknowledged == COUNT / 4 {
            bus.servers[leader].kill();
        }
    }
    let next = eventually_async("another server leads", LONG, async || {
        let next = leader_of(&admin, ALERTS).await;
        (next != leader).then_some(next)
    })
    .await;

    println!("all is acknowledged, and another one leads, after {:?}", began.elapsed());

    // What a subscriber finds, read from the two that are left.
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
    let mut archive = reader.archive(ALERTS).await.unwrap();
    let mut found: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    while let Some(seen) = archive.next().await.unwrap() {
        *found.entry(seen.payload).or_default() += 1;
    }
    println!(
        "{acknowledged} acknowledged, {resent} sent again; nats-{leader} led, then nats-{next}"
    );
    assert_eq!(acknowledged, COUNT);
    assert_eq!(found.len(), COUNT as usize, "some are lost");
    assert!(found.values().all(|copies| *copies == 1), "some are there twice");

    // It comes back as one of three.
    bus.servers[leader].restart();
    eventually_async("all three are current", LONG, async || {
        let info = admin.info_of(ALERTS).await;
        let replicas = info["cluster"]["replicas"].as_array().unwrap();
        let current = replicas.iter().filter(|it| it["current"] == true).count();
        (current == 2).then_some(())
    })
    .await;
    println!("all three are current after {:?}", began.elapsed());
}

/// A route carries everything, unasked: a node's certificate must not open one.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_client_makes_no_server() {
    let bus = ClusteredBus::start(&["n1"]).await;
    let theirs = bus.config_of(0);
    let pki = bus.pki().display().to_string();
    let ours = theirs
        .replace("nats-0", "nats-3")
        .replace(&format!("{pki}/server."), &format!("{pki}/forwarder.n1."));
    // Not the port of the one that it poses as a neighbour of.
    let (before, after) = ours.split_once("cluster {").unwrap();
    let after: Vec<&str> =
        after.lines().filter(|line| !line.trim_start().starts_with("listen:")).collect();
    let ours = format!("{before}cluster {{\n  listen: \"127.0.0.1:-1\"\n{}", after.join("\n"));
    let intruder = NatsServer::start_with_config(&ours);
    eventually_async("it is turned away", SOON, async || {
        intruder.log_tail().contains("TLS").then_some(())
    })
    .await;
    let admin = Bare::connected(bus.connection(&Identity::Admin), &Identity::Admin).await;
    let info = admin.info_of(ALERTS).await;
    assert_eq!(info["cluster"]["replicas"].as_array().unwrap().len(), 2);
    for server in &bus.servers {
        assert!(!server.log_tail().contains("nats-3"), "{}", server.log_tail());
    }
}

async fn leader_of(admin: &Bare, stream: &str) -> usize {
    eventually_async("the stream has a leader", LONG, async || {
        let info = admin.try_info_of(stream).await?;
        info["cluster"]["leader"].as_str()?.strip_prefix("nats-")?.parse().ok()
    })
    .await
}

fn message(id: u32) -> Message {
    Message {
        subject: "lanner.alerts.notice.shell.rule.n1".to_owned(),
        id: format!("id-{id}"),
        headers: Headers::default(),
        payload: Bytes::from(id.to_string()),
    }
}
