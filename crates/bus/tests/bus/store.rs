use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use lanner_bus::{Change, Connection, Identity, Store, StoreError, layout};
use lanner_testkit::{SecuredBus, eventually_async};

const SOON: Duration = Duration::from_secs(10);

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn responder(bus: &SecuredBus) -> Connection {
    Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap()
}

async fn held(store: &Store, key: &str) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

#[tokio::test]
async fn of_two_writers_one_wins() {
    let bus = SecuredBus::start(&[]).await;
    let one = responder(&bus).await.store(layout::PLANS).await.unwrap();
    let other = responder(&bus).await.store(layout::PLANS).await.unwrap();

    let revision = one.create("plan.1", value("stored")).await.unwrap();
    let error = other.create("plan.1", value("mine")).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");

    let seen = other.get("plan.1").await.unwrap().unwrap();
    assert_eq!((seen.value, seen.revision), (value("stored"), revision));

    one.update("plan.1", value("running"), revision).await.unwrap();
    let error = other.update("plan.1", value("also running"), revision).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    let error = other.delete("plan.1", revision).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(held(&other, "plan.1").await, Some(value("running")));
}

#[tokio::test]
async fn keys_are_listed_watched_and_deleted() {
    let bus = SecuredBus::start(&[]).await;
    let store = responder(&bus).await.store(layout::PLANS).await.unwrap();
    assert_eq!(store.keys().await.unwrap(), Vec::<String>::new());

    let revision = store.create("a", value("1")).await.unwrap();
    store.create("b.c", value("2")).await.unwrap();
    let mut keys = store.keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["a", "b.c"]);

    let mut changes = std::pin::pin!(store.watch().await.unwrap());
    let mut next = async || {
        let change = tokio::time::timeout(SOON, changes.next()).await.unwrap();
        match change.unwrap().unwrap() {
            Change::Put(entry) => {
                format!("{} = {}", entry.key, String::from_utf8_lossy(&entry.value))
            }
            Change::Gone { key } => format!("{key} gone"),
        }
    };
    assert_eq!((next().await, next().await), ("a = 1".to_owned(), "b.c = 2".to_owned()));
    store.delete("a", revision).await.unwrap();
    assert_eq!(next().await, "a gone");
    assert_eq!(held(&store, "a").await, None);
    store.create("a", value("again")).await.unwrap();
    assert_eq!(next().await, "a = again");
}

#[tokio::test]
async fn a_lock_expires_also_when_it_was_released_before() {
    let bus = SecuredBus::start(&[]).await;
    let locks = responder(&bus).await.store(layout::LOCKS).await.unwrap();
    let second = Duration::from_secs(1);

    let revision = locks.create_with_ttl("pod", value("a"), second).await.unwrap();
    locks.delete("pod", revision).await.unwrap();
    locks.create_with_ttl("pod", value("b"), second).await.unwrap();
    let error = locks.create_with_ttl("pod", value("c"), second).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");

    eventually_async("the lock expires", SOON, async || {
        locks.get("pod").await.unwrap().is_none().then_some(())
    })
    .await;
    let revision = locks.create_with_ttl("pod", value("d"), second).await.unwrap();
    locks.renew("pod", value("d"), revision, second).await.unwrap();
    eventually_async("the renewed lock expires", SOON, async || {
        locks.get("pod").await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_no_key_and_no_bucket_is_said_so() {
    let bus = SecuredBus::start_empty(&[]);
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();
    let error = admin.store(layout::PLANS).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");

    admin.set_up(bus.layout()).await.unwrap();
    let store = responder(&bus).await.store(layout::PLANS).await.unwrap();
    for key in ["", ".a", "a.", "a..b", "a b", "a*", ">", "ä", "a\r\nPUB x"] {
        for result in
            [store.create(key, value("x")).await.map(drop), store.get(key).await.map(drop)]
        {
            assert!(matches!(result, Err(StoreError::Key { .. })), "{key:?}: {result:?}");
        }
    }
}
