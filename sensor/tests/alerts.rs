//! What an alert says of a file that has two paths.

#[path = "support/record.rs"]
mod record;

use std::sync::Arc;

use lanner_alert::{Alert, Entity};
use lanner_engine::{Options, Scratch, SourceFile, load};
use lanner_sensor::{
    alerts::AlertMaker,
    decode::{Call, Family, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
};
use serde_json::{Map, Value as Json, json};

use crate::record::{Head, PathCallFacts, open_payload, path_call_payload, record};

/// The one alert of a rule about a record.
fn alert(condition: &str, output: &str, family: Family, call: Call, payload: &[u8]) -> Alert {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: \"{output}\"\n  priority: INFO\n"
    );
    let file = SourceFile { name: "r".to_owned(), text };
    let (rules, diagnostics) = load(&[file], &Options::default());
    assert_eq!(diagnostics, []);
    let bytes = record(&Head::default(), family as u16, call.id(), payload);
    let proc = tempfile::tempdir().unwrap();
    let node = Node::new("n", Procfs::new(proc.path()), Containers::new(None));
    let event = Enricher::new(Arc::new(node)).take(decode(&bytes).unwrap(), |_| true).unwrap();
    let maker = AlertMaker::new("n", None);
    let about = || (Entity::default(), false);
    let mut alerts = maker.alerts(&rules, &mut Scratch::default(), &event, about);
    assert_eq!(alerts.len(), 1);
    alerts.remove(0)
}

/// Its fields but for the time.
#[track_caller]
fn check(mut alert: Alert, expected: Json) {
    assert!(alert.output_fields.remove("evt.time").is_some());
    let found: Map<String, Json> = alert.output_fields;
    assert_eq!(Json::Object(found), expected);
}

fn opened(output: &str, resolved: &[u8]) -> Alert {
    let payload = open_payload(b"link/../x\0", resolved, b"\x01tmp\0");
    alert("evt.type=openat and fd.name=/etc/x", output, Family::Open, Call::Openat, &payload)
}

#[test]
fn both_paths_of_a_file_are_told() {
    let both = json!({
        "fd.name": "/tmp/x", "fd.nameraw": "link/../x", "fd.name.resolved": "/etc/x",
    });
    check(opened("o", b"\x01x\0etc\0"), both);
    // What the rule prints is what it matched.
    let alert = opened("%fd.name", b"\x01x\0etc\0");
    assert!(alert.output.ends_with(" /etc/x"), "{}", alert.output);
    let printed = json!({
        "fd.name": "/etc/x", "fd.nameraw": "link/../x", "fd.name.resolved": "/etc/x",
    });
    check(alert, printed);
}

#[test]
fn one_path_is_told_where_the_rule_says_so() {
    let payload = open_payload(b"/etc/x\0", b"\x01x\0etc\0", b"");
    let condition = "evt.type=openat and fd.name=/etc/x";
    check(alert(condition, "o", Family::Open, Call::Openat, &payload), json!({}));
}

#[test]
fn both_paths_of_a_call_about_names_are_told() {
    let facts = PathCallFacts {
        dirfds: [-100, -100],
        path: b"/tmp/../etc/x\0",
        other: b"/tmp/new\0",
        ..PathCallFacts::default()
    };
    let payload = path_call_payload(&facts);
    let condition = "evt.type=rename and evt.arg.oldpath=/etc/x";
    let fields = json!({
        "evt.arg.oldpath": "/tmp/../etc/x",
        "evt.rawarg.oldpath": "/tmp/../etc/x",
        "evt.arg.oldpath.resolved": "/etc/x",
    });
    check(alert(condition, "o", Family::PathCall, Call::Rename, &payload), fields);
}
