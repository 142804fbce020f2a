//! Any bytes as one of our alerts: refused, or an alert that is written as it was read, on subjects of its own.
#![no_main]

use std::collections::BTreeSet;

use lanner_alert::{Alert, Routing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(alert) = Alert::from_json(bytes) else { return };
    let routing = Routing {
        tag_streams: BTreeSet::from(["shell".parse().expect("a tag")]),
        restricted_tags: vec!["sensitive".parse().expect("a tag")],
        subject_template: Some("falco.<priority>.<rule>.<node>".parse().expect("a template")),
        ..Routing::default()
    };
    let routed = routing.route(&alert);
    let parsed = routing.root.parse_alert(routed.subject.as_str()).expect("our own subject");
    assert_eq!(parsed.priority, alert.priority);
    assert_eq!(parsed.restricted, routed.restricted.is_some());
    assert!(routed.restricted.is_none() || routed.copies.is_empty());
    for copy in &routed.copies {
        let tokens = copy.subject.as_str().split('.').count();
        assert_eq!(tokens, if copy.subject.as_str().starts_with("falco.") { 4 } else { 6 });
    }
    if let Ok(json) = alert.to_json() {
        assert_eq!(Alert::from_json(&json).expect("what we wrote"), alert);
    }
});
