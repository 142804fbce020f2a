//! Events as people write them down: recorded ones, and Kubernetes audit events.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use lanner_engine::{AuditEvent, Event, RecordedEvent};
use serde_json::Value as Json;

/// The events of one JSON value: a recorded event, or an audit event, or a list of those.
///
/// # Errors
/// When it is neither, or one of the list is no audit event.
pub(crate) fn events_of(json: Json) -> anyhow::Result<Vec<Box<dyn Event>>> {
    if AuditEvent::is_one(&json) {
        let events = AuditEvent::from_value(json).into_iter();
        let events = events.map(|event| event.map(|event| Box::new(event) as Box<dyn Event>));
        return Ok(events.collect::<Result<_, _>>()?);
    }
    let Json::Object(fields) = json else { anyhow::bail!("an event is one JSON object") };
    Ok(vec![Box::new(RecordedEvent::from_map(&fields)?)])
}

/// A file's text; `-` is standard input.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    if path.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(path) }
}

/// The one event of a file; `-` is standard input.
pub(crate) fn read_one(path: &Path) -> anyhow::Result<Box<dyn Event>> {
    let text = read_text(path).with_context(|| format!("cannot read event {}", path.display()))?;
    let read = serde_json::from_str(&text).context("an event is one JSON object");
    let mut events = read
        .and_then(events_of)
        .with_context(|| format!("cannot parse event {}", path.display()))?;
    let count = events.len();
    let one = events.pop().filter(|_| count == 1);
    one.with_context(|| format!("{} holds {count} events; one is wanted", path.display()))
}
