//! A plan, printed for people: before it is run, or long after.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use jiff::Timestamp;
use lanner_alert::{Action, Class, Mode, Plan, PlanRecord, Step, StepState, Target};
use serde::Serialize;

use crate::{
    guard::Guard,
    playbook::{AlertFacts, Playbook, Playbooks},
};

/// What the step does, without its place: `delete  pod shop/cart-7f  grace=5s`.
pub struct StepText<'a>(pub &'a Step);

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { action, target, class, .. } = self.0;
        write!(f, "{:<8}", action.verb())?;
        if let Some(target) = target {
            write!(f, " {target}")?;
        }
        match action {
            Action::Delete { grace_seconds: Some(grace) } => write!(f, "  grace={grace}s")?,
            Action::Delete { grace_seconds: None } => {}
            Action::Isolate { allow_dns, allow_namespaces } => {
                if *allow_dns {
                    f.write_str("  allow_dns")?;
                }
                if !allow_namespaces.is_empty() {
                    write!(f, "  allow_namespaces={}", allow_namespaces.join(","))?;
                }
            }
            Action::Label { labels } => {
                for (key, value) in labels {
                    write!(f, "  {key}={value}")?;
                }
            }
            Action::Notify { channel, text } => write!(f, " {channel}  {:?}", start_of(text))?,
        }
        match (class, action) {
            (Some(Class::Final), _) => f.write_str("  (final)"),
            (_, Action::Label { .. }) => f.write_str("  (undo: the labels as they were)"),
            (_, Action::Isolate { .. }) => f.write_str("  (undo: connected again)"),
            _ => Ok(()),
        }
    }
}

/// The text may hold anything; a terminal gets one bounded line of it.
fn start_of(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    let mut start: String = text.chars().take(CHARS_MAX).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        start.push('…');
    }
    start
}

/// What a playbook makes of an alert.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It answers other alerts.
    NoMatch,
    /// Its plan, and why that would be refused, if it would.
    Plan {
        /// The plan.
        plan: Box<Plan>,
        /// What the guard says.
        refused: Option<String>,
    },
    /// It ends in an error; nothing would be done.
    Error(String),
}

/// Asks one playbook about an alert, as the responder would; nothing is touched.
pub fn ask(
    playbooks: &Playbooks,
    playbook: &Playbook,
    facts: &Arc<AlertFacts>,
    guard: &Guard,
) -> Answer {
    if !playbook.matches(facts) {
        return Answer::NoMatch;
    }
    match playbooks.plan(playbook, facts, Mode::Enforce, Timestamp::now()) {
        Ok(plan) => Answer::Plan { refused: guard.check(&plan).err(), plan: Box::new(plan) },
        Err(problem) => Answer::Error(problem.to_string()),
    }
}

/// The plan that a playbook makes. `refusal` is what the guard says to it.
pub fn explain(plan: &Plan, refusal: Option<&str>) -> String {
    let mut text = heading(plan);
    if let Some(reason) = &plan.skip {
        line(&mut text, format_args!("  skipped by the playbook: {reason:?}"));
    }
    let width = place_width(plan);
    for (number, step) in (1..).zip(&plan.steps) {
        line(
            &mut text,
            format_args!("{number:>2}  {:<width$}  {}", step.at.to_string(), StepText(step)),
        );
    }
    line(&mut text, format_args!("  {}", summary(plan)));
    if let Some(reason) = refusal {
        line(&mut text, format_args!("  refused: {}", plain(reason)));
    }
    text
}

/// How far a stored plan has come.
pub fn show(record: &PlanRecord) -> String {
    let plan = &record.plan;
    let mut text = format!("plan {}\n{}", plan.id, heading(plan));
    let width = place_width(plan);
    for (number, (step, state)) in (1..).zip(plan.steps.iter().zip(&record.steps)) {
        let place = step.at.to_string();
        let state_name = state_name(state.state);
        let step_text = StepText(step);
        line(&mut text, format_args!("{number:>2}  {place:<width$}  {state_name:<8} {step_text}"));
        if let Some(note) = &state.note {
            line(&mut text, format_args!("    {}", plain(note)));
        }
    }
    match &record.outcome {
        Some(outcome) => {
            let reason = outcome.reason.as_deref().map(|reason| format!(": {}", plain(reason)));
            let (status, time) = (outcome.status, outcome.time);
            line(&mut text, format_args!("  {status} {time}{}", reason.unwrap_or_default()));
        }
        None => line(&mut text, format_args!("  under way at {}", record.owner)),
    }
    text
}

/// Text that may be an attacker's, for a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn heading(plan: &Plan) -> String {
    format!(
        "{}  alert {}  {:?}  {}  {}  mode {}\n",
        plan.playbook,
        plan.alert,
        plan.rule,
        plan.priority,
        plain(&plan.node),
        plan.mode
    )
}

fn summary(plan: &Plan) -> String {
    let is_pod = |step: &&Step| matches!(step.target, Some(Target::Pod { .. }));
    let is_namespace = |step: &&Step| matches!(step.target, Some(Target::Namespace { .. }));
    let finals = plan.steps.iter().filter(|step| step.class == Some(Class::Final)).count();
    format!(
        "touches {} and {}; {}",
        // All targets are the one pod of the alert, and its namespace.
        if plan.steps.iter().any(|step| is_pod(&step)) { "1 pod" } else { "no pod" },
        if plan.steps.iter().any(|step| is_namespace(&step)) {
            "1 namespace"
        } else {
            "no namespace"
        },
        if finals == 0 { "can be undone".to_owned() } else { format!("{finals} final") },
    )
}

fn state_name(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Started => "started",
        StepState::Done => "done",
        StepState::Failed => "failed",
        StepState::Undone => "undone",
    }
}

fn place_width(plan: &Plan) -> usize {
    plan.steps.iter().map(|step| step.at.to_string().chars().count()).max().unwrap_or(0)
}

fn line(text: &mut String, content: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(content);
    text.push('\n');
}
