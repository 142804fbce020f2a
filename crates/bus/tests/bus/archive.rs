//! Reading what a stream keeps.

use bytes::Bytes;
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers, layout};
use lanner_testkit::{SecuredBus, eventually_async};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_reads_each_stored_message_once_and_on_after_an_outage() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    let forwarder = Identity::Forwarder { node: "n1".to_owned() };
    let publisher = Publisher::new(Connection::connect(&bus.connection(&forwarder)).await.unwrap());
    let message = |number: u8| Message {
        subject: format!("lanner.alerts.notice.shell.rule_{number}.n1"),
        id: number.to_string(),
        headers: Headers::default(),
        payload: Bytes::from(vec![number]),
    };
    publisher.publish(&message(1)).await.unwrap();
    publisher.publish(&message(2)).await.unwrap();

    let reader = bus.connection(&Identity::Subscriber);
    let reader = Connection::connect(&reader).await.unwrap();
    let mut archive = reader.archive(layout::ALERTS).await.unwrap();
    for number in [1, 2] {
        let seen = archive.next().await.unwrap().unwrap();
        assert_eq!(seen.subject, message(number).subject);
        assert_eq!(seen.payload, [number]);
    }
    assert_eq!(archive.next().await.unwrap(), None);

    bus.server.kill();
    archive.next().await.expect_err("nobody answers");
    bus.server.restart();
    publisher.publish(&message(3)).await.unwrap();
    let seen = eventually_async("it reads on", SOON, async || archive.next().await.ok().flatten());
    assert_eq!(seen.await.payload, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_the_stream_is_told() {
    let bus = SecuredBus::start(&["n1"]).await;
    let forwarder = bus.connection(&Identity::Forwarder { node: "n1".to_owned() });
    let forwarder = Connection::connect(&forwarder).await.unwrap();
    let mut archive = forwarder.archive(layout::ALERTS).await.unwrap();
    let error = archive.next().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the stream LANNER_ALERTS");
}
