//! What a reader with a grant gets, from streams of another account.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::{self, consumer::PullConsumer};
use bytes::Bytes;
use futures::StreamExt as _;
use lanner_alert::{Priority, Tag};
use lanner_bus::{
    Connection, Identity, Message, Publisher,
    grant::{Grant, Reader},
    headers::Headers,
    layout::Layout,
};
use lanner_testkit::{SecuredBus, small_bounds, small_layout};
use tokio::time::timeout;

use crate::access::{Bare, SOON};

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

/// `shell` has a stream of copies, `sensitive` and `legal` are restricted.
fn layout() -> Layout {
    let mut layout = small_layout();
    layout.tag_streams.insert(tag("shell"), small_bounds());
    layout.restricted_tags.insert(tag("sensitive"), small_bounds());
    layout.restricted_tags.insert(tag("legal"), small_bounds());
    let mut grant = |name: &str, tags: &[&str], priority| {
        let tags = tags.iter().map(|name| tag(name)).collect();
        layout.grants.insert(name.parse().unwrap(), Grant { tags, priority });
    };
    grant("everything", &[], None);
    grant("urgent", &[], Some(Priority::Error));
    grant("shells", &["shell"], Some(Priority::Warning));
    grant("privacy", &["sensitive"], None);
    layout
}

fn reader(layout: &Layout, name: &str) -> Identity {
    let reader: Reader = layout.readers().find(|reader| reader.name.as_str() == name).unwrap();
    Identity::Reader(reader)
}

async fn publish(bus: &SecuredBus, subjects: &[&str]) {
    let node = Identity::Forwarder { node: "n1".to_owned() };
    let publisher = Publisher::new(Connection::connect(&bus.connection(&node)).await.unwrap());
    for (number, subject) in subjects.iter().enumerate() {
        let message = Message {
            subject: (*subject).to_owned(),
            id: format!("{subject} {number}"),
            headers: Headers::default(),
            payload: Bytes::from((*subject).to_owned()),
        };
        publisher.publish(&message).await.unwrap();
    }
}

const PUBLISHED: [&str; 7] = [
    "lanner.alerts.critical.shell.r.n1",
    "lanner.alerts.notice.shell.r.n1",
    "lanner.alerts.error.network.r.n1",
    "lanner.tags.shell.critical.r.n1",
    "lanner.tags.shell.notice.r.n1",
    "lanner.restricted.sensitive.alerts.critical.secret.n1",
    "lanner.restricted.legal.alerts.critical.secret.n1",
];

