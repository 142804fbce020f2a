//! Macros are trees: their names are replaced in a parsed condition.

use std::collections::{BTreeSet, HashMap};

use crate::{
    suggest,
    syntax::{Expr, LEVELS_MAX, Span},
};

/// How large a condition may become: macros of macros of macros grow fast.
const NODES_MAX: usize = 100_000;

/// The macros that could be resolved, and the names of those that could not.
#[derive(Default)]
pub(super) struct Macros {
    resolved: HashMap<String, Macro>,
    /// As they are written: with the names of other macros.
    written: HashMap<String, Expr>,
    broken: BTreeSet<String>,
    used: BTreeSet<String>,
}

struct Macro {
    expr: Expr,
    size: Size,
    index: usize,
}

#[derive(Clone, Copy)]
struct Size {
    levels: usize,
    nodes: usize,
}

/// Why a name in a condition could not be replaced.
#[derive(Debug)]
pub(super) struct ResolveError {
    pub(super) message: String,
    pub(super) span: Span,
    pub(super) suggestion: Option<String>,
}

impl Macros {
    /// Adds a macro, which sees those whose index is below `visibility`.
    pub(super) fn define(
        &mut self,
        name: &str,
        expr: Expr,
        index: usize,
        visibility: usize,
    ) -> Result<(), ResolveError> {
        self.written.insert(name.to_owned(), expr.clone());
        match self.resolve_sized(expr, Some(name), visibility) {
            Ok((expr, size)) => {
                self.resolved.insert(name.to_owned(), Macro { expr, size, index });
                Ok(())
            }
            Err(error) => {
                self.mark_broken(name);
                Err(error)
            }
        }
    }

    /// Remembers a macro that has an error of its own, so that each use need not repeat it.
    pub(super) fn mark_broken(&mut self, name: &str) {
        self.broken.insert(name.to_owned());
    }

    /// Replaces the macros in a rule's condition, which sees them all.
    pub(super) fn resolve(&mut self, expr: Expr) -> Result<Expr, ResolveError> {
        self.resolve_sized(expr, None, usize::MAX).map(|(expr, _)| expr)
    }

    /// The macros as they are written.
    pub(super) fn into_written(self) -> HashMap<String, Expr> {
        self.written
    }

    /// Whether anything used the macro.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    fn resolve_sized(
        &mut self,
        expr: Expr,
        within: Option<&str>,
        visibility: usize,
    ) -> Result<(Expr, Size), ResolveError> {
        let mut total = Size { levels: 0, nodes: 1 };
        let mut parts = |this: &mut Self, parts: Vec<Expr>| {
            let mut resolved = Vec::with_capacity(parts.len());
            for part in parts {
                let span = first_span(&part);
                let (part, size) = this.resolve_sized(part, within, visibility)?;
                total.levels = total.levels.max(size.levels + 1);
                total.nodes += size.nodes;
                if total.levels > LEVELS_MAX || total.nodes > NODES_MAX {
                    let message = format!(
                        "the condition with its macros is too large: at most {LEVELS_MAX} levels and {NODES_MAX} checks"
                    );
                    return Err(ResolveError { message, span, suggestion: None });
                }
                resolved.push(part);
            }
            Ok(resolved)
        };
        let expr = match expr {
            Expr::And(children) => Expr::And(parts(self, children)?),
            Expr::Or(children) => Expr::Or(parts(self, children)?),
            Expr::Not(inner) => match parts(self, vec![*inner])?.pop() {
                Some(inner) => Expr::Not(Box::new(inner)),
                None => Expr::Not(Box::new(Expr::And(Vec::new()))),
            },
            Expr::Check(check) => Expr::Check(check),
            Expr::Macro { name, span } => return self.named(&name, span, within, visibility),
        };
        Ok((expr, total))
    }

    fn named(
        &mut self,
        name: &str,
        span: Span,
        within: Option<&str>,
        visibility: usize,
    ) -> Result<(Expr, Size), ResolveError> {
        if let Some(found) = self.resolved.get(name).filter(|found| found.index < visibility) {
            self.used.insert(name.to_owned());
            return Ok((found.expr.clone(), found.size));
        }
        let (message, suggestion) = if within == Some(name) {
            (format!("reference loop in macro '{name}'"), None)
        } else if self.broken.contains(name) {
            self.used.insert(name.to_owned());
            (format!("macro '{name}' has an error of its own"), None)
        } else {
            let known = self.resolved.keys().map(String::as_str);
            (format!("Undefined macro '{name}' used in filter."), suggest::nearest(name, known))
        };
        Err(ResolveError { message, span, suggestion })
    }
}

fn first_span(expr: &Expr) -> Span {
    let mut expr = expr;
    loop {
        expr = match expr {
            Expr::And(parts) | Expr::Or(parts) => match parts.first() {
                Some(first) => first,
                None => return Span::default(),
            },
            Expr::Not(inner) => inner,
            Expr::Macro { span, .. } => return *span,
            Expr::Check(check) => return check.left.span(),
        };
    }
}
