//! Any text as a playbook: refused with problems, or run on an alert within the limits.
#![no_main]

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use lanner_alert::{FalcoInput, Mode};
use lanner_responder::playbook::{AlertFacts, Playbooks};
use libfuzzer_sys::fuzz_target;

const ALERT: &str = r#"{"hostname":"falco","rule":"Terminal shell in container","priority":"Notice","source":"syscall","tags":["shell"],"time":"2026-01-02T03:04:05.678901234Z","output":"A shell","output_fields":{"container.id":"0123456789ab","k8s.ns.name":"shop","k8s.pod.name":"cart","proc.pid":42,"user.uid":0,"proc.cmdline":"sh"}}"#;

/// A file in memory, so that playbooks are loaded from where they always are.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/lanner-fuzz-{}.rhai", std::process::id())));

static FACTS: LazyLock<Arc<AlertFacts>> = LazyLock::new(|| {
    let input = FalcoInput { node: "node-1".to_owned(), cluster: None };
    Arc::new(AlertFacts::new(input.read(ALERT.as_bytes()).expect("a good alert")))
});

fuzz_target!(|text: &str| {
    fs::write(&*FILE, text).expect("write to memory");
    let (playbooks, problems) = Playbooks::load(&[&*FILE]);
    fs::remove_file(&*FILE).expect("remove what was written");
    for problem in problems {
        let _ = problem.to_string();
    }
    for playbook in playbooks.iter() {
        let _ = playbook.matches(&FACTS);
        if let Err(problem) = playbooks.plan(playbook, &FACTS, Mode::Enforce, Timestamp::UNIX_EPOCH)
        {
            let _ = problem.to_string();
        }
    }
});
