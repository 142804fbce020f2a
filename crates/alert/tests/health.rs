//! What sensor and forwarder tell of themselves: the golden files are the
//! contract, what an older version wrote is read, and hostile bytes end tame.

use std::{collections::BTreeSet, time::Duration};

use expect_test::expect_file;
use lanner_alert::{
    Drops, FLEET, FalcoInput, HEARTBEAT_BYTES_MAX, HEARTBEAT_SCHEMA, Heartbeat, MetricFamily,
    MetricKind, STATUS_BYTES_MAX, STATUS_SCHEMA, Sample, SensorBrief, SensorStatus, Silence,
    SilenceRecord, SpoolBrief,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn status() -> SensorStatus {
    let sample = |family: &str, value| Sample {
        labels: [("family".to_owned(), family.to_owned())].into(),
        value,
        tags: Default::default(),
    };
    SensorStatus {
        schema: STATUS_SCHEMA,
        version: "0.1.0".to_owned(),
        rules_hash: "00112233445566778899aabbccddeeff".to_owned(),
        rules: 92,
        events_lost: 3,
        alerts_lost: 0,
        metrics: vec![
            MetricFamily {
                name: "events_read_total".to_owned(),
                help: "Events read from the kernel.".to_owned(),
                kind: MetricKind::Counter,
                samples: vec![sample("exec", 12.0), sample("open", 345.0)],
            },
            MetricFamily {
                name: "rules_matches_total".to_owned(),
                help: "Events that a rule matched.".to_owned(),
                kind: MetricKind::Counter,
                samples: vec![Sample {
                    labels: [("rule".to_owned(), "Terminal shell in container".to_owned())].into(),
                    value: 2.0,
                    tags: ["container".to_owned(), "shell".to_owned()].into(),
                }],
            },
            MetricFamily {
                name: "memory_resident_bytes".to_owned(),
                help: "Memory that the sensor has.".to_owned(),
                kind: MetricKind::Gauge,
                samples: vec![Sample {
                    labels: Default::default(),
                    value: 25165824.0,
                    tags: Default::default(),
                }],
            },
        ],
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        schema: HEARTBEAT_SCHEMA,
        node: "node-7".to_owned(),
        cluster: Some("eu-1".to_owned()),
        time: "2026-11-21T10:00:00.5Z".parse().unwrap(),
        interval_seconds: 15,
        forwarder_version: "0.1.0".to_owned(),
        sensor: Some(SensorBrief {
            version: "0.1.0".to_owned(),
            rules_hash: "00112233445566778899aabbccddeeff".to_owned(),
            rules: 92,
        }),
        drops: Drops { events: 3, sensor_alerts: 0, forwarder_alerts: 1 },
        spool: SpoolBrief { size_bytes: 4096, oldest_age_seconds: Some(7) },
        troubles: vec!["losing-alerts".to_owned()],
    }
}

#[test]
fn the_golden_files() {
    let pretty = |json: &[u8]| {
        let value: Json = serde_json::from_slice(json).unwrap();
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    };
    expect_file!["golden/sensor_status.json"].assert_eq(&pretty(&status().to_json().unwrap()));
    expect_file!["golden/heartbeat.json"].assert_eq(&pretty(&heartbeat().to_json().unwrap()));
}

#[test]
fn what_the_responders_remember() {
    let falco = FalcoInput { node: FLEET.to_owned(), cluster: None };
    let text = r#"{"rule":"Lanner node silent","priority":"Critical","output":"Node n1 is silent",
        "hostname":"n1","source":"internal","tags":["lanner","fleet"],"time":"2026-11-21T10:01:00Z"}"#;
    let mut alert = falco.read(text.as_bytes()).unwrap();
    alert.id = "01a1fd8d-5360-776b-8bb8-4ce7267dd520".parse().unwrap();
    let since = "2026-11-21T10:00:00Z".parse().unwrap();
    let back = Some("2026-11-21T11:00:00Z".parse().unwrap());
    let record = SilenceRecord {
        silent: [
            ("n1".to_owned(), Silence { since, back: None }),
            ("n2".to_owned(), Silence { since, back }),
        ]
        .into(),
        to_publish: vec![alert],
        ..SilenceRecord::default()
    };
    let json = serde_json::to_string_pretty(&record).unwrap() + "\n";
    expect_file!["golden/silence_record.json"].assert_eq(&json);
    assert_eq!(serde_json::from_str::<SilenceRecord>(&json).unwrap(), record);
    let least: SilenceRecord = serde_json::from_str(r#"{"schema":1,"mood":"good"}"#).unwrap();
    assert_eq!(least, SilenceRecord::default());
}

#[test]
fn what_was_written_is_read_again_by_older_and_newer() {
    assert_eq!(SensorStatus::from_json(&status().to_json().unwrap()).unwrap(), status());
    assert_eq!(Heartbeat::from_json(&heartbeat().to_json().unwrap()).unwrap(), heartbeat());

    // With keys and kinds of a newer sensor.
    let mut newer = serde_json::to_value(status()).unwrap();
    newer["mood"] = json!("good");
    newer["metrics"][2]["kind"] = json!("histogram");
    let read = SensorStatus::from_json(newer.to_string().as_bytes()).unwrap();
    assert_eq!(read.metrics, status().metrics[..2]);
    // Without what a forwarder leaves out.
    let least = json!({
        "schema": 1, "node": "n", "time": "2026-11-21T10:00:00Z", "interval_seconds": 0,
        "forwarder_version": "0.1.0", "spool": {"size_bytes": 0},
        "drops": {"events": 0, "sensor_alerts": 0, "forwarder_alerts": 0},
    });
    let read = Heartbeat::from_json(least.to_string().as_bytes()).unwrap();
    assert_eq!((read.sensor, read.troubles), (None, vec![]));
}

#[test]
fn a_node_is_silent_after_three_intervals_and_none_talks_its_way_out() {
    for (interval_seconds, silent_after) in [(15, 45), (0, 3), (300, 900), (u32::MAX, 900)] {
        let beat = Heartbeat { interval_seconds, ..heartbeat() };
        assert_eq!(beat.silent_after(), Duration::from_secs(silent_after));
    }
}

#[test]
fn what_is_hostile_is_left_out_and_the_rest_stays() {
    let family = |name: &str, kind: &str, samples: Json| json!({"name": name, "help": "h\n# TYPE x", "kind": kind, "samples": samples});
    let one = json!([{"value": 1}]);
    let mut hostile = serde_json::to_value(status()).unwrap();
    hostile["version"] = json!("1\u{1b}[2J\n".to_owned() + &"x".repeat(500));
    hostile["metrics"] = json!([
        family(
            "good_total",
            "counter",
            json!([
                {"labels": {"rule": "a\n\"b\\"}, "value": 1},
                {"labels": {"rule": "a_\"b\\"}, "value": 2},
                {"labels": {"rule": "c"}, "value": -1},
                {"labels": {"__name__": "x"}, "value": 1},
                {"labels": {"a\"} 1\n": "x"}, "value": 1},
                {"labels": {"a": "", "b": "", "c": "", "d": "", "e": ""}, "value": 1},
            ])
        ),
        family("good_total", "counter", one.clone()),
        family("bad name_total", "counter", one.clone()),
        family("Bad_total", "counter", one.clone()),
        family("counts", "counter", one.clone()),
        family("gauge_total", "gauge", one.clone()),
        family("", "gauge", one.clone()),
    ]);
    let read = SensorStatus::from_json(hostile.to_string().as_bytes()).unwrap();
    assert!(read.version.starts_with("1_[2J_xxx") && read.version.len() == 64);
    let [good] = &read.metrics[..] else { panic!("{:?}", read.metrics) };
    assert_eq!(good.help, "h_# TYPE x");
    let labels: Vec<_> = good.samples.iter().map(|sample| &sample.labels["rule"]).collect();
    assert_eq!(labels, ["a_\"b\\"], "two that look alike are one");

    let many: Vec<Json> =
        (0..1500).map(|n| json!({"labels": {"n": n.to_string()}, "value": n})).collect();
    hostile["metrics"] =
        json!([family("a", "gauge", many.clone().into()), family("b", "gauge", many.into())]);
    let read = SensorStatus::from_json(hostile.to_string().as_bytes()).unwrap();
    assert_eq!(read.metrics.iter().map(|family| family.samples.len()).sum::<usize>(), 1024);

    assert!(SensorStatus::from_json(&[b' '; STATUS_BYTES_MAX + 1]).is_err());
    assert!(Heartbeat::from_json(&[b' '; HEARTBEAT_BYTES_MAX + 1]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = (SensorStatus::from_json(&bytes), Heartbeat::from_json(&bytes));
    }

    /// Whatever texts are in it, nothing read ends a line or is there twice.
    #[test]
    fn what_is_read_is_tame(
        names in prop::collection::vec("[a-z_]{0,6}(_total)?|(?s).{0,10}", 0..8),
        label in "[a-z]{1,3}|(?s).{0,8}",
        values in prop::collection::vec("(?s).{0,300}", 0..4),
    ) {
        let samples: Vec<Json> =
            values.iter().map(|value| json!({"labels": {&label: value}, "value": 1})).collect();
        let mut json = serde_json::to_value(status()).unwrap();
        json["metrics"] = names.iter().map(|name| json!({
            "name": name, "help": &label, "samples": samples,
            "kind": if name.ends_with("_total") { "counter" } else { "gauge" },
        })).collect();
        let read = SensorStatus::from_json(json.to_string().as_bytes()).unwrap();
        let mut seen = BTreeSet::new();
        for family in &read.metrics {
            prop_assert!(seen.insert(&family.name));
            prop_assert!(!family.help.contains(char::is_control));
            let mut labels = BTreeSet::new();
            for sample in &family.samples {
                prop_assert!(labels.insert(&sample.labels));
                prop_assert!(sample.labels.values().all(|v| v.len() <= 256 && !v.contains(char::is_control)));
            }
        }
    }
}
