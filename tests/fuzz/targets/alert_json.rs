//! Any bytes as one of our alerts: refused, or an alert that is written as it was read, on a subject of its own.
#![no_main]

use lanner_alert::{Alert, RoutingTags, SubjectRoot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(alert) = Alert::from_json(bytes) else { return };
    let root = SubjectRoot::default();
    let subject = root.alert(&alert, &RoutingTags::default());
    let parsed = root.parse_alert(subject.as_str()).expect("our own subject");
    assert_eq!(parsed.priority, alert.priority);
    for tag in &alert.tags {
        assert_eq!(root.tag_copy(&alert, tag).as_str().split('.').count(), 6);
    }
    if let Ok(json) = alert.to_json() {
        assert_eq!(Alert::from_json(&json).expect("what we wrote"), alert);
    }
});
