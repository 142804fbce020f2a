//! Test files, and what their cases expect.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_engine::Event;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use serde_saphyr::Spanned;

use crate::event::events_of;

/// A test file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suite {
    /// Rule files and folders of them, relative to the test file.
    pub(super) rules: Vec<PathBuf>,

    /// Where the events come from.
    #[serde(default = "syscall")]
    pub(super) source: String,

    /// Events to start from, by name.
    #[serde(default)]
    bases: BTreeMap<String, Map<String, Json>>,

    pub(super) cases: Vec<Spanned<Case>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,

    /// Fields by name, or Kubernetes audit events; `base` names what the event starts from.
    #[serde(default)]
    events: Vec<Spanned<Map<String, Json>>>,

    /// A file of events, one a line, relative to the test file.
    events_from: Option<Spanned<PathBuf>>,

    /// The alerts of all the events together, in any order, and no other.
    pub(super) expect: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expected {
    Rule(String),
    Alert(ExpectedAlert),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedAlert {
    rule: String,
    priority: Option<String>,
    /// Texts that the message holds.
    #[serde(default)]
    output: Vec<String>,
}

/// An alert as the tests compare it.
pub(super) struct Alert {
    pub(super) rule: String,
    pub(super) priority: &'static str,
    pub(super) output: String,
}

fn syscall() -> String {
    "syscall".to_owned()
}

impl Suite {
    /// Reads a test file.
    ///
    /// # Errors
    /// When it cannot be read or is none; the message begins with file, line and column.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(lanner_service::config::parse(&text, path)?)
    }

    /// The events of a case of this suite, which stands in `path`.
    ///
    /// # Errors
    /// When an event is none; the message begins with file and line.
    pub(super) fn events(&self, case: &Case, path: &Path) -> anyhow::Result<Vec<Box<dyn Event>>> {
        let mut events = Vec::new();
        for written in &case.events {
            let read = self.with_base(&written.value).and_then(events_of);
            let place = || format!("{}:{}", path.display(), written.referenced.line());
            events.extend(read.with_context(place)?);
        }
        if let Some(from) = &case.events_from {
            let file = beside(path).join(&from.value);
            let cannot_read = || {
                let line = from.referenced.line();
                format!("{}:{line}: cannot read events {}", path.display(), file.display())
            };
            let lines = BufReader::new(File::open(&file).with_context(cannot_read)?).lines();
            for (index, line) in lines.enumerate() {
                let line = line.with_context(cannot_read)?;
                if line.trim().is_empty() {
                    continue;
                }
                let read = serde_json::from_str(&line).context("an event is one JSON object");
                let place = || format!("{}:{}", file.display(), index + 1);
                events.extend(read.and_then(events_of).with_context(place)?);
            }
        }
        anyhow::ensure!(!events.is_empty(), "a case has `events` or `events_from`, or both");
        Ok(events)
    }

    fn with_base(&self, written: &Map<String, Json>) -> anyhow::Result<Json> {
        let mut event = match written.get("base") {
            None => Map::new(),
            Some(name) => {
                let base = name.as_str().and_then(|name| self.bases.get(name));
                base.with_context(|| format!("no base is named {name}"))?.clone()
            }
        };
        let own = written.iter().filter(|(key, _)| *key != "base");
        merge(&mut event, own.map(|(key, value)| (key.clone(), value.clone())));
        Ok(Json::Object(event))
    }
}

/// Puts `own` over `event`; objects, which audit events are made of, are merged key by key.
fn merge(event: &mut Map<String, Json>, own: impl Iterator<Item = (String, Json)>) {
    for (key, value) in own {
        match (event.get_mut(&key), value) {
            (Some(Json::Object(inner)), Json::Object(value)) => merge(inner, value.into_iter()),
            (_, value) => drop(event.insert(key, value)),
        }
    }
}

/// The folder that a test file is in.
pub(super) fn beside(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

impl Expected {
    pub(super) fn rule(&self) -> &str {
        match self {
            Self::Rule(rule) => rule,
            Self::Alert(wanted) => &wanted.rule,
        }
    }

    pub(super) fn fits(&self, alert: &Alert) -> bool {
        match self {
            Self::Rule(rule) => alert.rule == *rule,
            Self::Alert(wanted) => {
                let priority = wanted.priority.as_deref();
                alert.rule == wanted.rule
                    && priority.is_none_or(|name| name.eq_ignore_ascii_case(alert.priority))
                    && wanted.output.iter().all(|text| alert.output.contains(text))
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Rule(rule) => rule.clone(),
            Self::Alert(wanted) => {
                let priority = wanted.priority.as_deref().unwrap_or("any priority");
                format!("{} ({priority}): {}", wanted.rule, wanted.output.join(" ... "))
            }
        }
    }
}
