//! What is told about the files, and no more of it than anybody reads.

use super::trail::{Expression, Trail};
use crate::{
    diagnostic::{Code, Diagnostic, Severity},
    sources::Sources,
    traced::Place,
};

/// How many errors, and how many warnings, are told. A hostile file may have millions.
const TOLD_MAX: usize = 500;

/// A problem before it is told.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) trail: Trail,
    /// Where a person should look: often nearer than where the trail ends.
    pub(super) place: Place,
    pub(super) suggestion: Option<String>,
    pub(super) deprecated_field: Option<&'static str>,
}

/// Why an item cannot be taken.
pub(super) type Refusal = Box<Problem>;

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, trail: &Trail) -> Self {
        Self {
            code,
            message: message.into(),
            place: trail.place(),
            trail: trail.clone(),
            suggestion: None,
            deprecated_field: None,
        }
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(super) fn diagnostic(
        self,
        sources: &Sources,
        expression: Option<Expression<'_>>,
    ) -> Diagnostic {
        let mut diagnostic = sources.diagnostic(self.code, self.message, self.place);
        diagnostic.context = self.trail.contexts(sources, expression);
        diagnostic.context_snippet = self.trail.snippet(sources, expression);
        diagnostic.suggestion = self.suggestion;
        diagnostic.deprecated_field = self.deprecated_field;
        diagnostic
    }

    pub(super) fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

/// A structure of the YAML that is not what it should be.
pub(super) fn malformed(message: impl Into<String>, trail: &Trail) -> Refusal {
    Box::new(Problem::new(Code::YamlValidate, message, trail))
}

/// An item that does not fit with itself or with the items before it.
pub(super) fn invalid(message: impl Into<String>, trail: &Trail) -> Refusal {
    Box::new(Problem::new(Code::Validate, message, trail))
}

/// The problems told so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: Count,
    warnings: Count,
}

#[derive(Debug, Default)]
struct Count {
    told: usize,
    untold: usize,
    first_untold: Option<(Code, Place)>,
}

impl Report {
    pub(super) fn tell(&mut self, sources: &Sources, problem: Problem) {
        self.tell_in(sources, problem, None);
    }

    /// Tells of a problem in a condition.
    pub(super) fn tell_in(
        &mut self,
        sources: &Sources,
        problem: Problem,
        expression: Option<Expression<'_>>,
    ) {
        let count = self.count(problem.code.severity());
        if count.told == TOLD_MAX {
            count.untold += 1;
            count.first_untold.get_or_insert((problem.code, problem.place));
            return;
        }
        count.told += 1;
        self.diagnostics.push(problem.diagnostic(sources, expression));
    }

    /// Whether anything had to be left out.
    pub(super) fn has_errors(&self) -> bool {
        self.errors.told > 0
    }

    /// Whether one more of these would be told: looking for what was meant costs time.
    pub(super) fn has_room(&self, severity: Severity) -> bool {
        match severity {
            Severity::Error => self.errors.told < TOLD_MAX,
            Severity::Warning => self.warnings.told < TOLD_MAX,
        }
    }

    /// All that was told, and how much was not.
    pub(super) fn finish(mut self, sources: &Sources) -> Vec<Diagnostic> {
        for (count, what) in [(&self.errors, "errors"), (&self.warnings, "warnings")] {
            if let Some((code, place)) = count.first_untold {
                let message = format!("{} more {what} are not shown", count.untold);
                self.diagnostics.push(sources.diagnostic(code, message, place));
            }
        }
        self.diagnostics
    }

    fn count(&mut self, severity: Severity) -> &mut Count {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }
}
