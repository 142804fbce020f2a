//! Any bytes as a segment of the forwarder's spool: what is found is read again as it was.
#![no_main]

use lanner_alert::Priority;
use lanner_bus_forwarder::spool::{
    record::{self, Found},
    segment,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    segment::read_header(bytes);
    // A body as it is, for no fuzzer guesses a checksum.
    if let Some((outgoing, taken_ms)) = record::decode(bytes, Priority::Notice) {
        let mut again = Vec::new();
        if record::encode(&outgoing, taken_ms, &mut again).is_ok() {
            let Found::Whole { body } = record::find(&again) else { panic!("it is whole") };
            assert_eq!(record::decode(body, Priority::Notice), Some((outgoing, taken_ms)));
        }
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = match record::find(rest) {
            Found::Whole { body } => record::HEAD_BYTES + body.len(),
            Found::Partial { .. } | Found::Damaged => record::skip(rest),
        };
        rest = rest.get(len..).expect("it says how far the bytes go");
    }
});
