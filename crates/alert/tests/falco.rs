//! Falco's JSON in, our JSON out: the golden files are the contract.

use std::{fs, path::Path};

use expect_test::expect_file;
use lanner_alert::{ALERT_BYTES_MAX, Alert, AlertError, FalcoInput};
use proptest::prelude::*;

fn input() -> FalcoInput {
    FalcoInput { node: "node-7".to_owned(), cluster: Some("eu-1".to_owned()) }
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

/// The alert as indented JSON, its id (new each time) replaced.
fn pretty(alert: &Alert) -> String {
    let mut value: serde_json::Value = serde_json::from_slice(&alert.to_json().unwrap()).unwrap();
    value["id"] = "00000000-0000-7000-8000-000000000000".into();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

#[test]
fn an_alert_of_falco_in_a_container() {
    let alert = input().read(&golden("falco_in_container.json")).unwrap();
    expect_file!["golden/lanner_in_container.json"].assert_eq(&pretty(&alert));
}

#[test]
fn an_alert_of_falco_on_a_host() {
    let alert = input().read(&golden("falco_on_host.json")).unwrap();
    expect_file!["golden/lanner_on_host.json"].assert_eq(&pretty(&alert));
}

#[test]
fn what_was_written_is_read_again() {
    let alert = input().read(&golden("falco_in_container.json")).unwrap();
    assert_eq!(Alert::from_json(&alert.to_json().unwrap()).unwrap(), alert);
}

#[test]
fn a_writer_of_falco_alerts_cannot_aim_at_another_node() {
    let text = br#"{"rule":"r","priority":"error","output":"o","time":"2026-11-21T00:00:00Z",
        "id":"x","node":"node-8","cluster":"us-1","schema":9,"entity":{"pod_name":"victim"}}"#;
    let alert = input().read(text).unwrap();
    assert_eq!((alert.node.as_str(), alert.cluster.as_deref()), ("node-7", Some("eu-1")));
    assert_eq!(alert.entity, Default::default());
    assert!(alert.other.is_empty(), "{:?}", alert.other);
}

#[track_caller]
fn check_number(text: &str, number: f64) {
    let falco = format!(
        r#"{{"rule":"r","priority":"error","output":"o","time":"2026-11-21T00:00:00Z",
            "output_fields":{{"n":{text}}}}}"#
    );
    let alert = input().read(falco.as_bytes()).unwrap();
    assert_eq!(alert.output_fields["n"].as_f64(), Some(number), "{text}");
    assert_eq!(Alert::from_json(&alert.to_json().unwrap()).unwrap(), alert, "{text}");
}

#[test]
fn a_number_keeps_its_last_digit() {
    check_number("1.63759643512345678", 1.637_596_435_123_456_8);
}

proptest! {
    #[test]
    fn every_number_stays_the_same(number in proptest::num::f64::NORMAL) {
        check_number(&format!("{number:?}"), number);
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = input().read(text.as_bytes()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let told = format!("{error}: {cause}");
    assert!(told.contains(expected), "{told:?} does not tell {expected:?}");
}

#[test]
fn what_is_missing_is_named() {
    check_refused("", "EOF");
    check_refused("17:12:13.0: Notice not JSON", "expected");
    check_refused(r#"{"priority":"error","output":"o","time":"2026-11-21T00:00:00Z"}"#, "`rule`");
    check_refused(r#"{"rule":"r","output":"o","time":"2026-11-21T00:00:00Z"}"#, "`priority`");
    check_refused(r#"{"rule":"r","priority":"error","output":"o"}"#, "`time`");
    check_refused(
        r#"{"rule":"","priority":"error","output":"o","time":"2026-11-21T00:00:00Z"}"#,
        "without rule",
    );
    check_refused(
        r#"{"rule":"r","priority":"urgent","output":"o","time":"2026-11-21T00:00:00Z"}"#,
        "unknown priority \"urgent\"",
    );
}

#[test]
fn an_alert_is_bounded_both_ways() {
    let mut alert = input().read(&golden("falco_on_host.json")).unwrap();
    alert.output = "x".repeat(ALERT_BYTES_MAX);
    assert!(matches!(alert.to_json(), Err(AlertError::TooLong { .. })));
    let long = vec![b' '; ALERT_BYTES_MAX + 1];
    assert!(matches!(input().read(&long), Err(AlertError::TooLong { .. })));
    assert!(matches!(Alert::from_json(&long), Err(AlertError::TooLong { .. })));
}
