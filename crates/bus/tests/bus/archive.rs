//! Reading what a stream keeps.

use bytes::Bytes;
use futures::StreamExt as _;
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
    let refused = "the server's permissions do not let us read the stream LANNER_ALERTS";
    assert_eq!(error.to_string(), refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_begins_at_a_time_and_keeps_to_a_subject_over_many_answers() {
    let bus = SecuredBus::start(&["n1"]).await;
    let forwarder = Identity::Forwarder { node: "n1".to_owned() };
    let publisher = Publisher::new(Connection::connect(&bus.connection(&forwarder)).await.unwrap());
    let publish = async |rule: &str, number: usize| {
        let message = Message {
            subject: format!("lanner.alerts.notice.shell.{rule}.n1"),
            id: format!("{rule}-{number}"),
            headers: Headers::default(),
            payload: Bytes::from(format!("{rule} {number}")),
        };
        publisher.publish(&message).await.unwrap().sequence
    };
    let reader = bus.connection(&Identity::Subscriber);
    let reader = Connection::connect(&reader).await.unwrap();

    publish("old", 0).await;
    let mut archive = reader.archive(layout::ALERTS).await.unwrap();
    let old = archive.next().await.unwrap().unwrap().kept.unwrap();
    // One answer holds a thousand; the other rule's are in between.
    let numbers = futures::stream::iter(0..2100);
    numbers
        .for_each_concurrent(100, |number| async move {
            publish(if number % 2 == 0 { "even" } else { "odd" }, number).await;
        })
        .await;

    let later = old.time.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap();
    let archive = reader.archive(layout::ALERTS).await.unwrap();
    let mut archive = archive.since(later).only("lanner.alerts.*.*.even.*");
    let mut numbers = Vec::new();
    let mut before = old;
    while let Some(seen) = archive.next().await.unwrap() {
        assert_eq!(seen.subject, "lanner.alerts.notice.shell.even.n1");
        let kept = seen.kept.unwrap();
        assert!(kept.sequence > before.sequence && kept.time >= before.time);
        before = kept;
        let text = String::from_utf8(seen.payload).unwrap();
        numbers.push(text.strip_prefix("even ").unwrap().parse::<usize>().unwrap());
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq((0..2100).step_by(2)));

    // It goes on where it was.
    let sequence = publish("even", 5000).await;
    assert_eq!(archive.next().await.unwrap().unwrap().kept.unwrap().sequence, sequence);
    let now = archive.since(jiff::Timestamp::now()).next().await.unwrap();
    assert_eq!(now, None);
}
