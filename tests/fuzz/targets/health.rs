//! Any bytes as what a sensor or a forwarder tells of itself: refused, or read as it would be read again.
#![no_main]

use lanner_alert::{Heartbeat, SensorStatus};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(status) = SensorStatus::from_json(bytes) {
        for family in &status.metrics {
            for sample in &family.samples {
                assert!(sample.labels.values().all(|value| !value.contains(char::is_control)));
            }
        }
        if let Ok(json) = status.to_json() {
            assert_eq!(SensorStatus::from_json(&json).expect("what we wrote"), status);
        }
    }
    if let Ok(beat) = Heartbeat::from_json(bytes) {
        assert!(!beat.node.contains(char::is_control));
        if let Ok(json) = beat.to_json() {
            assert_eq!(Heartbeat::from_json(&json).expect("what we wrote"), beat);
        }
    }
});
