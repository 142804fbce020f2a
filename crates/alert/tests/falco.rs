//! Falco's JSON in, our JSON out: the golden files are the contract.

use std::{fs, path::Path};

use expect_test::expect_file;
use lanner_alert::{ALERT_BYTES_MAX, Alert, AlertError, FALCO_BYTES_MAX, FalcoInput, TEXT_RULE};
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

/// What each Falco in the field writes, newest last, and what of it must arrive.
#[test]
fn json_of_any_version() {
    let cases = [
        // Until 0.29: neither source nor tags nor hostname; priorities as the rule has them.
        (
            r#"{"output":"08:00:00.1: Warning x","priority":"WARNING","rule":"r","time":"2019-05-17T08:00:00.100000000Z", "output_fields": {"evt.time":1558080000100000000,"proc.name":"sh"}}"#,
            ("Warning", "syscall", "", 0, "08:00:00.1: Warning x", 1_558_080_000_100_000_000),
        ),
        // Its own messages until 0.26: all fields are texts.
        (
            r#"{"output":"Falco internal: syscall event drop. 3 dropped.","output_fields":{"ebpf_enabled":"0","n_drops":"3"},"priority":"Critical","rule":"Falco internal: syscall event drop","time":"2020-01-02T03:04:05.000000000Z"}"#,
            (
                "Critical",
                "syscall",
                "",
                0,
                "Falco internal: syscall event drop. 3 dropped.",
                1_577_934_245_000_000_000,
            ),
        ),
        // 0.30 to 0.32: source and tags.
        (
            r#"{"output":"o","priority":"Informational","rule":"r","source":"k8s_audit","tags":["k8s","b"],"time":"2021-11-01T00:00:00.5Z", "output_fields": null}"#,
            ("Informational", "k8s_audit", "", 2, "o", 1_635_724_800_500_000_000),
        ),
        // 0.33 on: hostname. Its own messages say `internal`.
        (
            r#"{"hostname":"falco-x","output":"o","output_fields":{"n":1.5},"priority":"info","rule":"r","source":"internal","time":"2023-01-01T00:00:00.000000001Z"}"#,
            ("Informational", "internal", "falco-x", 0, "o", 1_672_531_200_000_000_001),
        ),
        // 0.39 on: `json_include_message_property`; here the output is left out.
        (
            r#"{"hostname":"h","message":"m","output_fields":{"x":{"y":[true]}},"priority":"Debug","rule":"r","source":"syscall","tags":[],"time":"2024-10-01T02:00:00.25+02:00"}"#,
            ("Debug", "syscall", "h", 0, "m", 1_727_740_800_250_000_000),
        ),
        // 0.41 on: `json_include_output_fields_property: false`, and nothing else left.
        (
            r#"{"hostname":null,"priority":"Notice","rule":"r","source":"","tags":null,"time":"2025-06-01T00:00:00Z","uuid":"7"}"#,
            ("Notice", "syscall", "", 0, "r", 1_748_736_000_000_000_000),
        ),
    ];
    for (json, (priority, source, hostname, tags, output, time)) in cases {
        let alert = input().read_any(json.as_bytes(), now()).unwrap();
        assert_eq!(alert.priority.as_str(), priority, "{json}");
        let texts = (alert.source.as_str(), alert.hostname.as_str(), alert.output.as_str());
        assert_eq!(texts, (source, hostname, output), "{json}");
        assert_eq!((alert.tags.len(), alert.time.as_nanosecond()), (tags, time), "{json}");
    }
}

