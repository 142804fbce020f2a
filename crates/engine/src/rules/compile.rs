//! Definitions to rules: lists, macros, types, outputs.

use std::collections::HashSet;

use super::{
    Options, Rule, RuleSet,
    append_output::{self, Additions},
    definitions::{Definitions, RuleDefinition},
    exceptions,
    expand::Lists,
    macros::Macros,
    selection,
};
use crate::{
    diagnostic::{Code, Context, Diagnostic},
    event_types::EventTypes,
    field::{FieldRef, FieldRefError},
    output::Format,
    predicate,
    sources::Sources,
    syntax::Expr,
    traced::Place,
    unfilled::{self, Finding},
};

/// The sources whose events this engine knows.
const SOURCES: [&str; 2] = ["syscall", "k8s_audit"];

/// A rule that names more types of events than this is evaluated on nearly every one.
const EVENT_TYPES_MAX: usize = 100;

/// Compiles what can be compiled; the rest is told.
pub(super) fn compile(
    definitions: &Definitions,
    options: &Options,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> RuleSet {
    let additions = Additions::compile(&options.append_output, sources, diagnostics);
    let lists = Lists::new(&definitions.lists);
    let macros = Macros::default();
    let unfilled_told = HashSet::new();
    let mut compiler = Compiler { lists, macros, sources, diagnostics, unfilled_told };
    for (name, definition) in &definitions.macros {
        let mut condition = definition.condition.clone();
        let context = [context("macro", name)];
        let parsed = match compiler.lists.expand(&mut condition) {
            Ok(()) => compiler
                .sources
                .parse(condition)
                .map_err(|error| (error.message, compiler.sources.place(error.span), None)),
            Err(message) => Err((message, definition.place, None)),
        };
        let defined = parsed.and_then(|expr| {
            let (index, visibility) = (definition.index, definition.visibility);
            compiler.macros.define(name, expr, index, visibility).map_err(|error| {
                (error.message, compiler.sources.place(error.span), error.suggestion)
            })
        });
        if let Err((message, place, suggestion)) = defined {
            compiler.macros.mark_broken(name);
            compiler.tell(Code::CompileCondition, message, place, suggestion, &context);
        }
    }

    let mut rules = Vec::new();
    for (name, definition) in &definitions.rules {
        let unimportant = options.min_priority.is_some_and(|least| definition.priority > least);
        if let Some(mut rule) = compiler.rule(name, definition)
            && !unimportant
        {
            selection::apply(&options.selections, &mut rule);
            additions.add_to(&mut rule);
            rules.push(rule);
        }
    }
    compiler.tell_unused(definitions);
    let written_macros = compiler.macros.into_written();
    selection::tell_unmatched(&options.selections, definitions, sources, diagnostics);
    append_output::tell_unmatched(&options.append_output, definitions, sources, diagnostics);
    let mut set = RuleSet::new(rules, options.matching);
    set.written_macros = written_macros;
    set
}

struct Compiler<'a> {
    lists: Lists,
    macros: Macros,
    sources: &'a mut Sources,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// A macro's condition is in many rules.
    unfilled_told: HashSet<(FieldRef, Place)>,
}

/// A problem in a rule, before it is decided whether it is an error.
struct Problem {
    code: Code,
    message: String,
    place: Place,
    suggestion: Option<String>,
    unknown_name: bool,
}

impl Problem {
    fn in_condition(message: String, place: Place, suggestion: Option<String>) -> Self {
        Self { code: Code::CompileCondition, message, place, suggestion, unknown_name: false }
    }
}

