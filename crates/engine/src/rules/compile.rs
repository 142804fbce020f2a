//! Definitions to rules: lists, macros, types, outputs.

use std::collections::HashSet;

use super::{
    Options, Rule, RuleSet,
    advice::{self, Advice},
    append_output::{self, Additions},
    definitions::{Definitions, RuleDefinition},
    expand::Lists,
    macros::{Macros, ResolveError},
    report::{Problem, Report},
    rule_set, selection,
    trail::{Expression, ItemType, Trail},
};
use crate::{
    diagnostic::{Code, Diagnostic, Severity},
    event_types::EventTypes,
    field::{FieldRef, FieldRefError},
    output::{Format, FormatError},
    predicate,
    projection::asks_for_failure,
    sources::Sources,
    syntax::{Expr, Span, SyntaxError},
    traced::{Place, TracedText},
    unfilled::{self, Finding},
};

/// A rule that names more types of events than this is evaluated on nearly every one.
const EVENT_TYPES_MAX: usize = 100;

/// Compiles what can be compiled; the rest is told. What is wrong with the settings goes to
/// `settings`.
pub(super) fn compile(
    definitions: &Definitions,
    options: &Options,
    sources: &mut Sources,
    report: &mut Report,
    settings: &mut Vec<Diagnostic>,
) -> RuleSet {
    let additions = Additions::compile(&options.append_output, sources, settings);
    let lists = Lists::new(&definitions.lists);
    let (macros, unfilled_told) = (Macros::default(), HashSet::new());
    let mut compiler = Compiler { lists, macros, sources, report, unfilled_told };
    compiler.macros(definitions);
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
    selection::tell_unmatched(&options.selections, definitions, sources, settings);
    append_output::tell_unmatched(&options.append_output, definitions, sources, settings);
    let mut set = RuleSet::new(rules, options.matching, options.failed_exec);
    set.written_macros = written_macros;
    set
}

struct Compiler<'a> {
    lists: Lists,
    macros: Macros,
    sources: &'a mut Sources,
    report: &'a mut Report,
    /// A macro's condition is in many rules.
    unfilled_told: HashSet<(FieldRef, Place)>,
}

