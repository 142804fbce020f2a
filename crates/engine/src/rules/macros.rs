//! Macros are trees: their names are replaced in a parsed condition.

use std::collections::{BTreeSet, HashMap};

use crate::{
    suggest,
    syntax::{Expr, LEVELS_MAX, Right, Span},
};

/// How large a condition may become: macros of macros of macros grow fast.
const NODES_MAX: usize = 1_000_000;

/// How much all conditions together may grow by macros.
const NODES_TOTAL_MAX: usize = 4_000_000;

/// The macros of all files.
#[derive(Default)]
pub(super) struct Macros {
    known: HashMap<String, Macro>,
    /// As they are written: with the names of other macros.
    written: HashMap<String, Expr>,
    used: BTreeSet<String>,
    /// How many nodes were put in place of names.
    copied_nodes: usize,
}

/// A macro, which sees those whose `index` is below its `visibility`.
struct Macro {
    state: State,
    index: usize,
    visibility: usize,
}

enum State {
    Parsed(Expr),
    Resolving,
    Resolved(Expr, Size),
    /// It has an error of its own, which each use need not repeat.
    Broken,
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
    /// A name that is not known, and may be a known one misspelled.
    pub(super) unknown: Option<String>,
}

impl Macros {
    /// Adds a macro; without a tree it has an error of its own.
    pub(super) fn add(&mut self, name: &str, expr: Option<Expr>, index: usize, visibility: usize) {
        if let Some(expr) = &expr {
            self.written.insert(name.to_owned(), expr.clone());
        }
        let state = expr.map_or(State::Broken, State::Parsed);
        self.known.insert(name.to_owned(), Macro { state, index, visibility });
    }

    /// Replaces the macros in the trees of macros; gives those where it cannot be done.
    pub(super) fn resolve_all<'n>(
        &mut self,
        names: impl Iterator<Item = &'n String>,
    ) -> Vec<(String, ResolveError)> {
        let mut errors = Vec::new();
        for name in self.inner_first(names) {
            let Some(known) = self.known.get_mut(&name) else { continue };
            let visibility = known.visibility;
            let expr = match std::mem::replace(&mut known.state, State::Resolving) {
                State::Parsed(expr) => expr,
                state => {
                    known.state = state;
                    continue;
                }
            };
            let state = match self.resolve_sized(expr, visibility) {
                Ok((expr, size)) => State::Resolved(expr, size),
                Err(error) => {
                    errors.push((name.clone(), error));
                    State::Broken
                }
            };
            if let Some(known) = self.known.get_mut(&name) {
                known.state = state;
            }
        }
        errors
    }

    /// Replaces the macros in a rule's condition, which sees them all.
    pub(super) fn resolve(&mut self, expr: Expr) -> Result<Expr, ResolveError> {
        self.resolve_sized(expr, usize::MAX).map(|(expr, _)| expr)
    }

    /// The macros as they are written.
    pub(super) fn into_written(self) -> HashMap<String, Expr> {
        self.written
    }

    /// Whether anything used the macro.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// The known macro that may have been meant.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        suggest::nearest(name, self.known.keys().map(String::as_str))
    }

    /// Each macro after those that it names; in a loop, after some of them.
    fn inner_first<'n>(&self, names: impl Iterator<Item = &'n String>) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        for name in names {
            let mut open = vec![(name.as_str(), self.inner(name))];
            if !seen.insert(name.as_str()) {
                continue;
            }
            // Not by recursion: a chain of macros may be as long as its file.
            while let Some((name, inner)) = open.last_mut() {
                match inner.pop() {
                    Some(next) if seen.insert(next) => open.push((next, self.inner(next))),
                    Some(_) => {}
                    None => {
                        order.push((*name).to_owned());
                        open.pop();
                    }
                }
            }
        }
        order
    }

    /// The macros that a macro names and sees, the first one last.
    fn inner(&self, name: &str) -> Vec<&str> {
        let Some(Macro { state: State::Parsed(expr), visibility, .. }) = self.known.get(name)
        else {
            return Vec::new();
        };
        let mut inner = Vec::new();
        let mut parts = vec![expr];
        while let Some(part) = parts.pop() {
            match part {
                Expr::And(children) | Expr::Or(children) => parts.extend(children),
                Expr::Not(child) => parts.push(child),
                Expr::Check(_) => {}
                Expr::Macro { name, .. } => {
                    let found = self.known.get_key_value(name.as_str());
                    let found = found.filter(|(_, found)| found.index < *visibility);
                    inner.extend(found.map(|(name, _)| name.as_str()));
                }
            }
        }
        inner
    }

    fn resolve_sized(
        &mut self,
        expr: Expr,
        visibility: usize,
    ) -> Result<(Expr, Size), ResolveError> {
        let mut total = Size { levels: 0, nodes: 1 };
        let mut parts = |this: &mut Self, parts: Vec<Expr>| {
            let mut resolved = Vec::with_capacity(parts.len());
            for part in parts {
                let span = first_span(&part);
                let (part, size) = this.resolve_sized(part, visibility)?;
                total.levels = total.levels.max(size.levels + 1);
                total.nodes += size.nodes;
                if total.levels > LEVELS_MAX || total.nodes > NODES_MAX {
                    let message = format!(
                        "the condition with its macros is too large: at most {LEVELS_MAX} levels and {NODES_MAX} checks and values"
                    );
                    return Err(ResolveError { message, span, unknown: None });
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
            Expr::Check(check) => {
                if let Right::List(list) = &check.right {
                    total.nodes += list.len();
                }
                Expr::Check(check)
            }
            Expr::Macro { name, span } => return self.named(&name, span, visibility),
        };
        Ok((expr, total))
    }

    fn named(
        &mut self,
        name: &str,
        span: Span,
        visibility: usize,
    ) -> Result<(Expr, Size), ResolveError> {
        let known = self.known.get(name).filter(|known| known.index < visibility);
        let (message, unknown) = match known.map(|known| &known.state) {
            Some(State::Resolved(expr, size)) => {
                self.used.insert(name.to_owned());
                self.copied_nodes += size.nodes;
                if self.copied_nodes <= NODES_TOTAL_MAX {
                    return Ok((expr.clone(), *size));
                }
                let message = format!(
                    "the conditions with their macros are too large: at most {NODES_TOTAL_MAX} checks and values of macros in all"
                );
                (message, None)
            }
            Some(State::Broken) => {
                self.used.insert(name.to_owned());
                (format!("macro '{name}' has an error of its own"), None)
            }
            Some(State::Parsed(_) | State::Resolving) => {
                (format!("reference loop in macro '{name}'"), None)
            }
            None => {
                let message = format!("Undefined macro '{name}' used in filter.");
                (message, Some(name.to_owned()))
            }
        };
        Err(ResolveError { message, span, unknown })
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
