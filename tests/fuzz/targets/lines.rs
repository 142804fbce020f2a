//! Any bytes of Falco's, in any pieces: the lines that they hold, none longer than the bound.
#![no_main]

use lanner_bus_forwarder::{Line, LineSplitter};
use libfuzzer_sys::fuzz_target;

const LINE_BYTES_MAX: usize = 40;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let mut splitter = LineSplitter::new(LINE_BYTES_MAX);
    let mut lines = Vec::new();
    for piece in bytes.chunks(usize::from(piece).max(1)) {
        splitter.push(piece, |line| lines.push(line));
    }
    lines.extend(splitter.finish());

    let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What ends in a line feed has no line behind it.
    expected.pop_if(|last| last.is_empty());
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(expected) {
        match line {
            Line::Whole(line) => assert_eq!(line, expected),
            Line::TooLong { beginning, len } => {
                assert!(*len > LINE_BYTES_MAX && beginning.len() <= LINE_BYTES_MAX);
                assert_eq!(*len, expected.len());
                assert!(expected.starts_with(beginning));
            }
        }
    }
});
