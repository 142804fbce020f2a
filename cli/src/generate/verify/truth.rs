//! An alert against what is true of a deed.

use std::fmt::Debug;

use lanner_alert::Alert;
use serde_json::{Map, Value};

use crate::generate::{action::Action, perform::Deed};

/// What the alert says of the deed that is not so. Output fields are compared
/// where the rule's output has them; the entity is every alert's.
pub(super) fn differences(action: &Action, deed: &Deed, alert: &Alert) -> Vec<String> {
    let mut compared = Comparison { fields: &alert.output_fields, wrong: Vec::new() };
    let (facts, entity) = (&deed.facts, &alert.entity);

    if let Some(pid) = deed.pid {
        compared.is("entity.pid", Some(i64::from(pid)), entity.pid);
    }
    compared.is("entity.exe_path", Some(facts.exe.as_str()), entity.exe_path.as_deref());
    compared.is("entity.uid", Some(facts.uid), entity.uid);
    match (&deed.container, deed.on_host) {
        (Some(id), _) => {
            compared.is("entity.container_id", Some(id.as_str()), entity.container_id.as_deref());
            compared.field("container.id", id.get(..12).unwrap_or(id));
        }
        (None, true) => {
            compared.is("entity.container_id", None, entity.container_id.as_deref());
            compared.field("container.id", "host");
        }
        // We do not know by what name those outside know us.
        (None, false) if entity.container_id.is_none() => {
            compared.wrong.push("entity.container_id is missing".to_owned());
        }
        (None, false) => {}
    }
    if let Some(pod) = &deed.pod {
        let (namespace, name) = (Some(pod.namespace.as_str()), Some(pod.name.as_str()));
        compared.is("entity.pod_namespace", namespace, entity.pod_namespace.as_deref());
        compared.is("entity.pod_name", name, entity.pod_name.as_deref());
        compared.field("k8s.ns.name", &pod.namespace);
        compared.field("k8s.pod.name", &pod.name);
    }

    compared.field("proc.name", &facts.name);
    compared.field("proc.pname", &deed.parent);
    compared.field("proc.exepath", &facts.exe);
    compared.field("proc.args", &facts.args);
    let cmdline = [facts.name.as_str(), facts.args.as_str()].join(" ");
    compared.field("proc.cmdline", cmdline.trim_end());
    compared.field("user.uid", &facts.uid.to_string());
    if let Some(user) = &facts.user {
        compared.field("user.name", user);
    }
    compared.terminal(facts.terminal);
    for (field, value) in &facts.fields {
        compared.field(field, value);
    }
    // The rule may look at several types of which one is ours.
    if action.event == "execve" {
        compared.field("evt.type", "execve");
    }
    compared.wrong
}

struct Comparison<'a> {
    fields: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    fn is<T: PartialEq + Debug>(&mut self, what: &str, truth: Option<T>, said: Option<T>) {
        if truth != said {
            let show =
                |value: Option<T>| value.map_or("missing".to_owned(), |it| format!("{it:?}"));
            self.wrong.push(format!("{what} is {}, not {}", show(said), show(truth)));
        }
    }

    fn field(&mut self, name: &str, truth: &str) {
        let Some(value) = self.fields.get(name) else { return };
        let said = match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        if said != truth {
            self.wrong.push(format!("{name} is {said:?}, not {truth:?}"));
        }
    }

    fn terminal(&mut self, has_one: bool) {
        let Some(value) = self.fields.get("proc.tty") else { return };
        if (value.as_i64() != Some(0)) != has_one {
            let truth = if has_one { "a terminal's number" } else { "0" };
            self.wrong.push(format!("proc.tty is {value}, not {truth}"));
        }
    }
}
