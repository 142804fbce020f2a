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
    assert_eq!(running.counters.summary().evicted, [0; 8]);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn what_is_too_much_is_evicted_least_urgent_first_and_counted() {
    let mut rig = Rig::new().await;
    rig.bus.server.kill();
    let spool = format!("spool: {{dir: {}, size_bytes_max: 1048576}}\n", rig.spool().display());
    let running = rig.start(&spool);
    let mut sensor = rig.sensor().await;
    const EACH: u64 = 800;
    for n in 0..EACH {
        for priority in [Priority::Debug, Priority::Critical, Priority::Notice] {
            sensor.send(alert(&format!("{priority} {n}"), priority)).await;
        }
    }
    sensor.acknowledged().await;
    let now = running.counters.summary();
    let evicted =
        [Priority::Critical, Priority::Notice, Priority::Debug].map(|p| now.evicted_of(p));
    assert_eq!(evicted.iter().sum::<u64>(), now.evicted.iter().sum::<u64>());
    assert_eq!(evicted[0], 0, "{evicted:?}");
    assert!(evicted[2] > evicted[1] && evicted[2] <= EACH, "{evicted:?}");
    let standing = running.spool.standing();
    assert!(standing.size_bytes <= 1 << 20);
    assert_eq!(standing.alerts() + evicted.iter().sum::<u64>(), 3 * EACH);

    rig.bus.server.restart();
    let left = usize::try_from(standing.alerts()).unwrap();
    let stored = rig.stored(left).await;
    assert_eq!(stored.len(), left);
    assert!((0..EACH).all(|n| stored.contains_key(&format!("Critical {n}"))));
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn what_a_stop_leaves_behind_is_sent_after_the_next_start() {
    let mut rig = Rig::new().await;
    rig.bus.server.kill();
    let running = rig.start("stop_seconds_max: 1\n");
    let mut sensor = rig.sensor().await;
    for n in 0..3 {
        sensor.send(alert(&format!("kept {n}"), Priority::Notice)).await;
    }
    sensor.acknowledged().await;
    let left = timeout(Duration::from_secs(10), running.stop()).await.expect("no deadline");
    assert_eq!(left, 3);

    rig.bus.server.restart();
    let running = rig.start("");
    assert_eq!(rig.stored(3).await.len(), 3);
    assert_eq!(running.stop().await, 0);
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
