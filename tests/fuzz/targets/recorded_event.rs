//! Any text as a recorded event, against the shipped rules.
#![no_main]

use std::sync::LazyLock;

use lanner_engine::{Options, RecordedEvent, RuleSet, SourceFile, load};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let text = include_str!("../../../rules/lanner_rules.yaml").to_owned();
    let file = SourceFile { name: "lanner_rules.yaml".to_owned(), text };
    let (rules, _) = load(&[file], &Options::default());
    assert!(rules.rules().count() > 0);
    rules
});

fuzz_target!(|text: &str| {
    let Ok(event) = RecordedEvent::from_json(text) else { return };
    for matched in RULES.evaluate("syscall", &event) {
        let _ = matched.falco_output();
    }
});
