//! Any text as a rule file, by itself and behind another: rules and diagnostics, whatever it is.
#![no_main]

use lanner_engine::{Options, RecordedEvent, SourceFile, load};
use libfuzzer_sys::fuzz_target;

const EVENT: &str = r#"{"evt.type":"openat","evt.is_open_read":true,"fd.name":"/etc/shadow","fd.num":3,"proc.name":"cat","proc.aname":["sh","init"],"container.id":"0123456789ab","user.uid":0}"#;

fuzz_target!(|text: &str| {
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.to_owned() };
    let event = RecordedEvent::from_json(EVENT).expect("a good event");
    let (first, second) = text.split_once("\n=====\n").unwrap_or((text, ""));
    let files = [file("a.yaml", first), file("b.yaml", second)];
    let (rules, diagnostics) = load(&files, &Options::default());
    for diagnostic in diagnostics {
        let _ = diagnostic.to_string();
    }
    for matched in rules.evaluate("syscall", &event) {
        let _ = matched.falco_output();
    }
    for rule in rules.rules() {
        let _ = (rule.condition_compiled(), rule.event_types(), rule.fields());
    }
});
