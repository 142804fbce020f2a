//! Any bytes from the ring buffer: refused, or an event of which each field can be asked.
#![no_main]

use std::sync::Arc;

use lanner_sensor::{
    decode::{Facts, Family, KernelEvent, KernelPath, decode},
    enrich::{
        container::container_of_path,
        process::{Process, ProcessCache, ProcessKey},
        users::UserNames,
    },
    event::{Happening, SyscallEvent, path, recording},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let family = Family::of_record(bytes);
    let Ok(event) = decode(bytes) else { return };
    assert_eq!(family, Some(event.head.family));
    if let Some(event) = surrounded(event) {
        let _ = event.entity();
        assert!(!recording::record(&event, &[]).is_empty());
    }
});

/// With what the sensor would know of it, had it just started.
fn surrounded(event: KernelEvent) -> Option<SyscallEvent> {
    let KernelEvent { head, facts } = event;
    let mut processes = ProcessCache::default();
    let mut container = None;
    let happening = match facts {
        Facts::Fork(facts) => {
            processes.on_fork(&head, &facts);
            return None;
        }
        Facts::Exit(_) => {
            processes.on_exit(&head);
            return None;
        }
        Facts::Exec(exec) => {
            processes.on_exec(&head, &exec);
            let group = exec.cgroup.as_ref().and_then(|group| group.as_bytes());
            container = group.and_then(|path| container_of_path(&String::from_utf8_lossy(path)));
            Happening::Exec(exec)
        }
        Facts::Socket(socket) => Happening::Socket(socket),
        Facts::Open(open) => {
            let base = open.base.as_ref().and_then(KernelPath::as_bytes).unwrap_or_default();
            let lexical = path::lexical(base, &open.raw);
            assert!(lexical.starts_with(b"/"));
            let resolved = match &open.resolved {
                Some(KernelPath::Rooted(path)) => {
                    assert!(path.starts_with(b"/") && !path.contains(&0));
                    Some(path.clone())
                }
                _ => None,
            };
            Happening::Open { open, lexical, resolved }
        }
    };
    let process = processes.get(ProcessKey::new(head.tgid, head.start_ns)).cloned();
    let process = process.unwrap_or_else(|| Arc::new(Process::from_head(&head)));
    Some(SyscallEvent {
        number: 1,
        time_ns: 0,
        boot_time_ns: 0,
        ancestors: processes.ancestors(&process),
        session_leader: processes.newest_of(process.facts.sid).cloned(),
        head,
        happening,
        process,
        names: UserNames::default(),
        container,
        info: None,
        node: "node-1".into(),
        boot_id: "".into(),
    })
}