impl Compiler<'_> {
    fn macros(&mut self, definitions: &Definitions) {
        for (name, definition) in &definitions.macros {
            let trail =
                definition.trail.step(ItemType::MacroCondition, "", definition.condition_place);
            let expr = self.parse(definition.condition.clone(), &trail);
            self.macros.add(name, expr, definition.index, definition.visibility);
        }
        for (name, error) in self.macros.resolve_all(definitions.macros.keys()) {
            if let Some(definition) = definitions.macros.get(&name) {
                let shown = definition.condition.as_str();
                self.tell_unresolved(error, shown, &definition.trail);
            }
        }
    }

    fn rule(&mut self, name: &str, definition: &RuleDefinition) -> Option<Rule> {
        if !definition.has_known_source() {
            return None;
        }
        let condition = match definition.exceptions.apply(&definition.condition) {
            Ok(condition) => condition,
            Err(refusal) => {
                self.report.tell(self.sources, *refusal);
                return None;
            }
        };
        let format = self.format(definition)?;
        let (written, condition, predicate) = self.condition(definition, condition)?;
        if definition.capture {
            let message = "nothing is captured: the rule's 'capture' has no effect";
            self.tell(Problem::new(Code::UnsupportedCapture, message, &definition.trail));
        }
        let event_types = EventTypes::of(&condition);
        let many = event_types.names().len() > EVENT_TYPES_MAX;
        if many && definition.warn_event_types && definition.source == "syscall" {
            let message = "Rule matches too many evt.type values. This has a significant performance penalty.";
            self.tell(Problem::new(Code::NoEventType, message, &definition.trail));
        }
        let asks_failed_exec = rule_set::EXEC_TYPES
            .iter()
            .any(|name| event_types.contains(name) && asks_for_failure(&predicate, name));
        Some(Rule {
            name: name.to_owned(),
            desc: definition.desc.clone(),
            priority: definition.priority,
            source: definition.source.clone(),
            tags: definition.tags.iter().cloned().collect(),
            output: definition.output.as_str().to_owned(),
            enabled: definition.enabled,
            written,
            condition,
            predicate,
            format: format.into(),
            event_types,
            asks_failed_exec,
        })
    }

    /// The rule's output, or nothing after telling why not.
    fn format(&mut self, definition: &RuleDefinition) -> Option<Format> {
        let output = definition.output.as_str();
        if output.contains("%container.info") {
            let message = "%container.info is deprecated and no more useful, and will be dropped by \
                 Falco 1.0.0. The container plugin will automatically add required fields to the \
                 output message.";
            self.tell(Problem::new(Code::DeprecatedItem, message, &definition.trail));
        }
        let trail = definition.trail.step(ItemType::RuleOutput, "", definition.output_place);
        match Format::parse(output) {
            Ok(format) => {
                let mut fields = Vec::new();
                format.for_each_field(&mut |field| {
                    let offset = output.find(&field.to_string()).unwrap_or(0);
                    fields.push((field.clone(), definition.output.place(offset)));
                });
                for (field, place) in fields {
                    let code = Code::CompileOutput;
                    if let Some(problem) = self.look_at(definition, &field, place, &trail, code) {
                        let refused = problem.code != Code::UnfilledField;
                        self.tell(problem);
                        if refused {
                            return None;
                        }
                    }
                }
                for field in advice::deprecated_in_output(output) {
                    let message = format!(
                        "usage of deprecated field '{field}' has been detected in the rule output"
                    );
                    let place = output.find(field).map(|at| definition.output.place(at));
                    let mut problem = Problem::new(Code::DeprecatedItem, message, &trail);
                    problem.place = place.unwrap_or(problem.place);
                    problem.deprecated_field = Some(field);
                    self.tell(problem);
                }
                Some(format)
            }
            Err(error) => {
                let FormatError { message, offset, suggestion, unknown_name } = error;
                let skipped = unknown_name && definition.skip_if_unknown_filter;
                let code = if skipped { Code::UnknownFilter } else { Code::CompileOutput };
                let place = definition.output.place(offset);
                self.tell(Problem::new(code, message, &trail).at(place).suggesting(suggestion));
                None
            }
        }
    }

    /// The rule's condition with lists in it, the same with macros and what it compiles to, or
    /// nothing after telling why not.
    fn condition(
        &mut self,
        definition: &RuleDefinition,
        condition: TracedText,
    ) -> Option<(Expr, Expr, predicate::Predicate)> {
        let shown = condition.as_str().to_owned();
        let trail = definition.trail.step(ItemType::RuleCondition, "", definition.condition_place);
        let parsed = self.parse(condition, &trail)?;
        let condition = match self.macros.resolve(parsed.clone()) {
            Ok(condition) => condition,
            Err(error) => {
                self.tell_unresolved(error, &shown, &definition.trail);
                return None;
            }
        };
        self.advise(&condition, &shown, &trail);
        let mut misuses = Vec::new();
        match predicate::compile(&condition, &mut misuses) {
            Ok(predicate) => {
                for misuse in misuses {
                    let problem = Problem::new(Code::MisusedCondition, misuse.message, &trail);
                    self.tell_with_falco(problem, &shown, misuse.span, misuse.falco_span);
                }
                let mut fields = Vec::new();
                unfilled::for_each_field(&condition, &mut |field, span| fields.push((field, span)));
                for (field, span) in fields {
                    let place = self.sources.place(span);
                    let code = Code::CompileCondition;
                    if let Some(problem) = self.look_at(definition, &field, place, &trail, code) {
                        let refused = problem.code != Code::UnfilledField;
                        self.tell_at(problem, &shown, span);
                        if refused {
                            return None;
                        }
                    }
                }
                Some((parsed, condition, predicate))
            }
            Err(errors) => {
                for error in errors {
                    let skipped = error.unknown_name && definition.skip_if_unknown_filter;
                    let code = if skipped { Code::UnknownFilter } else { Code::CompileCondition };
                    let problem =
                        Problem::new(code, error.message, &trail).suggesting(error.suggestion);
                    self.tell_with_falco(problem, &shown, error.span, error.falco_span);
                }
                None
            }
        }
    }

    /// What there is to say of a field: that it is another source's, which is an error of `code`, or
    /// that nothing fills it.
    fn look_at(
        &mut self,
        definition: &RuleDefinition,
        field: &FieldRef,
        place: Place,
        trail: &Trail,
        code: Code,
    ) -> Option<Problem> {
        let (code, message) = match unfilled::finding(field.field, &definition.source)? {
            Finding::OfOtherSource => {
                let unknown = FieldRefError::Unknown { name: field.to_string(), nearest: None };
                let skipped = definition.skip_if_unknown_filter;
                (if skipped { Code::UnknownFilter } else { code }, unknown.to_string())
            }
            Finding::Unfilled if self.unfilled_told.insert((field.clone(), place)) => {
                (Code::UnfilledField, unfilled::message(field.field, &definition.source))
            }
            Finding::Unfilled => return None,
        };
        Some(Problem::new(code, message, trail).at(place))
    }

    /// Puts lists into a condition and parses it.
    fn parse(&mut self, mut condition: TracedText, trail: &Trail) -> Option<Expr> {
        let code = Code::CompileCondition;
        if let Err(message) = self.lists.expand(&mut condition) {
            let problem = Problem::new(code, message, trail);
            let expression = Expression::whole(condition.as_str());
            self.report.tell_in(self.sources, problem, Some(expression));
            return None;
        }
        match self.sources.parse(condition) {
            Ok(expr) => Some(expr),
            Err(SyntaxError { message, span, suggestion }) => {
                let place = self.sources.place(span);
                let (parsed, offset) = self.sources.parsed_at(span);
                let expression = Expression::at(parsed, parsed, offset);
                let problem = Problem::new(code, message, trail).at(place).suggesting(suggestion);
                self.report.tell_in(self.sources, problem, Some(expression));
                None
            }
        }
    }

    fn advise(&mut self, condition: &Expr, shown: &str, trail: &Trail) {
        let advice = Advice::on(condition);
        let na_check = advice.unsafe_na_check.map(|span| (Code::UnsafeNaCheck, "", None, span));
        let deprecated = advice
            .deprecated
            .into_iter()
            .map(|(field, words, span)| (Code::DeprecatedItem, words, Some(field), span));
        for (code, message, deprecated_field, span) in na_check.into_iter().chain(deprecated) {
            let mut problem = Problem::new(code, message, trail).at(self.sources.place(span));
            problem.deprecated_field = deprecated_field;
            self.report.tell_in(self.sources, problem, Some(Expression::whole(shown)));
        }
    }

    fn tell_unresolved(&mut self, error: ResolveError, shown: &str, trail: &Trail) {
        let unknown = error.unknown.filter(|_| self.report.has_room(Severity::Error));
        let meant = unknown.and_then(|name| self.macros.nearest(&name));
        let problem = Problem::new(Code::Validate, error.message, trail).suggesting(meant);
        self.tell_at(problem, shown, error.span);
    }

    /// Tells only if all else is good: what uses a list or macro may have been left out.
    fn tell_unused(&mut self, definitions: &Definitions) {
        if self.report.has_errors() {
            return;
        }
        for (name, definition) in &definitions.macros {
            if !self.macros.is_used(name) {
                let message = "Macro not referred to by any other rule/macro";
                self.tell(Problem::new(Code::UnusedMacro, message, &definition.trail));
            }
        }
        let unused: Vec<_> = self.lists.unused().map(str::to_owned).collect();
        for definition in unused.iter().filter_map(|name| definitions.lists.get(name)) {
            let message = "List not referred to by any other rule/macro";
            self.tell(Problem::new(Code::UnusedList, message, &definition.trail));
        }
    }

    fn tell(&mut self, problem: Problem) {
        self.report.tell(self.sources, problem);
    }

    /// Tells of a problem at a place of a condition.
    fn tell_at(&mut self, problem: Problem, shown: &str, span: Span) {
        self.tell_with_falco(problem, shown, span, span);
    }

    /// Tells of what Falco points at from elsewhere.
    fn tell_with_falco(&mut self, problem: Problem, shown: &str, span: Span, falco_span: Span) {
        let problem = problem.at(self.sources.place(span));
        let (parsed, offset) = self.sources.parsed_at(falco_span);
        let expression = Expression::at(shown, parsed, offset);
        self.report.tell_in(self.sources, problem, Some(expression));
    }
}
