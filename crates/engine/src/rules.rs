//! Rule files in, rules and diagnostics out.

mod advice;
mod append_output;
mod compile;
mod decode;
mod definitions;
mod exceptions;
mod expand;
mod host_names;
mod macros;
mod reader;
mod report;
mod requirements;
mod rule_set;
mod schema;
mod selection;
mod source_rules;
mod trail;
mod tuning;

pub use append_output::{AppendOutput, ExtraField};
pub use rule_set::{Match, Rule, RuleSet};
pub use schema::SchemaResult;
pub use selection::{Selection, Selector};

use crate::{
    diagnostic::{Code, Diagnostic},
    priority::Priority,
    sources::Sources,
    traced::Place,
    yaml,
};
use definitions::Definitions;
use reader::Reader;
use report::{Problem, Report};
use trail::{ItemType, Trail};

/// A rule file's name and text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name that diagnostics show.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl SourceFile {
    /// A file as it was read from somewhere.
    ///
    /// # Errors
    /// When it is not UTF-8; the diagnostic says where.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self { name: name.to_owned(), text }),
            Err(error) => error,
        };
        let offset = error.utf8_error().valid_up_to();
        let mut sources = Sources::default();
        let file = sources.add_file(name, &String::from_utf8_lossy(error.as_bytes()));
        let trail = Trail::of_file(file).step(ItemType::ValueFor, "", Place { file, offset });
        let message = format!("the file is not UTF-8 text: byte {offset} cannot be part of it");
        let problem = Problem::new(Code::YamlParse, message, &trail);
        Err(Box::new(problem.diagnostic(&sources, None)))
    }

    /// What Falco's JSON schema says of the file; nothing if it is not YAML or has no document.
    pub fn check_schema(&self) -> Option<SchemaResult> {
        schema::validate(&yaml::parse(&self.text, 0).ok()?)
    }

    /// What to tell of a file that cannot be read: `why`.
    pub fn unreadable(name: &str, why: &str) -> Diagnostic {
        let mut sources = Sources::default();
        let file = sources.add_file(name, "");
        let trail = Trail::of_file(file);
        let mut told = sources.diagnostic(Code::FileRead, why, trail.place());
        told.context = trail.contexts(&sources, None);
        told.context_snippet = format!("<No context for file + {name}>\n");
        told
    }
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
    /// Which rules look at programs that could not be started.
    pub failed_exec: FailedExec,
}

/// Which rules look at an `execve` or `execveat` that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedExec {
    /// All that look at programs that are started, as in Falco.
    #[default]
    AllRules,
    /// Those whose condition asks how the call ended (`evt.failed`, `evt.res`, `evt.rawres`): the
    /// others take the event for a program that runs.
    AskingRules,
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
    let mut report = Report::default();
    let mut definitions = Definitions::default();
    for file in files {
        let number = sources.add_file(&file.name, &file.text);
        let mut reader =
            Reader { definitions: &mut definitions, sources: &sources, report: &mut report };
        reader.read(number);
    }
    let mut settings = Vec::new();
    let mut rules =
        compile::compile(&definitions, options, &mut sources, &mut report, &mut settings);
    rules.taken = tuning::TakenNames::of(&definitions);
    let mut diagnostics = report.finish(&sources);
    diagnostics.extend(settings);
    (rules, diagnostics)
}
