use std::time::Duration;

use lanner_alert::Priority;
use tokio::time::timeout;

use crate::rig::{Rig, SOON, alert};

#[tokio::test]
async fn every_alert_taken_on_during_an_outage_arrives_once() {
    const COUNT: usize = 600;
    let mut rig = Rig::new().await;
    let running = rig.start("");
    let mut sensor = rig.sensor().await;
    for n in 0..COUNT {
        if n == COUNT / 3 {
            running.until("the first are stored", |now| now.published > 0).await;
            rig.bus.server.kill();
        }
        if n == 2 * COUNT / 3 {
            sensor.acknowledged().await;
            rig.bus.server.restart();
        }
        sensor.send(alert(&format!("rule {n}"), Priority::Notice)).await;
    }
    sensor.acknowledged().await;

    let stored = rig.stored(COUNT).await;
    assert_eq!(stored.len(), COUNT, "some came twice, and others never");
    assert_eq!(running.counters.summary().dropped, [0; 8]);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn what_is_too_much_is_dropped_least_urgent_first_and_counted() {
    let mut rig = Rig::new().await;
    rig.bus.server.kill();
    let running = rig.start("queue: {alerts_max: 10}\n");
    let mut sensor = rig.sensor().await;
    for n in 0..8 {
        for priority in [Priority::Debug, Priority::Critical, Priority::Notice] {
            sensor.send(alert(&format!("{priority} {n}"), priority)).await;
        }
    }
    sensor.acknowledged().await;
    let now = running.counters.summary();
    let dropped =
        [Priority::Critical, Priority::Notice, Priority::Debug].map(|p| now.dropped_of(p));
    assert_eq!((dropped, now.dropped.iter().sum()), ([0, 6, 8], 14));

    rig.bus.server.restart();
    let stored: Vec<String> = rig.stored(10).await.into_keys().collect();
    let mut expected: Vec<String> = (0..8).map(|n| format!("Critical {n}")).collect();
    expected.extend(["Notice 6", "Notice 7"].map(str::to_owned));
    assert_eq!(stored, expected);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn a_stop_says_how_much_is_left_when_the_bus_stays_away() {
    let mut rig = Rig::new().await;
    rig.bus.server.kill();
    let running = rig.start("stop_seconds_max: 1\n");
    let mut sensor = rig.sensor().await;
    for _ in 0..3 {
        sensor.send(alert("lost", Priority::Notice)).await;
    }
    sensor.acknowledged().await;
    let left = timeout(Duration::from_secs(10), running.stop()).await.expect("no deadline");
    assert_eq!(left, 3);
}

#[tokio::test]
async fn a_certificate_of_another_node_loses_the_alert_and_says_so() {
    let rig = Rig::new().await;
    let mut config = rig.config(&rig.socket_input(), "");
    config.bus = rig.bus.connection(&lanner_bus::Identity::Forwarder { node: "n2".to_owned() });
    let forwarder = lanner_bus_forwarder::Forwarder::open(config, None).unwrap();
    let (counters, stop) = (forwarder.counters(), lanner_service::CancellationToken::new());
    let done = tokio::spawn(forwarder.run(stop.clone()));
    let mut sensor = rig.sensor().await;
    sensor.send(alert("forged", Priority::Notice)).await;
    sensor.acknowledged().await;
    lanner_testkit::eventually_async("it is refused", SOON, async || {
        (counters.summary().refused == 1).then_some(())
    })
    .await;
    assert!(rig.stored(0).await.is_empty());
    stop.cancel();
    assert_eq!(done.await.unwrap().unwrap(), 0);
}
