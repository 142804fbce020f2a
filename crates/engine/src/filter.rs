//! A condition by itself.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use crate::{
    diagnostic::{Code, Diagnostic},
    event::{Event, OtherPath},
    explain::Explainer,
    field::FieldRef,
    predicate::{self, Predicate},
    sources::Sources,
    syntax::{Expr, Span},
    traced::{Place, TracedText},
};

/// A compiled condition, without lists and macros.
#[derive(Debug)]
pub struct Filter {
    expr: Expr,
    predicate: Predicate,
    fields: Vec<FieldRef>,
}

impl Filter {
    /// Compiles a condition.
    ///
    /// # Errors
    /// When it is not a condition, or names something that does not exist; the diagnostic says
    /// where.
    pub fn compile(text: &str) -> Result<Self, Box<Diagnostic>> {
        let (sources, expr) = parse(text)?;
        let predicate = predicate::compile(&expr, &mut Vec::new()).map_err(|mut errors| {
            let error = errors.swap_remove(0);
            let mut refused = diagnostic(&sources, error.message, error.span);
            refused.suggestion = error.suggestion;
            refused
        })?;
        let mut fields = BTreeSet::new();
        predicate.for_each_field(&mut |field| {
            fields.insert(field.clone());
        });
        Ok(Self { expr, predicate, fields: fields.into_iter().collect() })
    }

    /// Checks the grammar alone: no name is looked up, an identifier is a macro.
    ///
    /// # Errors
    /// When the text does not follow the grammar; the diagnostic says where.
    pub fn check_syntax(text: &str) -> Result<(), Box<Diagnostic>> {
        parse(text).map(|_| ())
    }

    /// Whether the condition holds for `event`, with either of its paths.
    pub fn matches(&self, event: &dyn Event) -> bool {
        self.predicate.holds(event)
            || event.has_other_path() && self.predicate.holds(&OtherPath(event))
    }

    /// Explains for events why the condition holds or does not.
    pub fn explainer(&self) -> Option<Explainer> {
        Explainer::new(&self.expr, &HashMap::new())
    }

    /// What the condition asks for, each once, sorted.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }
}

/// The condition, with brackets where they group and quotes where they are needed.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

fn parse(text: &str) -> Result<(Sources, Expr), Box<Diagnostic>> {
    let mut sources = Sources::default();
    let file = sources.add_file("", text);
    match sources.parse(TracedText::verbatim(text, Place { file, offset: 0 })) {
        Ok(expr) => Ok((sources, expr)),
        Err(error) => {
            let mut refused = diagnostic(&sources, error.message, error.span);
            refused.suggestion = error.suggestion;
            Err(refused)
        }
    }
}

fn diagnostic(sources: &Sources, message: String, span: Span) -> Box<Diagnostic> {
    Box::new(sources.diagnostic(Code::CompileCondition, message, sources.place(span)))
}
