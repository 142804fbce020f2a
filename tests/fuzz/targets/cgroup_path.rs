//! Any text as a control group's path and as `/proc/PID/cgroup`: no container, or one with a whole id or a name.
#![no_main]

use lanner_sensor::enrich::container::{Groups, NAME_LEN_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let found = [false, true].map(|nested_kubernetes| {
        let groups = Groups { nested_kubernetes };
        [groups.container_of_path(text), groups.container_of_proc(text)]
    });
    for id in found.into_iter().flatten().flatten() {
        let is_of_name = |byte| matches!(byte, b'.' | b'_' | b'-' | b'\\');
        assert!((1..=NAME_LEN_MAX).contains(&id.full.len()));
        assert!(id.full.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_of_name(byte)));
        assert!(text.contains(&id.full));
        assert_eq!(id.short().len(), id.full.len().min(12));
    }
});
