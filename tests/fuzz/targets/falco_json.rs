//! Any bytes as an alert of stock Falco: refused, or an alert whose JSON reads back the same.
#![no_main]

use lanner_alert::{Alert, FalcoInput, RoutingTags, SubjectRoot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = FalcoInput { node: "node-7".to_owned(), cluster: None };
    let Ok(alert) = input.read(bytes) else { return };
    let root = SubjectRoot::default();
    let subject = root.alert(&alert, &RoutingTags::default());
    assert!(root.parse_alert(subject.as_str()).is_some(), "{subject}");
    if let Ok(json) = alert.to_json() {
        assert_eq!(Alert::from_json(&json).expect("what we wrote"), alert);
    }
});
