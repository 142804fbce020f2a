//! Events read from JSON.

use lanner_engine::{Event, Field, RecordedEvent, Value};
use serde_json::json;

/// As a line and as an object already parsed, which is the same.
fn read(json: serde_json::Value) -> RecordedEvent {
    let event = RecordedEvent::from_map(json.as_object().unwrap()).unwrap();
    let line = RecordedEvent::from_json(&json.to_string()).unwrap();
    assert_eq!(format!("{line:?}"), format!("{event:?}"));
    event
}

#[test]
fn values_take_the_kind_of_their_field() {
    let event = read(json!({
        "evt.type": "open", "evt.rawtime": 7, "evt.rawres": "-2", "proc.tty": 5, "fd.typechar": 4,
        "fd.sip": "::1", "evt.is_open_read": "true", "proc.env[A B]": "x", "proc.name": null,
    }));
    assert_eq!((event.event_type(), event.time_ns()), ("open", 7));
    assert_eq!(event.get(Field::EvtRawres, None), Some(Value::Int(-2)));
    assert_eq!(event.get(Field::ProcTty, None), Some(Value::Uint(5)));
    assert_eq!(event.get(Field::FdTypechar, None), Some(Value::text("4")));
    assert_eq!(event.get(Field::FdSip, None), Some(Value::Ip("::1".parse().unwrap())));
    assert_eq!(event.get(Field::EvtIsOpenRead, None), Some(Value::Bool(true)));
    assert_eq!(event.get(Field::ProcEnv, Some("A B")), Some(Value::text("x")));
    assert_eq!(event.get(Field::ProcEnv, None), None);
    assert_eq!(event.get(Field::ProcName, None), None);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let event = read(json!({
        "proc.exe": {"hex": "2fFF0a"}, "proc.aname": ["sh", {"hex": "c080"}], "fd.name": {"hex": ""},
    }));
    assert_eq!(event.get(Field::ProcExe, None), Some(Value::text(b"/\xff\n")));
    assert_eq!(event.get(Field::ProcAname, Some("2")), Some(Value::text(b"\xc0\x80")));
    assert_eq!(event.get(Field::FdName, None), Some(Value::text(b"")));
    for bad in [
        json!({"proc.exe": {"hex": "2"}}),
        json!({"proc.exe": {"hex": "+f"}}),
        json!({"proc.exe": {"hex": "2f", "more": 1}}),
        json!({"proc.exe": {}}),
        json!({"proc.pid": {"hex": "2f"}}),
    ] {
        let error = RecordedEvent::from_map(bad.as_object().unwrap()).unwrap_err().to_string();
        assert_eq!(RecordedEvent::from_json(&bad.to_string()).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_raw_argument_has_the_kind_of_the_argument() {
    let event = read(json!({"evt.rawarg.res": -2, "evt.rawarg.name": "x", "evt.rawarg.ino": 7}));
    assert_eq!(event.get(Field::EvtRawarg, Some("res")), Some(Value::Int(-2)));
    assert_eq!(event.get(Field::EvtRawarg, Some("name")), Some(Value::text("x")));
    assert_eq!(event.get(Field::EvtRawarg, Some("ino")), Some(Value::Uint(7)));
}

#[test]
fn ancestors_come_from_their_list() {
    let event = read(json!({"proc.aname": ["sh", "init"], "proc.apid[1]": 1}));
    assert_eq!(event.get(Field::ProcAname, Some("1")), Some(Value::text("sh")));
    assert_eq!(event.get(Field::ProcAname, Some("2")), Some(Value::text("init")));
    assert_eq!(event.get(Field::ProcAname, Some("3")), None);
    assert_eq!(event.get(Field::ProcAname, Some("0")), None);
    assert_eq!(event.get(Field::ProcApid, Some("1")), Some(Value::Int(1)));
    assert_eq!(event.get(Field::ProcApid, None), None);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    for (line, told) in [
        ("7", "one JSON object"),
        ("{", "one JSON object"),
        (r#"{"proc.nmae":"x"}"#, "'proc.nmae' is not a field"),
        (r#"{"evt.arg":"x"}"#, "'evt.arg' is not a field"),
        (r#"{"fd.num":"x"}"#, r#"'fd.num' wants int, not "x""#),
        (r#"{"proc.tty":-1}"#, "'proc.tty' wants uint, not -1"),
        (r#"{"fd.sip":"here"}"#, r#"'fd.sip' wants ip, not "here""#),
        (r#"{"proc.aname":[["x"]]}"#, "'proc.aname' wants text"),
        (r#"{"proc.name":{}}"#, "'proc.name' wants text, not {}"),
    ] {
        let error = RecordedEvent::from_json(line).expect_err(line).to_string();
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn output_fields_of_anybody_are_taken_as_far_as_they_go() {
    let fields =
        json!({"proc.name": "cat", "custom.field": "x", "fd.rport": "<NA>", "user.uid": 0});
    let (event, ignored) = RecordedEvent::from_output_fields(fields.as_object().unwrap());
    assert_eq!(event.get(Field::ProcName, None), Some(Value::text("cat")));
    assert_eq!(event.get(Field::UserUid, None), Some(Value::Uint(0)));
    assert_eq!(event.get(Field::FdRport, None), None);
    let told: Vec<String> = ignored.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["key 'custom.field' is not a field", "key 'fd.rport' wants port, not \"<NA>\""]
    );
}
