//! Any condition on any recorded event: what is printed of it decides alike, and its negation the other way.
#![no_main]

use lanner_engine::{Filter, RecordedEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some((condition, event)) = text.split_once('\n') else { return };
    let Ok(event) = RecordedEvent::from_json(event) else { return };
    let Ok(filter) = Filter::compile(condition) else { return };
    let holds = filter.matches(&event);
    let printed = Filter::compile(&filter.to_string()).expect("what we printed");
    assert_eq!(printed.matches(&event), holds, "{condition:?} is printed as {filter}");
    // One level deeper may be one too many.
    if let Ok(opposite) = Filter::compile(&format!("not ({filter})")) {
        assert_ne!(opposite.matches(&event), holds, "{condition:?}");
    }
});
