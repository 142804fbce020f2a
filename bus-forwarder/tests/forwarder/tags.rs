//! Tags with streams of their own, also where the bus has none for them.

use std::{collections::BTreeMap, time::Duration};

use lanner_alert::{Alert, Priority};
use lanner_bus::{Connection, Identity, layout::Layout};
use lanner_testkit::{eventually_async, small_bounds, small_layout};

use crate::rig::{Rig, SOON, alert};

/// A stream that was missing is tried again every five seconds.
const UNTIL_TRIED_AGAIN: Duration = Duration::from_secs(30);
const TAGS: &str = "tag_streams: [Shell]\nrestricted_tags: [sensitive]\n";

fn layout() -> Layout {
    let mut layout = small_layout();
    layout.tag_streams.insert("shell".parse().unwrap(), small_bounds());
    layout.restricted_tags.insert("sensitive".parse().unwrap(), small_bounds());
    layout
}

fn restricted(rule: &str) -> Vec<u8> {
    let mut alert = Alert::from_json(&alert(rule, Priority::Notice)).unwrap();
    alert.tags.insert("Sensitive!".to_owned());
    alert.to_json().unwrap()
}

async fn admin(rig: &Rig) -> Connection {
    Connection::connect(&rig.bus.connection(&Identity::Admin)).await.unwrap()
}

/// Rules of the alerts in a stream, and how often each is there.
async fn rules_in(connection: &Connection, stream: &str) -> BTreeMap<String, usize> {
    let mut archive = connection.archive(stream).await.unwrap();
    let mut rules = BTreeMap::new();
    while let Ok(Some(seen)) = archive.next().await {
        *rules.entry(Alert::from_json(&seen.payload).unwrap().rule).or_default() += 1;
    }
    rules
}

fn once_each(name: &str, count: usize) -> BTreeMap<String, usize> {
    (0..count).map(|number| (format!("{name} {number}"), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_copies_are_acknowledged_and_restricted_alerts_are_in_their_stream_alone() {
    let rig = Rig::on_empty_bus(layout());
    let admin = admin(&rig).await;
    admin.set_up(&layout()).await.unwrap();
    let forwarder = rig.start(TAGS);
    let mut sensor = rig.sensor().await;
    for number in 0..50 {
        sensor.send(alert(&format!("open {number}"), Priority::Notice)).await;
        sensor.send(restricted(&format!("secret {number}"))).await;
    }
    forwarder.until("all are acknowledged", |summary| summary.acknowledged == 100).await;
    for (stream, expected) in [
        ("LANNER_ALERTS", once_each("open", 50)),
        ("LANNER_TAG_SHELL", once_each("open", 50)),
        ("LANNER_RESTRICTED_SENSITIVE", once_each("secret", 50)),
    ] {
        assert_eq!(rules_in(&admin, stream).await, expected, "{stream}");
    }
    assert_eq!(forwarder.counters.summary().copies_unstored, 0);
    assert_eq!(forwarder.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_the_bus_does_not_know_holds_up_no_other_alert() {
    const EACH: usize = 600;
    let rig = Rig::on_empty_bus(layout());
    let admin = admin(&rig).await;
    admin.set_up(&small_layout()).await.unwrap();
    let forwarder = rig.start(TAGS);
    let mut sensor = rig.sensor().await;
    for number in 0..EACH {
        sensor.send(restricted(&format!("secret {number}"))).await;
    }
    for number in 0..EACH {
        sensor.send(alert(&format!("open {number}"), Priority::Notice)).await;
    }
    let stored = eventually_async("others are stored", SOON, async || {
        let rules = rules_in(&admin, "LANNER_ALERTS").await;
        (rules.len() == EACH).then_some(rules)
    });
    assert_eq!(stored.await, once_each("open", EACH));
    let summary = forwarder.counters.summary();
    assert_eq!(summary.acknowledged + forwarder.spool.standing().alerts(), 2 * EACH as u64);
    assert!(forwarder.spool.standing().alerts() >= EACH as u64, "restricted alerts are kept");

    admin.set_up(&layout()).await.unwrap();
    let stored = eventually_async("what waited is stored", UNTIL_TRIED_AGAIN, async || {
        let rules = rules_in(&admin, "LANNER_RESTRICTED_SENSITIVE").await;
        (rules.len() == EACH).then_some(rules)
    });
    assert_eq!(stored.await, once_each("secret", EACH));
    forwarder
        .until("all are acknowledged", |summary| summary.acknowledged == 2 * EACH as u64)
        .await;
    let summary = forwarder.counters.summary();
    // Those that were under way when the stream came are in it.
    let copies = rules_in(&admin, "LANNER_TAG_SHELL").await.len() as u64;
    assert!(summary.copies_unstored > 0 && summary.copies_unstored + copies >= EACH as u64);
    assert_eq!(summary.accepted.iter().sum::<u64>(), 2 * EACH as u64);
    assert_eq!((summary.refused, forwarder.stop().await), (0, 0));
}
