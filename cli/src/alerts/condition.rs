//! `--where`: a condition of the rules' language over what an alert says.

use std::fmt::Write as _;

use lanner_alert::Alert;
use lanner_engine::{Diagnostic, Event as _, FieldRef, Filler, Filter, Kind, RecordedEvent};
use serde_json::{Map, Value as Json};

/// Alerts after which a field that none of them had is worth a word.
const ENOUGH: u64 = 100;

/// A compiled condition, and which of its fields were ever there.
#[derive(Debug)]
pub(super) struct Condition {
    filter: Filter,
    /// Fields of the condition that no alert had yet.
    never_there: Vec<FieldRef>,
    examined: u64,
    told: bool,
}

impl Condition {
    pub(super) fn compile(text: &str) -> Result<Self, Box<Diagnostic>> {
        let filter = Filter::compile(text)?;
        let never_there = filter.fields().to_vec();
        Ok(Self { filter, never_there, examined: 0, told: false })
    }

    pub(super) fn holds(&mut self, alert: &Alert) -> bool {
        let event = event_of(alert);
        self.examined += 1;
        self.never_there.retain(|field| !is_there(field, &event));
        self.filter.matches(&event)
    }

    /// Once: the fields that no alert had, after enough alerts or at the `end`.
    pub(super) fn remark(&mut self, end: bool) -> Option<String> {
        let enough = self.examined >= ENOUGH || (end && self.examined > 0);
        if self.told || !enough {
            return None;
        }
        self.told = true;
        let (first, others) = self.never_there.split_first()?;
        let mut fields = first.to_string();
        for other in others {
            // Writing to a String cannot fail.
            let _ = write!(fields, ", {other}");
        }
        Some(format!(
            "none of the {} alerts looked at so far says {fields}: no comparison with that holds",
            self.examined
        ))
    }
}

/// An alert says what its rule's output names, who it is about, and when.
fn event_of(alert: &Alert) -> RecordedEvent {
    let mut fields: Map<String, Json> = Map::new();
    for (field, value) in &alert.output_fields {
        // So stock Falco writes a missing value.
        if value.as_str() != Some("<NA>") {
            fields.insert(field.clone(), value.clone());
        }
    }
    let entity = &alert.entity;
    let mut fact = |field: &str, value: Option<Json>| {
        let known = fields.entry(field).or_insert(Json::Null);
        if let (Json::Null, Some(value)) = (&known, value) {
            *known = value;
        }
    };
    let text = |text: &Option<String>| text.clone().map(Json::from);
    fact("evt.source", Some(alert.source.clone().into()));
    fact("evt.hostname", Some(alert.node.clone().into()));
    fact("k8s.ns.name", text(&entity.pod_namespace));
    fact("k8s.pod.name", text(&entity.pod_name));
    fact("k8s.pod.uid", text(&entity.pod_uid));
    fact("container.id", entity.container_id.as_ref().map(|id| short(id).into()));
    fact(
        "container.full_id",
        text(&entity.container_id).filter(|_| is_full(entity.container_id.as_deref())),
    );
    fact("proc.pid", entity.pid.map(Json::from));
    fact("proc.exepath", text(&entity.exe_path));
    fact("user.uid", entity.uid.map(Json::from));
    // The alert's own time, whatever its output made of it.
    if let Ok(time) = i64::try_from(alert.time.as_nanosecond()) {
        fields.insert("evt.time".to_owned(), time.into());
        fields.insert("evt.rawtime".to_owned(), time.into());
    }
    let (event, _unusable) = RecordedEvent::from_output_fields(&fields);
    event
}

/// Falco's `container.id` has twelve digits.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn is_full(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.len() == 64)
}

fn is_there(field: &FieldRef, event: &RecordedEvent) -> bool {
    match field.field.filler() {
        // The engine finds these from the event's time or from its type; or
        // from another field, which is not looked for here.
        Filler::Engine if field.kind() == Kind::Time => true,
        Filler::Engine if field.field.name().starts_with("evt.") => !event.event_type().is_empty(),
        Filler::Engine => true,
        _ => event.get(field.field, field.arg.as_deref()).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert() -> Alert {
        let alert = json!({
            "id": "00000000-0000-7000-8000-000000000000", "schema": 1,
            "time": "2026-01-02T03:04:05Z", "node": "node-7", "hostname": "h", "output": "",
            "rule": "r", "priority": "Warning", "source": "syscall",
            "output_fields": {
                "evt.time": "03:04:05.000000000", "proc.name": "sh", "proc.pname": null,
                "proc.exepath": "<NA>", "fd.sport": 443, "fd.sip": "10.1.2.3", "nobody.knows": 1,
                "proc.aname[2]": "sshd", "proc.tty": "none",
            },
            "entity": {
                "pod_namespace": "prod", "exe_path": "/bin/sh", "uid": 0,
                "container_id": "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e",
            },
        });
        Alert::from_json(alert.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn it_holds_over_what_the_alert_says() {
        for (text, holds) in [
            ("k8s.ns.name = prod", true),
            ("k8s.ns.name = prod and proc.name contains s", true),
            ("k8s.ns.name in (dev, test)", false),
            ("evt.source = syscall and evt.hostname = node-7", true),
            ("proc.exepath = /bin/sh", true),
            ("container.id = 3ad7b26ded6d", true),
            ("container.full_id startswith 3ad7b26ded6d8e7b", true),
            ("user.uid = 0 and fd.sport = 443", true),
            ("fd.snet = 10.0.0.0/8", true),
            ("proc.aname[2] = sshd", true),
            ("evt.rawtime.s = 1767323045", true),
            // Not said: neither so nor otherwise.
            ("proc.pname = sh", false),
            ("proc.pname != sh", false),
            ("k8s.pod.name exists", false),
            // No value of that field.
            ("proc.tty = 0", false),
        ] {
            let mut condition = Condition::compile(text).unwrap();
            assert_eq!(condition.holds(&alert()), holds, "{text}");
        }
    }

    #[test]
    fn fields_that_no_alert_has_are_told_once() {
        let text = "proc.name = sh and (fd.name = x or evt.type = open or evt.rawtime.s > 0)";
        let mut condition = Condition::compile(text).unwrap();
        assert_eq!(condition.remark(true), None, "nothing was looked at");
        condition.holds(&alert());
        assert_eq!(condition.remark(false), None, "one alert says little");
        let remark = condition.remark(true).unwrap();
        assert_eq!(
            remark,
            "none of the 1 alerts looked at so far says evt.type, fd.name: \
             no comparison with that holds"
        );
        assert_eq!(condition.remark(true), None);
    }
}
