//! `lanner rules eval`: recorded events or an audit log in, alerts out.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_engine::{AuditEvent, Event, Field, Match, Options, RecordedEvent, Value};
use serde_json::{Map, Value as Json, json};

use super::{Matching, Source};
use crate::Verdict;

pub(super) fn run(
    rules: &[PathBuf],
    events: &Path,
    source: Source,
    matching: Matching,
) -> anyhow::Result<Verdict> {
    let matching = match matching {
        Matching::First => lanner_engine::Matching::First,
        Matching::All => lanner_engine::Matching::All,
    };
    let options = Options { matching, ..Options::default() };
    let Some(rules) = super::load_good(rules, &options)? else {
        return Ok(Verdict::BadInput);
    };

    let cannot_read = || format!("cannot read events {}", events.display());
    let lines = BufReader::new(File::open(events).with_context(cannot_read)?).lines();
    let mut out = std::io::stdout().lock();
    let mut verdict = Verdict::Good;
    let mut events_seen = 0;
    for (index, line) in lines.enumerate() {
        let line = line.with_context(cannot_read)?;
        if line.trim().is_empty() {
            continue;
        }
        for event in events_of(&line, source, &mut events_seen) {
            match event {
                Ok(event) => {
                    for matched in rules.evaluate(source.as_str(), &*event) {
                        writeln!(out, "{}", alert(&matched, &*event))
                            .context("cannot print an alert")?;
                    }
                }
                Err(error) => {
                    eprintln!("{}:{}: {error:#}", events.display(), index + 1);
                    verdict = Verdict::BadInput;
                }
            }
        }
    }
    Ok(verdict)
}

/// The events of a line: a recorded one or, for the audit source, the API server's own JSON, which
/// may be a list of them. `seen` counts audit events, for `evt.num`.
fn events_of(line: &str, source: Source, seen: &mut u64) -> Vec<anyhow::Result<Box<dyn Event>>> {
    if matches!(source, Source::K8sAudit) {
        match serde_json::from_str::<Json>(line) {
            Ok(json) if AuditEvent::is_one(&json) => {
                let mut numbered = |event: AuditEvent| -> Box<dyn Event> {
                    *seen += 1;
                    Box::new(event.numbered(*seen))
                };
                let events = AuditEvent::from_value(json).into_iter();
                return events.map(|event| Ok(numbered(event?))).collect();
            }
            // What it is instead, or what is wrong with it, is told below.
            Ok(_) | Err(_) => {}
        }
    }
    let recorded = RecordedEvent::from_json(line);
    vec![recorded.map(|event| Box::new(event) as Box<dyn Event>).map_err(Into::into)]
}

/// The alert with Falco's keys.
fn alert(matched: &Match<'_>, event: &dyn Event) -> Json {
    let hostname = match event.get(Field::EvtHostname, None) {
        Some(Value::Text(name)) => String::from_utf8_lossy(&name).into_owned(),
        _ => String::new(),
    };
    let time = Timestamp::from_nanosecond(i128::from(matched.time_ns)).unwrap_or_default();
    json!({
        "hostname": hostname,
        "output": matched.falco_output(),
        "output_fields": matched.output_fields.iter().cloned().collect::<Map<_, _>>(),
        "priority": matched.rule.priority.as_str(),
        "rule": matched.rule.name,
        "source": matched.rule.source,
        "tags": matched.rule.tags,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(),
    })
}
