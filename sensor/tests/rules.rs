//! What the sensor says of rules that are read.

use std::fs;

use lanner_sensor::rules::{blind, count_errors, read};

fn rule(name: &str, condition: &str) -> String {
    format!("- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: debug\n")
}

#[test]
fn rules_that_can_never_fire_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yaml");
    let text = [
        rule("seen", "evt.type = openat and fd.name = /a"),
        rule("seen in part", "evt.type in (openat, swapon) and fd.name = /a"),
        rule("never seen", "evt.type in (swapon, swapoff) and proc.name = a"),
        rule("of all types", "proc.name = a"),
        rule("off", "evt.type = swapon and proc.name = a") + "  enabled: false\n",
        rule("of another source", "ka.verb = get") + "  source: k8s_audit\n",
    ];
    fs::write(&file, text.concat()).unwrap();
    let (rules, diagnostics) = read(&[file], &Default::default()).unwrap();
    assert_eq!(count_errors(&diagnostics), 0, "{diagnostics:?}");
    let blind = blind(&rules, |event_type| event_type == "openat");
    assert_eq!(blind, [("never seen", vec!["swapoff", "swapon"])]);
}

#[test]
fn a_file_that_is_no_text_is_left_out_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let (bad, good) = (directory.path().join("a.yaml"), directory.path().join("b.yaml"));
    fs::write(&bad, b"- rule: a\n  desc: \xff\n").unwrap();
    fs::write(&good, rule("b", "evt.type = openat and fd.name = /a")).unwrap();
    let (rules, diagnostics) = read(&[bad, good], &Default::default()).unwrap();
    assert_eq!(rules.rules().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(count_errors(&diagnostics), 1);
    assert_eq!((diagnostics[0].line, diagnostics[0].column), (2, 9));
}
