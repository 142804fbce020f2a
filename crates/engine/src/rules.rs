//! Rule files in, rules and diagnostics out.

mod append_output;
mod compile;
mod definitions;
mod exceptions;
mod expand;
mod macros;
mod reader;
mod rule_set;
mod selection;
mod source_rules;
mod tuning;

pub use append_output::{AppendOutput, ExtraField};
pub use rule_set::{Match, Rule, RuleSet};
pub use selection::{Selection, Selector};

use crate::{diagnostic::Diagnostic, priority::Priority, sources::Sources};
use definitions::Definitions;

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
    /// Turns rules on and off, in order, whatever the files say.
    pub selections: Vec<Selection>,
    /// Adds to the outputs of rules, in order.
    pub append_output: Vec<AppendOutput>,
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

/// Loads rule files in order: a later one may append to, override or redefine what an earlier one
/// has.
///
/// What cannot be loaded is named by the diagnostics and left out; the rest is in the set.
pub fn load(files: &[SourceFile], options: &Options) -> (RuleSet, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    let mut definitions = Definitions::default();
    for file in files {
        let number = sources.add_file(&file.name, &file.text);
        let items = reader::read(&sources, number, &file.text, &mut diagnostics);
        definitions.take(items, &sources, &mut diagnostics);
    }
    let mut rules = compile::compile(&definitions, options, &mut sources, &mut diagnostics);
    rules.taken = tuning::TakenNames::of(&definitions);
    (rules, diagnostics)
}