/// What a durable consumer of another account delivers within a moment.
async fn drain(consumer: &PullConsumer) -> Vec<String> {
    let mut messages = consumer
        .fetch()
        .max_messages(100)
        .expires(Duration::from_secs(1))
        .messages()
        .await
        .unwrap();
    let mut subjects = Vec::new();
    while let Some(message) = messages.next().await {
        let message = message.unwrap();
        assert_eq!(message.subject.as_bytes(), &*message.payload, "the subject is the alert's own");
        // With an answer of the server, which must find its way back as well.
        message.double_ack().await.unwrap();
        subjects.push(message.subject.to_string());
    }
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_what_its_grant_covers_once_and_nothing_else() {
    let layout = layout();
    let bus = SecuredBus::start_with_layout(&["n1"], layout.clone()).await;
    publish(&bus, &PUBLISHED).await;
    for (name, stream, expected) in [
        ("everything", "LANNER_ALERTS", &PUBLISHED[..3]),
        ("urgent", "LANNER_ALERTS", &[PUBLISHED[0], PUBLISHED[2]]),
        ("shells", "LANNER_TAG_SHELL", &PUBLISHED[3..4]),
        ("privacy", "LANNER_RESTRICTED_SENSITIVE", &PUBLISHED[5..6]),
    ] {
        let bare = Bare::holding(&bus, &reader(&layout, name)).await;
        let jetstream = jetstream::new(bare.client.clone());
        let durable = format!("reader_{name}");
        let consumer: PullConsumer =
            jetstream.get_consumer_from_stream(&durable, stream).await.unwrap();
        assert_eq!(drain(&consumer).await, expected, "{name}");
        assert_eq!(drain(&consumer).await, Vec::<String>::new(), "{name}: acknowledged");
    }
}

/// Heartbeats and the ends of pulls come from the server as messages, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_stays_connected_to_its_consumer() {
    let layout = layout();
    let bus = SecuredBus::start_with_layout(&["n1"], layout.clone()).await;
    let bare = Bare::holding(&bus, &reader(&layout, "shells")).await;
    let jetstream = jetstream::new(bare.client.clone());
    let consumer: PullConsumer =
        jetstream.get_consumer_from_stream("reader_shells", "LANNER_TAG_SHELL").await.unwrap();
    let mut messages = consumer
        .stream()
        .expires(Duration::from_secs(1))
        .heartbeat(Duration::from_millis(300))
        .messages()
        .await
        .unwrap();
    // Two pulls end, and six heartbeats come, before there is a message. A
    // missed one would be an error here.
    let nothing = timeout(Duration::from_millis(2200), messages.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    publish(&bus, &PUBLISHED).await;
    let message = timeout(SOON, messages.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(message.subject.as_str(), PUBLISHED[3]);
    message.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_live_what_its_grant_covers() {
    let layout = layout();
    let bus = SecuredBus::start_with_layout(&["n1"], layout.clone()).await;
    for (name, subject, expected) in [
        ("everything", "lanner.alerts.>", &PUBLISHED[..3]),
        ("urgent", "lanner.alerts.error.>", &PUBLISHED[2..3]),
        ("shells", "lanner.tags.shell.critical.>", &PUBLISHED[3..4]),
        ("privacy", "lanner.restricted.sensitive.alerts.>", &PUBLISHED[5..6]),
    ] {
        let bare = Bare::holding(&bus, &reader(&layout, name)).await;
        let mut live = bare.client.subscribe(subject).await.unwrap();
        bare.client.flush().await.unwrap();
        publish(&bus, &PUBLISHED).await;
        for expected in expected {
            let message = timeout(SOON, live.next()).await.unwrap().unwrap();
            assert_eq!(message.subject.as_str(), *expected, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reaches_nothing_beyond_its_grant() {
    let layout = layout();
    let bus = SecuredBus::start_with_layout(&["n1"], layout.clone()).await;
    publish(&bus, &PUBLISHED).await;
    for name in ["everything", "shells"] {
        let mut bare = Bare::holding(&bus, &reader(&layout, name)).await;
        for subject in [
            "$JS.API.CONSUMER.MSG.NEXT.LANNER_RESTRICTED_SENSITIVE.reader_privacy",
            "$JS.API.CONSUMER.MSG.NEXT.LANNER_ALERTS.responder",
            "$JS.API.CONSUMER.MSG.NEXT.LANNER_ALERTS.reader_urgent",
            "$JS.API.CONSUMER.CREATE.LANNER_ALERTS",
            "$JS.API.CONSUMER.CREATE.LANNER_RESTRICTED_SENSITIVE.mine",
            "$JS.API.CONSUMER.DURABLE.CREATE.LANNER_TAG_SHELL.reader_shells",
            "$JS.API.DIRECT.GET.LANNER_RESTRICTED_SENSITIVE",
            "$JS.API.DIRECT.GET.LANNER_ALERTS",
            "$JS.API.STREAM.MSG.GET.LANNER_TAG_SHELL",
            "$JS.API.STREAM.INFO.LANNER_RESTRICTED_SENSITIVE",
            "$JS.API.STREAM.NAMES",
            "$JS.ACK.LANNER_ALERTS.responder.1.1.1.1.0",
            "lanner.alerts.critical.shell.rule.n1",
            "lanner.restricted.sensitive.alerts.critical.rule.n1",
        ] {
            bare.publish_is_refused(subject).await;
        }
        for subject in [">", "lanner.>", "lanner.restricted.>", "lanner.responses.>", "_INBOX_>"] {
            bare.subscription_is_refused(subject).await;
        }
    }
}

#[test]
fn a_grant_of_a_tag_without_a_stream_is_refused_with_the_cure() {
    let mut layout = layout();
    let grant = Grant { tags: BTreeSet::from([tag("network")]), priority: None };
    layout.grants.insert("net".parse().unwrap(), grant);
    let error = layout.check().unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "grants: net");
    assert!(reason.starts_with("tag network has no stream of its own; add it to tag_streams"));
}
