//! Rule files in, matches out.

use crate::{diagnostic::Diagnostic, event::Event, field::FieldRef, priority::Priority};

/// A rule file's name and text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name that diagnostics show.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which of several matching rules count.
    pub matching: Matching,
    /// Leaves out rules that matter less.
    pub min_priority: Option<Priority>,
}

/// Which of several rules that match one event count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Each of them.
    #[default]
    All,
    /// The first in the order of definition, as Falco does unless told otherwise.
    First,
}

/// Rules ready to be evaluated.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    fields: Vec<FieldRef>,
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
    /// The format of its message.
    pub output: String,
    /// Whether it is evaluated.
    pub enabled: bool,
}

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Match<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Its message, with `<NA>` for what the event did not have.
    pub output: String,
    /// The fields of the message by name, `null` for what the event did not have.
    pub output_fields: Vec<(String, serde_json::Value)>,
}

/// Loads rule files in order.
///
/// What cannot be loaded is named by the diagnostics and left out; the rest is in the set.
pub fn load(files: &[SourceFile], options: &Options) -> (RuleSet, Vec<Diagnostic>) {
    let _ = (files, options);
    (RuleSet::default(), Vec::new())
}

impl RuleSet {
    /// Its rules, in the order of definition.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rules of `source` that match `event`.
    pub fn evaluate<'r>(&'r self, source: &str, event: &dyn Event) -> Vec<Match<'r>> {
        let _ = (source, event);
        Vec::new()
    }

    /// Whether any enabled rule may match an event of this type.
    pub fn wants(&self, event_type: &str) -> bool {
        let _ = event_type;
        false
    }

    /// What conditions and outputs of the enabled rules ask for, each once, sorted.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}
