//! Any bytes from the ring buffer: refused, or an event of which each field can be asked.
#![no_main]

use std::sync::Arc;

use lanner_sensor::{
    decode::{Family, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::recording,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let family = Family::of_record(bytes);
    let Ok(event) = decode(bytes) else { return };
    assert_eq!(family, Some(event.head.family));
    // With what the sensor would know of it, had it just started.
    let procfs = Procfs::new("/nowhere");
    let node = Node::new("node-1", procfs, Containers::new(None));
    if let Some(event) = Enricher::new(Arc::new(node)).take(event, |_| true) {
        let _ = event.entity();
        assert!(!recording::record(&event, &[]).is_empty());
    }
});
