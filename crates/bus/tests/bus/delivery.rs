use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use lanner_bus::{Connection, Identity, Message, PublishError, Publisher, headers::Headers};
use lanner_testkit::{SecuredBus, eventually_async};
use tokio::time::timeout;

use crate::access::Bare;

const SOON: Duration = Duration::from_secs(20);

fn forwarder(node: &str) -> Identity {
    Identity::Forwarder { node: node.to_owned() }
}

fn message(node: &str, id: u32) -> Message {
    let mut headers = Headers::default();
    headers.set("Lanner-Rule", "a\r\nrule");
    Message {
        subject: format!("lanner.alerts.notice.shell.rule.{node}"),
        id: format!("id-{id}"),
        headers,
        payload: Bytes::from(id.to_string()),
    }
}

#[tokio::test]
async fn what_is_published_is_consumed_with_its_headers_and_not_again_once_acknowledged() {
    let bus = SecuredBus::start(&["n1"]).await;
    let publisher =
        Publisher::new(Connection::connect(&bus.connection(&forwarder("n1"))).await.unwrap());
    let stored = publisher.publish(&message("n1", 1)).await.unwrap();
    assert_eq!((stored.sequence, stored.duplicate, stored.attempts), (1, false, 1));
    let again = publisher.publish(&message("n1", 1)).await.unwrap();
    assert_eq!((again.sequence, again.duplicate), (1, true));

    let responder = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    let mut alerts = responder.alerts();
    let first = timeout(SOON, alerts.next()).await.unwrap();
    assert_eq!(first.subject(), "lanner.alerts.notice.shell.rule.n1");
    assert_eq!(first.header("Lanner-Rule"), Some("a__rule"));
    assert_eq!(first.header("Nats-Msg-Id"), Some("id-1"));
    assert_eq!((first.payload(), first.sequence(), first.delivered()), (&b"1"[..], 1, 1));

    first.nak(None).await.unwrap();
    let second = timeout(SOON, alerts.next()).await.unwrap();
    assert_eq!((second.sequence(), second.delivered()), (1, 2));
    second.ack().await.unwrap();

    publisher.publish(&message("n1", 2)).await.unwrap();
    let next = timeout(SOON, alerts.next()).await.unwrap();
    assert_eq!((next.sequence(), next.delivered()), (2, 1));
    next.term().await.unwrap();

    // What was terminated is a dead letter: a pointer to the message.
    let admin = Bare::holding(&bus, &Identity::Admin).await;
    eventually_async("the dead letter is kept", SOON, async || {
        (admin.stored_in("LANNER_DLQ").await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    const COUNT: u32 = 6000;
    const KILL_AT: [u32; 3] = [COUNT / 6, COUNT / 3, COUNT / 2];
    let mut bus = SecuredBus::start(&["n1"]).await;
    let publisher = Arc::new(Publisher::new(
        Connection::connect(&bus.connection(&forwarder("n1"))).await.unwrap(),
    ));
    let mut under_way: FuturesUnordered<_> = (0..COUNT)
        .map(|id| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(&message("n1", id)).await.unwrap() })
        })
        .collect();

    let (mut acknowledged, mut resent, mut duplicates) = (0, 0, 0);
    while let Some(stored) = timeout(SOON, under_way.next()).await.unwrap() {
        let stored = stored.unwrap();
        acknowledged += 1;
        resent += stored.attempts - 1;
        duplicates += u32::from(stored.duplicate);
        if KILL_AT.contains(&acknowledged) {
            bus.server.kill();
            bus.server.restart();
        }
    }
    println!("{acknowledged} acknowledged, {resent} resent, {duplicates} of them duplicates");
    assert_eq!(acknowledged, COUNT);
    assert!(resent > 0, "each kill came when nothing was under way");
    assert!(duplicates > 0, "no kill came between storing and acknowledging");

    let responder = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    let mut alerts = responder.alerts();
    let mut seen = BTreeSet::new();
    while seen.len() < COUNT as usize {
        let delivery = timeout(SOON, alerts.next()).await.expect("an alert is lost");
        delivery.ack().await.unwrap();
        assert!(seen.insert(delivery.payload().to_vec()), "doubled: {:?}", delivery.payload());
    }
    assert_eq!(
        timeout(Duration::from_millis(300), alerts.next()).await.ok().map(|d| d.sequence()),
        None
    );
}

#[tokio::test]
async fn a_consumer_outlives_the_server_and_waits_for_its_setup() {
    let mut bus = SecuredBus::start_empty(&["n1"]);
    let responder = Connection::open(&bus.connection(&Identity::Responder)).await.unwrap();
    let mut alerts = responder.alerts();
    let publisher =
        Publisher::new(Connection::connect(&bus.connection(&forwarder("n1"))).await.unwrap());
    let first = message("n1", 1);
    let both = async {
        let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();
        tokio::join!(alerts.next(), publisher.publish(&first), admin.set_up(bus.layout()))
    };
    let (delivery, stored, setup) = timeout(SOON, both).await.unwrap();
    stored.unwrap();
    setup.unwrap();
    delivery.ack().await.unwrap();

    bus.server.restart();
    publisher.publish(&message("n1", 2)).await.unwrap();
    let delivery = timeout(SOON, alerts.next()).await.unwrap();
    assert_eq!(delivery.payload(), b"2");
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_daemon_may_start_before_its_server() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    bus.server.kill();
    let config = bus.connection(&forwarder("n1"));
    Connection::connect(&config).await.unwrap_err();
    let connection = Connection::open(&config).await.unwrap();
    assert!(!connection.is_connected());
    let publisher = Publisher::new(connection);
    let sent = message("n1", 1);
    let (stored, ()) =
        tokio::join!(timeout(SOON, publisher.publish(&sent)), async { bus.server.restart() });
    assert_eq!(stored.unwrap().unwrap().sequence, 1);
}

#[tokio::test]
async fn a_message_that_can_never_be_stored_is_given_back() {
    let bus = SecuredBus::start(&["n1", "n2"]).await;
    let publisher =
        Publisher::new(Connection::connect(&bus.connection(&forwarder("n1"))).await.unwrap());
    let elsewhere = timeout(SOON, publisher.publish(&message("n2", 1))).await.unwrap();
    assert!(matches!(elsewhere, Err(PublishError::Denied { .. })), "{elsewhere:?}");

    let huge = Message { payload: Bytes::from(vec![0; 2 << 20]), ..message("n1", 2) };
    let refused = timeout(SOON, publisher.publish(&huge)).await.unwrap();
    assert!(matches!(refused, Err(PublishError::Refused { .. })), "{refused:?}");
    publisher.publish(&message("n1", 3)).await.unwrap();
}
