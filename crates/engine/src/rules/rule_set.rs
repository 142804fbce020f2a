//! Compiled rules and their evaluation.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexSet;
use serde_json::Value as Json;

use super::{
    FailedExec, Matching, append_output::RuleOutput, source_rules::SourceRules, tuning::TakenNames,
};
use crate::{
    event::{Event, OtherPath, Value},
    event_types::EventTypes,
    explain::Explainer,
    field::{Field, FieldRef},
    output::clock_text,
    predicate::Predicate,
    priority::Priority,
    program::Scratch,
    syntax::Expr,
};

/// Rules ready to be evaluated.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    matching: Matching,
    failed_exec: FailedExec,
    by_source: Vec<SourceRules>,
    fields: Vec<FieldRef>,
    pub(super) taken: TakenNames,
    /// Macros as they are written, to explain rules by their names.
    pub(super) written_macros: HashMap<String, Expr>,
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
    /// Its condition with the names of macros, lists and exceptions in it.
    pub(super) written: Expr,
    pub(super) condition: Expr,
    pub(crate) predicate: Predicate,
    pub(super) format: RuleOutput,
    pub(crate) event_types: EventTypes,
    /// Whether it may match a program that could not be started, and says so.
    pub(super) asks_failed_exec: bool,
}

/// The types of events that tell of programs that were started, or could not be.
pub(super) const EXEC_TYPES: [&str; 2] = ["execve", "execveat"];

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
    pub(super) fn new(rules: Vec<Rule>, matching: Matching, failed_exec: FailedExec) -> Self {
        let enabled = || rules.iter().enumerate().filter(|(_, rule)| rule.enabled);
        let names: IndexSet<&str> = enabled().map(|(_, rule)| rule.source.as_str()).collect();
        let by_source = names.into_iter().map(|name| SourceRules::new(name, &rules)).collect();
        let fields: BTreeSet<_> = enabled().flat_map(|(_, rule)| rule.fields()).collect();
        let fields = fields.into_iter().collect();
        Self { matching, failed_exec, by_source, fields, rules, ..Self::default() }
    }

    /// Explains for events why the rule of this name matches or does not, whether it is enabled or
    /// not. `None` when there is no such rule.
    pub fn explainer(&self, rule: &str) -> Option<Explainer> {
        let rule = self.rules.iter().find(|known| known.name == rule)?;
        Explainer::new(&rule.written, &self.written_macros)
    }

    /// Its rules, in the order of definition; those that are not enabled, too.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The enabled rules of `source` that match `event`, in the order of definition.
    ///
    /// An event with another path (see [`Event::has_other_path`]) matches a rule if it does with
    /// either of its paths, and is told about with the first of them that does.
    pub fn evaluate<'r>(&'r self, source: &str, event: &dyn Event) -> Vec<Match<'r>> {
        self.evaluate_with(&mut Scratch::default(), source, event)
    }

    /// As [`RuleSet::evaluate`], for one event after another: with a `scratch` that is kept, an
    /// event that matches nothing costs no allocation.
    pub fn evaluate_with<'r>(
        &'r self,
        scratch: &mut Scratch,
        source: &str,
        event: &dyn Event,
    ) -> Vec<Match<'r>> {
        let Some(rules) = self.source(source) else { return Vec::new() };
        self.matches(event, |event, matching| rules.evaluate(scratch, event, matching))
    }

    /// Which of several rules that match one event count.
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// As [`RuleSet::evaluate`], but walks the conditions one after another as they are written:
    /// what the other two are compared with.
    #[doc(hidden)]
    pub fn evaluate_naively<'r>(&'r self, source: &str, event: &dyn Event) -> Vec<Match<'r>> {
        let Some(rules) = self.source(source) else { return Vec::new() };
        self.matches(event, |event, matching| {
            for position in rules.candidates(event.event_type()) {
                let rule = self.rules.get(*position);
                if rule.is_some_and(|rule| rule.predicate.holds(event)) && !matching(*position) {
                    return;
                }
            }
        })
    }

    /// Evaluates with each path of the event; `evaluate` gives positions in ascending order.
    fn matches<'r>(
        &'r self,
        event: &dyn Event,
        mut evaluate: impl FnMut(&dyn Event, &mut dyn FnMut(usize) -> bool),
    ) -> Vec<Match<'r>> {
        let every = self.matching == Matching::All;
        let is_failed_exec = self.failed_exec == FailedExec::AskingRules
            && EXEC_TYPES.contains(&event.event_type())
            && event.get(Field::EvtFailed, None) == Some(Value::Bool(true));
        let is_for = |position: usize| {
            !is_failed_exec || self.rules.get(position).is_some_and(|rule| rule.asks_failed_exec)
        };
        let other = event.has_other_path().then_some(OtherPath(event));
        let mut found: Vec<(usize, bool)> = Vec::new();
        evaluate(event, &mut |position| {
            if !is_for(position) {
                return true;
            }
            found.push((position, false));
            every
        });
        if let Some(other) = &other {
            let with_first_path = found.len();
            evaluate(other, &mut |position| {
                if !is_for(position) {
                    return true;
                }
                let known = found.get(..with_first_path).unwrap_or_default();
                match known.binary_search_by_key(&position, |(known, _)| *known) {
                    Ok(_) => {}
                    Err(_) => found.push((position, true)),
                }
                every
            });
            found.sort_unstable();
        }
        found.truncate(if every { usize::MAX } else { 1 });
        let matched = |(position, with_other): (usize, bool)| {
            let event: &dyn Event = match &other {
                Some(other) if with_other => other,
                _ => event,
            };
            Some(self.rules.get(position)?.matched(event))
        };
        found.into_iter().filter_map(matched).collect()
    }

    /// Whether some enabled rule looks at programs that could not be started.
    pub fn wants_failed_exec(&self) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.enabled);
        EXEC_TYPES.iter().any(|name| self.wants(name))
            && rules.any(|rule| self.may_match_failed_exec(rule))
    }

    fn may_match_failed_exec(&self, rule: &Rule) -> bool {
        match self.failed_exec {
            FailedExec::AllRules => true,
            FailedExec::AskingRules => rule.asks_failed_exec,
        }
    }

    /// Whether what the kernel knows of such an event is of interest for the rule: programs that
    /// do start are reported in any case.
    pub fn projects(&self, rule: &Rule, event_type: &str) -> bool {
        !EXEC_TYPES.contains(&event_type) || self.may_match_failed_exec(rule)
    }

    fn source(&self, name: &str) -> Option<&SourceRules> {
        self.by_source.iter().find(|rules| rules.name == name)
    }

    /// Whether any enabled rule may match an event of this type, whatever its source.
    pub fn wants(&self, event_type: &str) -> bool {
        self.by_source.iter().any(|rules| !rules.candidates(event_type).is_empty())
    }

    /// What conditions and outputs of the enabled rules ask for, each once, sorted.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}
