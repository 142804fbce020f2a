//! Any text as a control group's path and as `/proc/PID/cgroup`: no container, or one with a whole id.
#![no_main]

use lanner_sensor::enrich::container::{container_of_path, container_of_proc};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for id in [container_of_path(text), container_of_proc(text)].into_iter().flatten() {
        assert_eq!(id.full.len(), 64);
        assert!(id.full.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert!(text.contains(&id.full));
        assert_eq!(id.short().len(), 12);
    }
});
