//! `lanner rules eval`: recorded events in, alerts out.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_engine::{Event as _, Field, Match, Options, RecordedEvent, Value};
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
    for (index, line) in lines.enumerate() {
        let line = line.with_context(cannot_read)?;
        if line.trim().is_empty() {
            continue;
        }
        let event = match RecordedEvent::from_json(&line) {
            Ok(event) => event,
            Err(error) => {
                let error = anyhow::Error::from(error);
                eprintln!("{}:{}: {error:#}", events.display(), index + 1);
                verdict = Verdict::BadInput;
                continue;
            }
        };
        for matched in rules.evaluate(source.as_str(), &event) {
            writeln!(out, "{}", alert(&matched, &event)).context("cannot print an alert")?;
        }
    }
    Ok(verdict)
}

/// The alert with Falco's keys.
fn alert(matched: &Match<'_>, event: &RecordedEvent) -> Json {
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