impl Compiler<'_> {
    fn rule(&mut self, name: &str, definition: &RuleDefinition) -> Option<Rule> {
        let context = [context("rule", name)];
        if !SOURCES.contains(&definition.source.as_str()) {
            let message = format!("Unknown source {}, skipping", definition.source);
            self.tell(Code::UnknownSource, message, definition.place, None, &context);
            return None;
        }
        match self.checked_rule(name, definition, &context) {
            Ok(rule) => Some(rule),
            Err(problem) => {
                let skipped = problem.unknown_name && definition.skip_if_unknown_filter;
                let code = if skipped { Code::UnknownFilter } else { problem.code };
                self.tell(code, problem.message, problem.place, problem.suggestion, &context);
                None
            }
        }
    }

    fn checked_rule(
        &mut self,
        name: &str,
        definition: &RuleDefinition,
        context: &[Context],
    ) -> Result<Rule, Problem> {
        for exception in definition.exceptions.iter().filter(|exception| exception.is_empty()) {
            let message = format!("Exception '{}' has no values", exception.name);
            self.tell(Code::AppendNoValues, message, exception.place, None, context);
        }
        let (written, condition) = self.condition(definition)?;
        let mut misuses = Vec::new();
        let predicate = predicate::compile(&condition, &mut misuses).map_err(|error| Problem {
            code: Code::CompileCondition,
            message: error.message,
            place: self.sources.place(error.span),
            suggestion: error.suggestion,
            unknown_name: error.unknown_name,
        })?;
        for misuse in misuses {
            let place = self.sources.place(misuse.span);
            self.tell(Code::MisusedCondition, misuse.message, place, None, context);
        }
        let output = definition.output.as_str().trim_end();
        let format = Format::parse(output).map_err(|error| Problem {
            code: Code::CompileOutput,
            message: error.message,
            place: definition.output.place(error.offset),
            suggestion: error.suggestion,
            unknown_name: error.unknown_name,
        })?;
        self.look_at_fields(definition, &condition, &format, context)?;
        let event_types = EventTypes::of(&condition);
        let many = event_types.names().len() > EVENT_TYPES_MAX;
        if many && definition.warn_event_types && definition.source == "syscall" {
            let message = "Rule matches too many evt.type values. This has a significant performance penalty.";
            self.tell(Code::NoEventType, message.to_owned(), definition.place, None, context);
        }
        Ok(Rule {
            name: name.to_owned(),
            desc: definition.desc.clone(),
            priority: definition.priority,
            source: definition.source.clone(),
            tags: definition.tags.iter().cloned().collect(),
            output: output.to_owned(),
            enabled: definition.enabled,
            written,
            condition,
            predicate,
            format: format.into(),
            event_types,
        })
    }

    /// Refuses fields of other sources, and tells of those that nothing fills, each place once.
    fn look_at_fields(
        &mut self,
        definition: &RuleDefinition,
        condition: &Expr,
        format: &Format,
        context: &[Context],
    ) -> Result<(), Problem> {
        let mut fields = Vec::new();
        unfilled::for_each_field(condition, &mut |field, span| {
            fields.push((Code::CompileCondition, field, self.sources.place(span)));
        });
        let output = definition.output.as_str();
        format.for_each_field(&mut |field| {
            let offset = output.find(&field.to_string()).unwrap_or(0);
            fields.push((Code::CompileOutput, field.clone(), definition.output.place(offset)));
        });
        for (code, field, place) in fields {
            match unfilled::finding(field.field, &definition.source) {
                Some(Finding::OfOtherSource) => {
                    let (name, nearest) = (field.to_string(), None);
                    let message = FieldRefError::Unknown { name, nearest }.to_string();
                    let suggestion = None;
                    return Err(Problem { code, message, place, suggestion, unknown_name: true });
                }
                Some(Finding::Unfilled) if self.unfilled_told.insert((field.clone(), place)) => {
                    let message = unfilled::message(field.field, &definition.source);
                    self.tell(Code::UnfilledField, message, place, None, context);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The rule's tree with exceptions and lists in it, and the same with its macros, too.
    fn condition(&mut self, definition: &RuleDefinition) -> Result<(Expr, Expr), Problem> {
        let mut text = exceptions::apply(&definition.condition, &definition.exceptions);
        self.lists
            .expand(&mut text)
            .map_err(|message| Problem::in_condition(message, definition.place, None))?;
        let parsed = self.sources.parse(text).map_err(|error| {
            Problem::in_condition(error.message, self.sources.place(error.span), None)
        })?;
        let resolved = self.macros.resolve(parsed.clone()).map_err(|error| {
            let place = self.sources.place(error.span);
            Problem::in_condition(error.message, place, error.suggestion)
        })?;
        Ok((parsed, resolved))
    }

    fn tell_unused(&mut self, definitions: &Definitions) {
        let lists: Vec<_> = self.lists.unused().map(str::to_owned).collect();
        for name in lists {
            let Some(list) = definitions.lists.get(&name) else { continue };
            let message = "List not referred to by any other rule/macro/list".to_owned();
            self.tell(Code::UnusedList, message, list.place, None, &[context("list", &name)]);
        }
        for (name, definition) in &definitions.macros {
            if !self.macros.is_used(name) {
                let message = "Macro not referred to by any other rule/macro".to_owned();
                let context = [context("macro", name)];
                self.tell(Code::UnusedMacro, message, definition.place, None, &context);
            }
        }
    }

    fn tell(
        &mut self,
        code: Code,
        message: String,
        place: Place,
        suggestion: Option<String>,
        context: &[Context],
    ) {
        let mut diagnostic = self.sources.diagnostic(code, message, place);
        diagnostic.suggestion = suggestion;
        diagnostic.context.extend_from_slice(context);
        self.diagnostics.push(diagnostic);
    }
}

fn context(item_type: &'static str, name: &str) -> Context {
    Context { item_type, item_name: name.to_owned() }
}
