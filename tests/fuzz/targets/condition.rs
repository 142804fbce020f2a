//! Any text as a condition: refused, or one that printed and read again is the same.
#![no_main]

use lanner_engine::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(filter) = Filter::compile(text) else { return };
    Filter::check_syntax(text).expect("what compiles follows the grammar");
    let printed = filter.to_string();
    let again = match Filter::compile(&printed) {
        Ok(again) => again,
        Err(error) => panic!("{text:?} is printed as {printed:?}: {error}"),
    };
    assert_eq!(again.to_string(), printed);
    assert_eq!(again.fields(), filter.fields());
});
