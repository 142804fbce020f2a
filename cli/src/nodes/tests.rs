use expect_test::expect;
use lanner_alert::{Drops, HEARTBEAT_SCHEMA, Heartbeat, SensorBrief, SpoolBrief};

use super::*;

fn health(node: &str, rules: &str) -> NodeHealth {
    let stored = "2026-11-21T10:00:00Z".parse().unwrap();
    let sensor =
        SensorBrief { version: "0.1.0".to_owned(), rules_hash: rules.repeat(32), rules: 92 };
    NodeHealth {
        stored,
        beat: Heartbeat {
            schema: HEARTBEAT_SCHEMA,
            node: node.to_owned(),
            cluster: None,
            time: stored,
            interval_seconds: 15,
            forwarder_version: "0.1.0".to_owned(),
            sensor: Some(sensor),
            drops: Drops::default(),
            spool: SpoolBrief::default(),
            troubles: Vec::new(),
        },
    }
}

fn fleet(nodes: Vec<NodeHealth>) -> Fleet {
    Fleet {
        now: "2026-11-21T10:00:20Z".parse().unwrap(),
        nodes: nodes.into_iter().map(|health| (health.beat.node.clone(), health)).collect(),
        unreadable: 0,
    }
}

#[test]
fn each_node_in_a_line() {
    let mut other = health("other rules", "b");
    other.beat.cluster = Some("eu-1".to_owned());
    other.beat.spool = SpoolBrief { size_bytes: 5 << 20, oldest_age_seconds: Some(300) };
    let mut silent = health("silent", "a");
    silent.stored = "2026-11-21T09:50:00Z".parse().unwrap();
    silent.beat.time = silent.stored;
    let mut degraded = health("degraded\u{1b}[2J", "a");
    degraded.beat.troubles = vec!["losing-alerts".to_owned()];
    degraded.beat.drops = Drops { events: 3, sensor_alerts: 1, forwarder_alerts: 1 };
    let mut ahead = health("ahead", "a");
    ahead.beat.time = "2026-11-21T10:00:05.3Z".parse().unwrap();
    let mut no_sensor = health("no sensor", "a");
    no_sensor.beat.sensor = None;
    let fleet = fleet(vec![other, silent, degraded, ahead, no_sensor, health("well", "a")]);
    expect![[r#"
        NODE          CLUSTER  STATE           FORWARDER  SENSOR  RULES      LOST                SPOOL      CLOCK
        ahead         -        clock           0.1.0      0.1.0   aaaaaaaa   0                   0 B        +5.3s
        degraded�[2J  -        losing-alerts   0.1.0      0.1.0   aaaaaaaa   3 events, 2 alerts  0 B        +0.0s
        no sensor     -        ok              0.1.0      -       -          0                   0 B        +0.0s
        other rules   eu-1     ok              0.1.0      0.1.0   bbbbbbbb*  0                   5 MiB, 5m  +0.0s
        silent        -        silent for 10m  0.1.0      0.1.0   aaaaaaaa   0                   0 B        +0.0s
        well          -        ok              0.1.0      0.1.0   aaaaaaaa   0                   0 B        +0.0s
    "#]]
    .assert_eq(&table::of(&judge(&fleet)));
}

#[test]
fn where_most_nodes_do_not_agree_all_rules_are_marked() {
    let fleet = fleet(vec![health("one", "a"), health("two", "b")]);
    assert!(judge(&fleet).iter().all(|node| node.rules_differ));
}
