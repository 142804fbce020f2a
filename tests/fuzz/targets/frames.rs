//! Any bytes on the sensor's socket: frames that encode to what was read, then an error or waiting.
#![no_main]

use lanner_alert::frame::{Decoder, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    while let Ok(Some(frame)) = decoder.next_frame() {
        let mut again = Vec::new();
        encode(&frame, &mut again).expect("it was within the bound");
        let mut second = Decoder::default();
        second.push(&again);
        assert_eq!(second.next_frame(), Ok(Some(frame)));
    }
});
