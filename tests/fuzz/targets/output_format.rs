//! Any text as a rule's output on any recorded event: refused, or a bounded message with its fields.
#![no_main]

use lanner_engine::{Options, RecordedEvent, SourceFile, load};
use libfuzzer_sys::fuzz_target;

/// More than this no format of a few hundred bytes may make of an event of as many.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|text: &str| {
    let (format, event) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(event) = RecordedEvent::from_json(event) else { return };
    // Double-quoted YAML takes `\uXXXX`, so any character can be written.
    let mut quoted = String::from("\"");
    for c in format.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    let text = format!(
        "- rule: R\n  desc: d\n  condition: evt.num exists or not evt.num exists\n  \
         output: {quoted}\n  priority: INFO\n"
    );
    let file = SourceFile { name: "a.yaml".to_owned(), text };
    let (rules, diagnostics) = load(&[file], &Options::default());
    for diagnostic in diagnostics {
        let _ = diagnostic.to_string();
    }
    for matched in rules.evaluate("syscall", &event) {
        assert!(matched.falco_output().len() <= MESSAGE_BYTES_MAX, "{format:?}");
        for (name, _) in &matched.output_fields {
            assert!(format.contains(name.as_str()) || name == "evt.time", "{name} of {format:?}");
        }
    }
});
