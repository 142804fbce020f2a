//! Any bytes as one line of Falco's, JSON or text: refused, or an alert whose JSON reads back the same.
#![no_main]

use jiff::Timestamp;
use lanner_alert::{ALERT_BYTES_MAX, Alert, FalcoInput, shorten};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = FalcoInput { node: "node-7".to_owned(), cluster: None };
    let now: Timestamp = "2026-11-21T15:31:00Z".parse().expect("a time");
    let Ok(alert) = input.read_any(bytes, now) else { return };
    assert!(!alert.rule.is_empty() && alert.node == "node-7");
    let Ok(json) = alert.to_json() else { return };
    assert_eq!(Alert::from_json(&json).expect("what we wrote"), alert);
    if let Some(short) = shorten(&json, json.len() / 2) {
        assert!(short.len() <= ALERT_BYTES_MAX / 2);
        assert_eq!(Alert::from_json(&short).expect("what we shortened").rule, alert.rule);
    }
});
