//! The recorded events: see benches/README.md.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
};

use flate2::read::GzDecoder;
use lanner_engine::{Event as _, RecordedEvent};
use serde_json::{Map, Value};

/// What the numbers are told for separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Open,
    Connect,
    Exec,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Connect, Self::Exec];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Connect => "connect",
            Self::Exec => "exec",
        }
    }

    fn of(event: &RecordedEvent) -> Self {
        match event.event_type() {
            "connect" => Self::Connect,
            "execve" | "execveat" => Self::Exec,
            _ => Self::Open,
        }
    }
}

/// Reads all events, each with its class.
pub(crate) fn read() -> Vec<(Class, RecordedEvent)> {
    let compressed: &[u8] = include_bytes!("../mix.jsonl.gz");
    let mut last_of_process: HashMap<u64, Map<String, Value>> = HashMap::new();
    let lines = BufReader::new(GzDecoder::new(compressed)).lines();
    let event = |line: std::io::Result<String>| {
        let changes: Map<String, Value> = serde_json::from_str(&line.expect("whole file")).unwrap();
        let process = changes["proc.pid"].as_u64().unwrap();
        let fields = last_of_process.entry(process).or_default();
        for (name, value) in changes {
            if value.is_null() {
                fields.remove(&name)
            } else {
                fields.insert(name, value)
            };
        }
        let event = RecordedEvent::from_map(fields).expect("a recorded event");
        (Class::of(&event), event)
    };
    lines.map(event).collect()
}
