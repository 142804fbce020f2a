//! Alerts with restricted tags: who may publish and read them, and how they
//! reach the responders.

use std::collections::BTreeSet;

use bytes::Bytes;
use lanner_alert::Tag;
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers, layout::Layout};
use lanner_testkit::{SecuredBus, small_bounds, small_layout};
use tokio::time::timeout;

use crate::access::{Bare, SOON};

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn layout() -> Layout {
    let mut layout = small_layout();
    layout.restricted_tags.insert(tag("sensitive"), small_bounds());
    layout
}

fn node() -> Identity {
    Identity::Forwarder { node: "n1".to_owned() }
}

async fn publish(bus: &SecuredBus, subjects: &[String]) {
    let publisher = Publisher::new(Connection::connect(&bus.connection(&node())).await.unwrap());
    for subject in subjects {
        let message = Message {
            subject: subject.clone(),
            id: subject.clone(),
            headers: Headers::default(),
            payload: Bytes::new(),
        };
        publisher.publish(&message).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responders_take_turns_between_the_streams() {
    const EACH: usize = 200;
    let bus = SecuredBus::start_with_layout(&["n1"], layout()).await;
    let subjects = |before: &str| -> Vec<String> {
        (0..EACH).map(|number| format!("lanner.{before}.r{number}.n1")).collect()
    };
    publish(&bus, &subjects("alerts.notice.shell")).await;
    publish(&bus, &subjects("restricted.sensitive.alerts.notice")).await;

    let responder = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    // A tag that the bus does not know holds nothing up.
    let mut alerts = responder.alerts_and(&[tag("unknown"), tag("sensitive")]);
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for _ in 0..2 * EACH {
        let delivery = timeout(SOON, alerts.next()).await.unwrap();
        delivery.ack().await.unwrap();
        let restricted = delivery.subject().starts_with("lanner.restricted.");
        assert_eq!(delivery.restricted_tag(), restricted.then(|| tag("sensitive")).as_ref());
        assert!(seen.insert(delivery.subject().to_owned()), "{} twice", delivery.subject());
        order.push(restricted);
    }
    // All alerts of one stream behind all of the other would be one change.
    let changes = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 10, "{changes} changes between the streams");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restricted_is_neither_read_nor_forged() {
    let bus = SecuredBus::start_with_layout(&["n1", "n2"], layout()).await;
    publish(&bus, &["lanner.restricted.sensitive.alerts.notice.r.n1".to_owned()]).await;

    let mut forwarder = Bare::holding(&bus, &node()).await;
    for subject in [
        "lanner.restricted.sensitive.alerts.notice.r.n2",
        "lanner.restricted.sensitive.responses.done.p.n1",
        "lanner.restricted.sensitive.other.n1",
    ] {
        forwarder.publish_is_refused(subject).await;
    }
    let mut subscriber = Bare::holding(&bus, &Identity::Subscriber).await;
    for subject in [
        "$JS.API.DIRECT.GET.LANNER_RESTRICTED_SENSITIVE",
        "$JS.API.DIRECT.GET.LANNER_RESTRICTED_SENSITIVE.lanner.restricted.sensitive.>",
        "$JS.API.STREAM.INFO.LANNER_RESTRICTED_SENSITIVE",
        "$JS.API.CONSUMER.INFO.LANNER_RESTRICTED_SENSITIVE.responder",
        "$JS.API.DIRECT.GET.LANNER_DLQ",
        "$JS.API.INFO",
    ] {
        subscriber.publish_is_refused(subject).await;
    }
    for subject in ["lanner.restricted.sensitive.>", "lanner.*.*.alerts.>", "$JS.EVENT.>"] {
        subscriber.subscription_is_refused(subject).await;
    }
    let mut responder = Bare::holding(&bus, &Identity::Responder).await;
    for subject in [
        "lanner.restricted.sensitive.alerts.notice.r.n1",
        "$JS.API.STREAM.PURGE.LANNER_RESTRICTED_SENSITIVE",
    ] {
        responder.publish_is_refused(subject).await;
    }
}
