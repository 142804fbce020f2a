//! Any text in an alert: no panic, what must stay stays, and what is written reads back the same.
#![no_main]

use std::sync::LazyLock;

use lanner_alert::{Alert, FalcoInput};
use lanner_bus_forwarder::{RedactionConfig, Redactor};
use libfuzzer_sys::fuzz_target;

static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(&RedactionConfig::default()).expect("the defaults"));

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let before = text.len();
    // What is put in is no longer than its mark for each byte that is taken out.
    assert!(REDACTOR.redact_text(&text).len() <= before * "[redacted]".len());
    let falco = format!(
        r#"{{"rule":"r","priority":"error","time":"2026-11-21T00:00:00Z","output":{text:?},"output_fields":{{"a":{text:?}}}}}"#
    );
    let input = FalcoInput { node: "node-7".to_owned(), cluster: None };
    let Ok(mut alert) = input.read(falco.as_bytes()) else { return };
    let (id, entity) = (alert.id, alert.entity.clone());
    let Ok(json) = alert.to_json() else { return };
    REDACTOR.redact(&mut alert, &json);
    assert!(alert.id == id && alert.entity == entity && alert.rule == "r");
    if let Ok(json) = alert.to_json() {
        assert_eq!(Alert::from_json(&json).expect("what we wrote"), alert);
    }
});
