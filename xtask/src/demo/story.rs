//! One event from system call to outcome, as a person reads it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lanner_alert::{Action, Alert, AlertId, Outcome, Status, Step, StepState};

use super::watch::News;

/// What has been told, and what is still awaited.
pub(crate) struct Story {
    /// When the event behind each alert happened.
    events: BTreeMap<AlertId, Timestamp>,
    over: bool,
}

impl Story {
    pub(crate) fn begin(deed: &str) -> Self {
        println!("\n{deed}\n");
        Self { events: BTreeMap::new(), over: false }
    }

    /// Whether a plan about the event was carried out, or would have been.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn tell(&mut self, news: News) {
        match news {
            News::Alert { subject, seen, alert } => self.tell_alert(&subject, seen, &alert),
            News::Outcome { subject, seen, outcome } => self.tell_outcome(&subject, seen, &outcome),
        }
    }

    fn tell_alert(&mut self, subject: &str, seen: Timestamp, alert: &Alert) {
        self.events.insert(alert.id, alert.time);
        line(since(alert.time, seen), "alert", &format!("{}: {}", alert.priority, alert.rule));
        line("", "output", &alert.output);
        line("", "subject", subject);
        line("", "entity", &entity(alert));
        line("", "id", &alert.id.to_string());
    }

    fn tell_outcome(&mut self, subject: &str, seen: Timestamp, outcome: &Outcome) {
        let event = outcome.alert_time.unwrap_or(seen);
        if let (Some(playbook), Some(plan)) = (&outcome.playbook, outcome.plan) {
            let made = outcome.plan_made.map(|made| since(event, made)).unwrap_or_default();
            let mode = outcome.mode.unwrap_or_default();
            line(made, "plan", &format!("{plan} by playbook {playbook}, mode {mode}"));
        }
        for (number, step) in outcome.steps.iter().enumerate() {
            let done = step.record.since.map(|done| since(event, done)).unwrap_or_default();
            let state = match step.record.state {
                StepState::Done => "done",
                StepState::Pending => "not done",
                StepState::Started => "begun",
                StepState::Failed => "failed",
                StepState::Undone => "taken back",
            };
            let text = format!("{}  {}  [{state}]", step.step.at, deed(&step.step));
            line(done, &format!("step {}", number + 1), &text);
        }
        let reason = outcome.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        line(since(event, seen), "outcome", &format!("{}{reason}", outcome.status));
        line("", "subject", subject);
        self.over |= matches!(outcome.status, Status::Executed | Status::Observed | Status::Failed);
    }
}

fn deed(step: &Step) -> String {
    let target = step.target.as_ref().map(|target| format!(" {target}")).unwrap_or_default();
    match &step.action {
        Action::Notify { channel, text } => format!("notify {channel}: {text}"),
        action => format!("{}{target}", action.verb()),
    }
}

fn entity(alert: &Alert) -> String {
    let entity = &alert.entity;
    let mut parts = vec![format!("node {}", alert.node)];
    if let (Some(namespace), Some(name)) = (&entity.pod_namespace, &entity.pod_name) {
        parts.push(format!("pod {namespace}/{name}"));
    }
    if let Some(uid) = &entity.pod_uid {
        parts.push(format!("uid {uid}"));
    }
    if let Some(container) = entity.container_id.as_ref().and_then(|id| id.get(..12)) {
        parts.push(format!("container {container}"));
    }
    if let Some(pid) = entity.pid {
        parts.push(format!("pid {pid}"));
    }
    parts.join(", ")
}

/// `+ 12.3 ms` from the system call to `then`.
fn since(event: Timestamp, then: Timestamp) -> String {
    let millis = then.duration_since(event).as_secs_f64() * 1e3;
    format!("+{millis:9.1} ms")
}

/// Controls stand for themselves nowhere: an attacker's text is in here.
fn line(when: impl AsRef<str>, name: &str, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    println!("  {:>14}  {name:<8} {text}", when.as_ref());
}
