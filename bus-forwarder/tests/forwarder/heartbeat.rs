//! What a forwarder tells the bus of its node, and of the sensor beside it.

use lanner_alert::{
    MetricFamily, MetricKind, Priority, STATUS_SCHEMA, Sample, SensorStatus,
    frame::{self, Frame},
};
use lanner_bus::{Connection, Identity, NodeHealth};
use lanner_testkit::eventually_async;

use crate::rig::{NODE, Rig, SOON, Sensor, alert};

pub(crate) fn status() -> SensorStatus {
    SensorStatus {
        schema: STATUS_SCHEMA,
        version: "9.8.7".to_owned(),
        rules_hash: "00112233445566778899aabbccddeeff".to_owned(),
        rules: 92,
        events_lost: 7,
        alerts_lost: 2,
        metrics: vec![MetricFamily {
            name: "alerts_made_total".to_owned(),
            help: "Alerts that rules made.".to_owned(),
            kind: MetricKind::Counter,
            samples: vec![Sample {
                labels: [("rule".to_owned(), "a \"rule\" \\ with all".to_owned())].into(),
                value: 3.0,
                tags: Default::default(),
            }],
        }],
    }
}

impl Sensor {
    pub(crate) async fn tell(&mut self, status: &SensorStatus) {
        self.write(&Frame::Status { json: status.to_json().unwrap() }).await;
    }
}

/// Waits for a heartbeat of the node with which `is_it` is content.
async fn beat(reader: &Connection, what: &str, is_it: impl Fn(&NodeHealth) -> bool) -> NodeHealth {
    eventually_async(what, SOON, async || {
        // While the server is away there is none.
        let fleet = reader.fleet().await.ok()?;
        fleet.nodes.into_values().find(|node| node.beat.node == NODE).filter(|node| is_it(node))
    })
    .await
}

#[tokio::test]
async fn a_node_tells_of_itself_and_of_its_sensor_and_goes_on_after_an_outage() {
    let mut rig = Rig::new().await;
    let reader = Connection::connect(&rig.bus.connection(&Identity::Subscriber)).await.unwrap();
    let running = rig.start("heartbeat_seconds: 1\n");
    let first = beat(&reader, "the first heartbeat", |_| true).await.beat;
    assert_eq!((first.cluster.as_deref(), first.interval_seconds), (Some("test"), 1));
    assert_eq!((first.sensor, first.troubles), (None, vec![]));

    let mut sensor = rig.sensor().await;
    sensor.tell(&status()).await;
    let told =
        beat(&reader, "it tells of the sensor", |node| node.beat.sensor.is_some()).await.beat;
    let sensor_told = told.sensor.unwrap();
    assert_eq!((sensor_told.version.as_str(), sensor_told.rules), ("9.8.7", 92));
    assert_eq!(sensor_told.rules_hash, status().rules_hash);
    assert_eq!((told.drops.events, told.drops.sensor_alerts), (7, 2));
    assert_eq!(told.troubles, ["losing-events", "losing-alerts"]);

    rig.bus.server.kill();
    rig.bus.server.restart();
    let stored = told.time;
    beat(&reader, "it tells again", |node| node.beat.time > stored).await;

    drop(sensor);
    beat(&reader, "the sensor is gone", |node| node.beat.sensor.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_sensor_of_the_first_version_still_brings_its_alerts() {
    let rig = Rig::new().await;
    let running = rig.start("");
    let mut old = Sensor::unconnected(&rig.socket()).await;
    old.write(&Frame::Hello { oldest: 1, newest: 1 }).await;
    // Its reader compares the first number with its own, and looks no further.
    assert_eq!(old.read().await, Some(frame::HELLO));
    old.send(alert("of an old sensor", Priority::Notice)).await;
    old.acknowledged().await;
    assert_eq!(rig.stored(1).await.into_keys().collect::<Vec<_>>(), ["of an old sensor"]);
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_status_is_counted_and_stops_no_alert() {
    let rig = Rig::new().await;
    let running = rig.start("");
    let mut sensor = rig.sensor().await;
    for json in [&b"\x1b[2J"[..], b"{}", &[b' '; 200 << 10]] {
        sensor.write(&Frame::Status { json: json.to_vec() }).await;
    }
    sensor.send(alert("still", Priority::Notice)).await;
    sensor.acknowledged().await;
    assert_eq!(running.counters.summary().statuses_unreadable, 3);
    running.stop().await;
}
