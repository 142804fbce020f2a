//! Which event types a condition can match at all.
//!
//! Only tests of `evt.type` narrow the set, and `evt.num=0`, which no event fulfils. Everything
//! else may or may not hold, whether negated or not.

use std::collections::BTreeSet;

use crate::{
    event_names,
    syntax::{Check, Expr, Literal, Operand, Operator, Right},
};

/// A set of event types, closed under `and`, `or` and `not`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventTypes {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl EventTypes {
    const ALL: Self = Self::AllBut(BTreeSet::new());
    const NONE: Self = Self::Only(BTreeSet::new());

    pub(crate) fn of(expr: &Expr) -> Self {
        types(expr, false)
    }

    pub(crate) fn contains(&self, event_type: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(event_type),
            Self::AllBut(names) => !names.contains(event_type),
        }
    }

    /// The names in the set, of all those known.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Only(names) => names.iter().map(String::as_str).collect(),
            Self::AllBut(names) => {
                event_names::NAMES.iter().copied().filter(|name| !names.contains(*name)).collect()
            }
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Only(names) => Self::AllBut(names),
            Self::AllBut(names) => Self::Only(names),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(&a & &b),
            (Self::Only(a), Self::AllBut(b)) | (Self::AllBut(b), Self::Only(a)) => {
                Self::Only(&a - &b)
            }
            (Self::AllBut(a), Self::AllBut(b)) => Self::AllBut(&a | &b),
        }
    }

    fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }
}

fn types(expr: &Expr, negated: bool) -> EventTypes {
    let parts = |parts: &[Expr], all: bool| {
        let parts = parts.iter().map(|part| types(part, negated));
        if all {
            parts.fold(EventTypes::ALL, EventTypes::and)
        } else {
            parts.fold(EventTypes::NONE, EventTypes::or)
        }
    };
    match expr {
        // De Morgan: under a negation the two change places.
        Expr::And(children) => parts(children, !negated),
        Expr::Or(children) => parts(children, negated),
        Expr::Not(inner) => types(inner, !negated),
        Expr::Macro { .. } => EventTypes::ALL,
        Expr::Check(check) => {
            let narrowed = check_types(check);
            if negated && narrowed != EventTypes::ALL { narrowed.negated() } else { narrowed }
        }
    }
}

fn check_types(check: &Check) -> EventTypes {
    let Operand::Field { name, arg: None, .. } = &check.left else { return EventTypes::ALL };
    let literals = match &check.right {
        Right::Value(literal) => std::slice::from_ref(literal),
        Right::List(literals) => literals.as_slice(),
        Right::Nothing | Right::Operand(_) => return EventTypes::ALL,
    };
    let quantified = check.quantifier.is_some();
    match (name.as_str(), check.operator) {
        ("evt.type", Operator::Equal | Operator::In) if !quantified => named(literals),
        ("evt.type", Operator::NotEqual) if !quantified => named(literals).negated(),
        ("evt.num", Operator::Equal) if literals.iter().all(|literal| literal.value == b"0") => {
            EventTypes::NONE
        }
        _ => EventTypes::ALL,
    }
}

fn named(literals: &[Literal]) -> EventTypes {
    let name = |literal: &Literal| String::from_utf8_lossy(&literal.value).into_owned();
    EventTypes::Only(literals.iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::EventTypes;
    use crate::syntax::parse;

    #[track_caller]
    fn check(condition: &str, inside: &[&str], outside: &[&str]) {
        let types = EventTypes::of(&parse(condition, 0).unwrap());
        for name in inside {
            assert!(types.contains(name), "{name} should be in {condition:?}");
        }
        for name in outside {
            assert!(!types.contains(name), "{name} should not be in {condition:?}");
        }
    }

    #[test]
    fn only_event_types_narrow() {
        check("proc.name = x", &["open", "execve"], &[]);
        check("not proc.name = x", &["open", "execve"], &[]);
        check("evt.type = open and proc.name = x", &["open"], &["execve"]);
        check("evt.type = open or proc.name = x", &["open", "execve"], &[]);
        check(
            "evt.type in (open, creat) or evt.type=execve",
            &["open", "creat", "execve"],
            &["dup"],
        );
        check("evt.type != open", &["execve"], &["open"]);
        check("evt.type exists", &["execve"], &[]);
    }

    #[test]
    fn negation_goes_inward() {
        check("not (evt.type = open or proc.name = x)", &["execve"], &["open"]);
        check("not (evt.type = open and proc.name = x)", &["execve", "open"], &[]);
        check("not (not evt.type = open)", &["open"], &["execve"]);
        check("evt.type=open and not (evt.type in (open, dup))", &[], &["open", "dup", "execve"]);
    }

    #[test]
    fn what_is_never_true_matches_nothing() {
        check("evt.num=0", &[], &["open"]);
        check("not evt.num=0", &["open"], &[]);
        check("evt.type=open and evt.num=0", &[], &["open"]);
        check("evt.type=open or evt.num=0", &["open"], &["dup"]);
    }
}
