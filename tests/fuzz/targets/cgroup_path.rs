//! Any text as a control group's path and as `/proc/PID/cgroup`: no container, or one with a whole id or a name.
#![no_main]

use lanner_sensor::enrich::container::{NAME_LEN_MAX, container_of_path, container_of_proc};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for id in [container_of_path(text), container_of_proc(text)].into_iter().flatten() {
        let is_of_name = |byte| matches!(byte, b'.' | b'_' | b'-' | b'\\');
        assert!((1..=NAME_LEN_MAX).contains(&id.full.len()));
        assert!(id.full.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_of_name(byte)));
        assert!(text.contains(&id.full));
        assert_eq!(id.short().len(), id.full.len().min(12));
    }
});
