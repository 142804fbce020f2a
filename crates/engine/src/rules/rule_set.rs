//! Compiled rules and their evaluation.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use super::{Matching, append_output::RuleOutput, tuning::TakenNames};
use crate::{
    event::Event, event_types::EventTypes, field::FieldRef, output::clock_text,
    predicate::Predicate, priority::Priority, syntax::Expr,
};

/// Rules ready to be evaluated.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    matching: Matching,
    by_source: HashMap<String, Index>,
    fields: Vec<FieldRef>,
    pub(super) taken: TakenNames,
}

/// The enabled rules of one source, by the event types they can match.
#[derive(Debug, Default)]
struct Index {
    by_type: HashMap<String, Vec<usize>>,
    /// For event types that no rule names.
    unnamed: Vec<usize>,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it looks for, in words.
    pub desc: String,
    /// How much it matters.
    pub priority: Priority,
    /// The source of the events it looks at.
    pub source: String,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// The format of its message, with what the settings add.
    pub output: String,
    /// Whether it is evaluated.
    pub enabled: bool,
    pub(super) condition: Expr,
    pub(crate) predicate: Predicate,
    pub(super) format: RuleOutput,
    pub(crate) event_types: EventTypes,
}

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Match<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// When the event happened, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Its message, with `<NA>` for what the event did not have.
    pub output: String,
    /// `evt.time` and the fields of the message by name, `null` for what the event did not have.
    pub output_fields: Vec<(String, Json)>,
}

impl Match<'_> {
    /// The message with time (UTC) and priority in front, as Falco's alerts carry it.
    pub fn falco_output(&self) -> String {
        format!("{}: {} {}", clock_text(self.time_ns), self.rule.priority, self.output)
    }
}

impl Rule {
    /// The condition with lists, macros and exceptions in it, in Falco's own form.
    pub fn condition_compiled(&self) -> String {
        self.condition.falco_form().to_string()
    }

    /// The event types it can match, of those known; sorted.
    pub fn event_types(&self) -> Vec<&str> {
        self.event_types.names()
    }

    /// What its condition and output ask for, each once, sorted.
    pub fn fields(&self) -> Vec<FieldRef> {
        let mut fields: BTreeSet<FieldRef> = BTreeSet::new();
        let mut add = |field: &FieldRef| {
            fields.insert(field.clone());
        };
        self.format.for_each_field(&mut add);
        self.predicate.for_each_field(&mut add);
        fields.into_iter().collect()
    }

    fn matched(&self, event: &dyn Event) -> Match<'_> {
        let time_ns = event.time_ns();
        let mut output_fields = vec![("evt.time".to_owned(), Json::from(time_ns))];
        let values = self.format.values(event).into_iter();
        output_fields.extend(values.filter(|(name, _)| name != "evt.time"));
        Match { rule: self, time_ns, output: self.format.render(event), output_fields }
    }
}

impl RuleSet {
    pub(super) fn new(rules: Vec<Rule>, matching: Matching) -> Self {
        let enabled = || rules.iter().enumerate().filter(|(_, rule)| rule.enabled);
        let mut by_source: HashMap<String, Index> = HashMap::new();
        for (_, rule) in enabled() {
            let index = by_source.entry(rule.source.clone()).or_default();
            let (EventTypes::Only(names) | EventTypes::AllBut(names)) = &rule.event_types;
            for name in names {
                index.by_type.entry(name.clone()).or_default();
            }
        }
        for (position, rule) in enabled() {
            let Some(index) = by_source.get_mut(&rule.source) else { continue };
            for (name, positions) in &mut index.by_type {
                if rule.event_types.contains(name) {
                    positions.push(position);
                }
            }
            if matches!(rule.event_types, EventTypes::AllBut(_)) {
                index.unnamed.push(position);
            }
        }
        let fields: BTreeSet<_> = enabled().flat_map(|(_, rule)| rule.fields()).collect();
        let taken = TakenNames::default();
        Self { matching, by_source, fields: fields.into_iter().collect(), rules, taken }
    }

    /// Its rules, in the order of definition; those that are not enabled, too.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The enabled rules of `source` that match `event`.
    pub fn evaluate<'r>(&'r self, source: &str, event: &dyn Event) -> Vec<Match<'r>> {
        let Some(index) = self.by_source.get(source) else { return Vec::new() };
        let candidates = index.candidates(event.event_type()).iter();
        let matching = candidates
            .filter_map(|position| self.rules.get(*position))
            .filter(|rule| rule.predicate.holds(event))
            .map(|rule| rule.matched(event));
        match self.matching {
            Matching::All => matching.collect(),
            Matching::First => matching.take(1).collect(),
        }
    }

    /// Whether any enabled rule may match an event of this type, whatever its source.
    pub fn wants(&self, event_type: &str) -> bool {
        self.by_source.values().any(|index| !index.candidates(event_type).is_empty())
    }

    /// What conditions and outputs of the enabled rules ask for, each once, sorted.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}

impl Index {
    fn candidates(&self, event_type: &str) -> &[usize] {
        self.by_type.get(event_type).unwrap_or(&self.unnamed)
    }
}
