//! Matches of rules, made into alerts.

use jiff::{Timestamp, tz::TimeZone};
use lanner_alert::{Alert, AlertId, Entity, Priority, SCHEMA};
use lanner_engine::{Event, Field, Match, RuleSet, Scratch, Value};
use serde_json::{Map, Value as Json};

use crate::{event::path_call::PATH_ARGUMENTS, rules::SYSCALL};

/// Evaluates events and writes alerts for what matches.
#[derive(Clone)]
pub struct AlertMaker {
    node: String,
    cluster: Option<String>,
    time_zone: TimeZone,
}

/// What is kept of the text of an alert that is too long: in JSON, six bytes each.
const OUTPUT_CUT_CHARS: usize = 16 << 10;

/// Among the fields of an alert that lacks what the container's runtime knows.
pub const INCOMPLETE: &str = "container.incomplete";

impl AlertMaker {
    pub fn new(node: &str, cluster: Option<&str>) -> Self {
        Self {
            node: node.to_owned(),
            cluster: cluster.map(str::to_owned),
            time_zone: TimeZone::system(),
        }
    }

    /// One alert for each rule that the event matches. `about` says whom, and whether not all
    /// is known of the container yet.
    pub fn alerts(
        &self,
        rules: &RuleSet,
        scratch: &mut Scratch,
        event: &dyn Event,
        about: impl Fn() -> (Entity, bool),
    ) -> Vec<Alert> {
        let found = rules.evaluate_with(scratch, SYSCALL, event).into_iter();
        found
            .map(|found| {
                let (entity, is_incomplete) = about();
                self.alert(found, event, entity, is_incomplete)
            })
            .collect()
    }

    /// An alert of the sensor about itself.
    pub fn own(&self, rule: &str, priority: Priority, message: &str, now: Timestamp) -> Alert {
        let alert = Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time: now,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            hostname: self.node.clone(),
            rule: rule.to_owned(),
            priority,
            source: "lanner".to_owned(),
            tags: ["lanner".to_owned()].into(),
            output: self.line(now, priority, message),
            output_fields: Map::new(),
            entity: Entity::default(),
            other: Map::new(),
        };
        if alert.to_json().is_ok() { alert } else { cut(alert) }
    }

    /// Says of an alert like `last` that there were more: whom it is about and what it belongs
    /// to are that one's.
    pub fn repeated(&self, last: &Alert, message: &str, fields: Map<String, Json>) -> Alert {
        Alert {
            id: AlertId::new(),
            output: self.line(last.time, last.priority, message),
            output_fields: fields,
            ..last.clone()
        }
    }

    fn alert(
        &self,
        found: Match<'_>,
        event: &dyn Event,
        entity: Entity,
        is_incomplete: bool,
    ) -> Alert {
        let time_ns = event.time_ns();
        let time = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
        let priority = priority(found.rule.priority);
        let mut output_fields: Map<_, _> = found.output_fields.into_iter().collect();
        output_fields.insert("evt.time".to_owned(), time_ns.into());
        if event.has_other_path() {
            add_both_paths(event, &mut output_fields);
        }
        if is_incomplete {
            // Says why the container's fields are missing.
            output_fields.insert(INCOMPLETE.to_owned(), true.into());
        }
        let alert = Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            hostname: self.node.clone(),
            rule: found.rule.name.clone(),
            priority,
            source: found.rule.source.clone(),
            tags: found.rule.tags.iter().cloned().collect(),
            output: self.line(time, priority, &found.output),
            output_fields,
            entity,
            other: Map::new(),
        };
        if alert.to_json().is_ok() { alert } else { cut(alert) }
    }

    /// Falco's line: local time, priority, message.
    fn line(&self, time: Timestamp, priority: Priority, message: &str) -> String {
        let time = time.to_zoned(self.time_zone.clone()).strftime("%H:%M:%S.%9f").to_string();
        format!("{time}: {priority} {message}")
    }
}

/// Adds what the program called its file, and what that really is. What the rule itself prints
/// stays: it is the path that the rule matched with.
fn add_both_paths(event: &dyn Event, fields: &mut Map<String, Json>) {
    let mut add = |key: &str, value: Option<Value<'_>>| {
        if let Some(Value::Text(text)) = value {
            let text = String::from_utf8_lossy(&text).into_owned();
            fields.entry(key).or_insert_with(|| text.into());
        }
    };
    if let Some(resolved) = event.get(Field::FdNameResolved, None) {
        add("fd.name", event.get(Field::FdName, None));
        add("fd.nameraw", event.get(Field::FdNameraw, None));
        add("fd.name.resolved", Some(resolved));
        return;
    }
    // Of a call about names `fd.*` is another file: the directory that its path starts from.
    for name in PATH_ARGUMENTS {
        let shown = event.get(Field::EvtArg, Some(name));
        let resolved = event.get_with_other_path(Field::EvtArg, Some(name));
        if shown != resolved {
            add(&format!("evt.arg.{name}"), shown);
            add(&format!("evt.rawarg.{name}"), event.get(Field::EvtRawarg, Some(name)));
            add(&format!("evt.arg.{name}.resolved"), resolved);
        }
    }
}

/// The same alert, short enough for every output: whoever chose long names must not
/// get away with it. Whom it is about stays whole.
fn cut(mut alert: Alert) -> Alert {
    let time = alert.output_fields.remove("evt.time");
    alert.output_fields = time.into_iter().map(|time| ("evt.time".to_owned(), time)).collect();
    alert.output_fields.insert("alert.cut".to_owned(), true.into());
    alert.output = alert.output.chars().take(OUTPUT_CUT_CHARS).collect();
    alert
}

fn priority(of_rule: lanner_engine::Priority) -> Priority {
    use lanner_engine::Priority as Of;
    match of_rule {
        Of::Emergency => Priority::Emergency,
        Of::Alert => Priority::Alert,
        Of::Critical => Priority::Critical,
        Of::Error => Priority::Error,
        Of::Warning => Priority::Warning,
        Of::Notice => Priority::Notice,
        Of::Informational => Priority::Informational,
        Of::Debug => Priority::Debug,
    }
}
