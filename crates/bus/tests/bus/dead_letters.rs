use bytes::Bytes;
use lanner_bus::{
    Connection, DeadLetter, Identity, Message, Publisher,
    headers::{Headers, RULE},
};
use lanner_testkit::{SecuredBus, eventually_async};
use tokio::time::timeout;

use crate::access::{Bare, SOON};

const SUBJECT: &str = "lanner.alerts.notice.shell.rule.n1";

async fn letters(admin: &Connection, count: usize) -> Vec<DeadLetter> {
    eventually_async("the dead letter is kept", SOON, async || {
        Some(admin.dead_letters().await.unwrap()).filter(|letters| letters.len() == count)
    })
    .await
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_alert_and_sent_again() {
    let bus = SecuredBus::start(&["n1"]).await;
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();
    assert_eq!(letters(&admin, 0).await, []);

    let node = Identity::Forwarder { node: "n1".to_owned() };
    let publisher = Publisher::new(Connection::connect(&bus.connection(&node)).await.unwrap());
    let mut headers = Headers::default();
    headers.set(RULE, "rule");
    let payload = Bytes::from_static(b"alert");
    let alert = Message { subject: SUBJECT.to_owned(), id: "id-1".to_owned(), headers, payload };
    publisher.publish(&alert).await.unwrap();
    let responder = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    let mut alerts = responder.alerts();
    timeout(SOON, alerts.next()).await.unwrap().term().await.unwrap();

    let [letter] = letters(&admin, 1).await.try_into().unwrap();
    assert_eq!((letter.stream.as_str(), letter.sequence), ("LANNER_ALERTS", 1));
    assert_eq!((letter.consumer.as_str(), letter.deliveries), ("responder", 1));
    assert_eq!(letter.reason, "given up");
    let kept = admin.message_of(&letter).await.unwrap().unwrap();
    assert_eq!((kept.subject.as_str(), kept.payload.as_ref()), (SUBJECT, b"alert".as_slice()));

    // A second time, as when we are killed before the letter is removed: stored once.
    admin.replay(&letter, kept.clone()).await.unwrap();
    admin.replay(&letter, kept).await.unwrap_err();
    let again = timeout(SOON, alerts.next()).await.unwrap();
    assert_eq!((again.subject(), again.payload(), again.sequence()), (SUBJECT, &b"alert"[..], 2));
    assert_eq!(again.header(RULE), Some("rule"));
    again.ack().await.unwrap();
    let bare = Bare::holding(&bus, &Identity::Admin).await;
    assert_eq!(bare.stored_in("LANNER_ALERTS").await, 2);
    assert_eq!(letters(&admin, 0).await, []);
}

#[tokio::test]
async fn a_letter_outlives_its_alert_and_others_may_not_send_it_again() {
    let bus = SecuredBus::start(&[]).await;
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();
    let publisher = Publisher::new(admin.clone());
    let alert = Message {
        subject: SUBJECT.to_owned(),
        id: "id-1".to_owned(),
        headers: Headers::default(),
        payload: Bytes::from_static(b"alert"),
    };
    publisher.publish(&alert).await.unwrap();
    let responder = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
    timeout(SOON, responder.alerts().next()).await.unwrap().term().await.unwrap();
    let [letter] = letters(&admin, 1).await.try_into().unwrap();
    let kept = admin.message_of(&letter).await.unwrap().unwrap();
    responder.replay(&letter, kept).await.unwrap_err();

    let bare = Bare::holding(&bus, &Identity::Admin).await;
    bare.client.request("$JS.API.STREAM.PURGE.LANNER_ALERTS", Bytes::new()).await.unwrap();
    assert_eq!(admin.message_of(&letter).await.unwrap(), None);
    assert_eq!(letters(&admin, 1).await, [letter]);
}