#[test]
fn no_name_of_a_file_makes_an_alert_unreadable() {
    let json = |name: &[u8]| {
        let mut json = br#"{"rule":"r","priority":"error","output":"o","time":"2026-11-21T00:00:00Z","output_fields":{"fd.name":""#.to_vec();
        json.extend(name);
        json.extend(br#"","after":"x"}}"#);
        json
    };
    let cases: [(&[u8], Option<&str>); 7] = [
        (br"\xff", None),
        (b"/tmp/\xff\xc3", Some("/tmp/\u{FFFD}\u{FFFD}")),
        (br"/tmp/\ud800x", Some("/tmp/\u{FFFD}x")),
        (br"/tmp/\udc00\ud800", Some("/tmp/\u{FFFD}\u{FFFD}")),
        (br"\ud800\u0041", Some("\u{FFFD}A")),
        (br"\\ud800\ud83d\ude00\ud800", Some("\\ud800\u{1F600}\u{FFFD}")),
        (b"/tmp/a\x01\tb", Some("/tmp/a  b")),
    ];
    for (name, expected) in cases {
        let alert = input().read(&json(name));
        let Some(expected) = expected else {
            assert!(alert.is_err(), "{}", name.escape_ascii());
            continue;
        };
        let fields = alert.unwrap().output_fields;
        assert_eq!(fields["fd.name"], expected, "{}", name.escape_ascii());
        assert_eq!(fields["after"], "x");
    }
}

fn now() -> jiff::Timestamp {
    "2026-11-21T15:31:00Z".parse().unwrap()
}

#[track_caller]
fn check_text(line: &str, priority: &str, time: &str) {
    let alert = input().read_any(line.as_bytes(), now()).unwrap();
    assert_eq!(alert.output, line.trim_ascii());
    assert_eq!((alert.priority.as_str(), alert.rule.as_str()), (priority, TEXT_RULE), "{line}");
    assert_eq!((alert.node.as_str(), alert.source.as_str()), ("node-7", "syscall"));
    assert_eq!(alert.time, time.parse().unwrap(), "{line}");
}

#[test]
fn text_is_an_alert_with_the_time_and_priority_that_it_states() {
    check_text(
        "15:30:59.726060287: Critical Shell (user=root)",
        "Critical",
        "2026-11-21T15:30:59.726060287Z",
    );
    check_text("15:30:59: WARNING x", "Warning", "2026-11-21T15:30:59Z");
    // Another time zone, and a clock that is a little ahead.
    check_text("01:15:59.5: Informational x\r", "Informational", "2026-11-21T15:30:59.5Z");
    check_text("15:31:59.9: Notice x", "Notice", "2026-11-21T15:31:59.9Z");
    check_text("15:32:01: Notice x", "Notice", "2026-11-21T15:17:01Z");
    check_text(
        "2026-11-20T01:02:03.000000004+0000: Error x: y",
        "Error",
        "2026-11-20T01:02:03.000000004Z",
    );
}

#[test]
fn what_is_neither_is_no_alert() {
    for line in [
        "hello",
        "15:30:59: Urgent x",
        "15:30:59: Critical",
        "15:30: Critical x",
        "25:30:59: Critical x",
        "15:30:59.1234567890: Critical x",
        "Critical x: y z",
        "[1]",
        "\u{1F600}: Critical x",
    ] {
        let read = input().read_any(line.as_bytes(), now());
        assert!(matches!(read, Err(AlertError::NotText)), "{line}: {read:?}");
    }
    for line in ["", "{garbage", "{}"] {
        assert!(matches!(input().read_any(line.as_bytes(), now()), Err(AlertError::Json(_))));
    }
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
    fn any_bytes_are_an_alert_that_is_read_again_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in any::<String>(),
    ) {
        let line = format!("15:30:59: Error {text}");
        for bytes in [&bytes[..], text.as_bytes(), line.as_bytes()] {
            if let Ok(alert) = input().read_any(bytes, now()) {
                prop_assert_eq!(&Alert::from_json(&alert.to_json().unwrap()).unwrap(), &alert);
            }
        }
    }

    #[test]
    fn whatever_is_broken_inside_of_a_text_the_rest_is_read(text in r#"([a-z]|\\u[0-9a-f]{4}|\\[\\"nt]|[\x00-\x1f]|é)*"#) {
        let falco = format!(
            r#"{{"rule":"r","priority":"error","time":"2026-11-21T00:00:00Z","output":"{text}","source":"s"}}"#
        );
        prop_assert_eq!(input().read(falco.as_bytes()).unwrap().source, "s");
    }

    #[test]
    fn any_text_survives_in_a_field(text in any::<String>()) {
        let falco = serde_json::json!({
            "rule": "r", "priority": "error", "time": "2026-11-21T00:00:00Z", "output": text,
        });
        prop_assert_eq!(input().read(falco.to_string().as_bytes()).unwrap().output, text);
    }

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
    let long = vec![b' '; FALCO_BYTES_MAX + 1];
    assert!(matches!(input().read(&long), Err(AlertError::TooLong { .. })));
    assert!(matches!(input().read_text(&long, now()), Err(AlertError::TooLong { .. })));
    assert!(matches!(Alert::from_json(&long), Err(AlertError::TooLong { .. })));
}
