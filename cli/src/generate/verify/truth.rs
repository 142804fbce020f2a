//! An alert against what is true of a deed.

use std::{fmt::Debug, net::SocketAddr};

use lanner_alert::Alert;
use serde_json::{Map, Value};

use crate::generate::{action::Action, perform::Deed, told::Facts};

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
        // Its own control groups' names do not say it.
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
    compared.deed(facts);
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

    /// What the deed was about. An alert that shows nothing of it proves nothing.
    fn deed(&mut self, facts: &Facts) {
        let mut shown = 0;
        for (name, truth) in &facts.fields {
            shown += usize::from(self.field(name, truth) || self.among_arguments(name, truth));
        }
        if let Some(server) = facts.server {
            let (ip, port) = (server.ip().to_string(), server.port().to_string());
            shown += usize::from(self.field("fd.sip", &ip) | self.field("fd.sport", &port));
            shown += usize::from(self.connection(server));
        }
        let mut expected: Vec<&str> = facts.fields.keys().map(String::as_str).collect();
        expected.extend(facts.server.map(|_| "fd.name"));
        if shown == 0 && !expected.is_empty() {
            self.wrong.push(format!("nothing to compare: it has no {}", expected.join(", no ")));
        }
    }

    /// Whether the alert has the field. A file may have two names, of which the rule matched with
    /// either; the other one stands beside it.
    fn field(&mut self, name: &str, truth: &str) -> bool {
        let Some(said) = self.said(name) else { return false };
        let is_so =
            said == truth || self.said(&format!("{name}.resolved")).as_deref() == Some(truth);
        if !is_so {
            self.wrong.push(format!("{name} is {said:?}, not {truth:?}"));
        }
        true
    }

    /// `evt.arg.path` in `evt.args`: `res=0 path=/etc/shadow mode=0`. Whether the alert has those.
    fn among_arguments(&mut self, name: &str, truth: &str) -> bool {
        let Some(argument) = name.strip_prefix("evt.arg.") else { return false };
        let Some(said) = self.said("evt.args") else { return false };
        let pair = format!("{argument}={truth}");
        if !said.split(' ').any(|word| word == pair) {
            self.wrong.push(format!("evt.args is {said:?}, without {pair:?}"));
        }
        true
    }

    /// `fd.name` of a socket: `CLIENT->SERVER`, or of one that listens `SERVER`. Whether the alert
    /// has it.
    fn connection(&mut self, server: SocketAddr) -> bool {
        let Some(said) = self.said("fd.name") else { return false };
        // An address of IPv6 is in no brackets there.
        let server = format!("{}:{}", server.ip(), server.port());
        if said.rsplit("->").next() != Some(&server) {
            self.wrong.push(format!("fd.name is {said:?}, not to {server:?}"));
        }
        true
    }

    fn said(&self, name: &str) -> Option<String> {
        Some(match self.fields.get(name)? {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
    }

    fn terminal(&mut self, has_one: bool) {
        let Some(value) = self.fields.get("proc.tty") else { return };
        if (value.as_i64() != Some(0)) != has_one {
            let truth = if has_one { "a terminal's number" } else { "0" };
            self.wrong.push(format!("proc.tty is {value}, not {truth}"));
        }
    }
}
