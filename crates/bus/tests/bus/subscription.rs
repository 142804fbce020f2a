//! Looking on as alerts go by.

use std::time::Duration;

use lanner_bus::{Connection, Identity, SubscribeError, headers::Headers};
use lanner_testkit::SecuredBus;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_after_the_subscription_is_seen() {
    let bus = SecuredBus::start(&["node-1"]).await;
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
    let mut alerts = reader.subscribe("lanner.tags.shell.>").await.unwrap();

    let node = Identity::Forwarder { node: "node-1".to_owned() };
    let forwarder = Connection::connect(&bus.connection(&node)).await.unwrap();
    for subject in ["lanner.tags.network.notice.r.node-1", "lanner.tags.shell.notice.r.node-1"] {
        forwarder.publish_live(subject, Headers::default(), "{}".into()).await.unwrap();
    }

    let seen = timeout(SOON, alerts.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen.subject, "lanner.tags.shell.notice.r.node-1");
    assert_eq!(seen.payload, b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_told_that_it_may_not_look_on() {
    let bus = SecuredBus::start(&["node-1"]).await;
    let node = Identity::Forwarder { node: "node-1".to_owned() };
    let forwarder = Connection::connect(&bus.connection(&node)).await.unwrap();
    let mut alerts = forwarder.subscribe("lanner.alerts.>").await.unwrap();
    let error = timeout(SOON, alerts.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, SubscribeError::Refused { .. }), "{error}");
}
