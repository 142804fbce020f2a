//! The written exceptions, tried on the alerts that they are for.
//!
//! The file is loaded by the engine behind the rules, as it will be. Only the conditions of the
//! rules are replaced, by one that always holds: an alert shows that its rule matched, and seldom
//! has all the fields that the condition asks for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use lanner_engine::{Diagnostic, Options, RecordedEvent, RuleSet, Severity, SourceFile, load};

use super::{alert::Alert, exceptions::Accepted, groups::Key, quote::yaml_text};

/// Rules that match everything but what the written exceptions except.
#[derive(Debug)]
pub(super) struct Rerun {
    rules: RuleSet,
    /// Each rule's exceptions by their fields, and what came of its alerts.
    by_rule: BTreeMap<String, (BTreeSet<Vec<String>>, Outcome)>,
    accepted: BTreeSet<Key>,
}

/// What the exceptions do to the alerts of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) before: u64,
    pub(super) after: u64,
    /// Those of `after` that lack a field of an exception, so that nobody knows.
    pub(super) not_judged: u64,
    /// Alerts that are gone, too, although their groups were not accepted.
    pub(super) not_accepted: u64,
}

impl Rerun {
    /// # Errors
    /// When the written file does not load.
    pub(super) fn new(
        rules: &[SourceFile],
        written: &str,
        accepted: &[Accepted],
    ) -> anyhow::Result<Self> {
        let mut by_rule: BTreeMap<String, (BTreeSet<Vec<String>>, Outcome)> = BTreeMap::new();
        for one in accepted {
            let fields = one.fields.iter().map(ToString::to_string).collect();
            by_rule.entry(one.key.rule.clone()).or_default().0.insert(fields);
        }
        let always: String = by_rule.keys().map(|rule| always_holds(rule)).collect();
        let mut files = rules.to_vec();
        for (name, text) in [("any event", always.as_str()), ("exceptions", written)] {
            files.push(SourceFile { name: name.to_owned(), text: text.to_owned() });
        }
        let (rules, diagnostics) = load(&files, &Options::default());
        let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
        if let Some(error) = diagnostics.iter().find(is_error) {
            bail!("the exceptions do not load:\n{error}");
        }
        let accepted = accepted.iter().map(|one| one.key.clone()).collect();
        Ok(Self { rules, by_rule, accepted })
    }

    /// Counts an alert, if it is of a rule that has a new exception.
    pub(super) fn add(&mut self, alert: &Alert) {
        if !self.by_rule.contains_key(&alert.rule) {
            return;
        }
        let remains = self.remains(alert);
        let wanted = self.accepted.contains(&Key::of(alert));
        let Some((exceptions, outcome)) = self.by_rule.get_mut(&alert.rule) else { return };
        outcome.before += 1;
        outcome.after += u64::from(remains);
        outcome.not_accepted += u64::from(!remains && !wanted);
        let has = |field: &String| alert.fields.as_ref().is_some_and(|all| all.contains_key(field));
        let known = exceptions.iter().all(|fields| fields.iter().all(has));
        outcome.not_judged += u64::from(remains && !known);
    }

    /// Whether an alert would still be raised.
    pub(super) fn remains(&self, alert: &Alert) -> bool {
        let Some(fields) = &alert.fields else { return true };
        let Some(rule) = self.rules.rules().find(|rule| rule.name == alert.rule) else {
            return true;
        };
        let (event, _) = RecordedEvent::from_output_fields(fields);
        let matches = self.rules.evaluate(&rule.source, &event);
        matches.iter().any(|matched| matched.rule.name == rule.name)
    }

    /// What became of the alerts, by rule.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        self.by_rule.iter().map(|(rule, (_, outcome))| (rule.as_str(), outcome))
    }
}

fn always_holds(rule: &str) -> String {
    format!(
        "- rule: {}\n  condition: (evt.num exists or not evt.num exists)\n  exceptions: []\n  \
         enabled: true\n  override:\n    condition: replace\n    exceptions: replace\n    \
         enabled: replace\n",
        yaml_text(rule)
    )
}
