//! Which event types a condition can match at all.
//!
//! Only tests of `evt.type` narrow the set, and those of `evt.num` that no event fulfils, such as
//! `evt.num=0`. Everything else may or may not hold, whether negated or not.

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
            let (types, about_types) = check_types(check);
            if negated && about_types { types.negated() } else { types }
        }
    }
}

/// The types that one check leaves; the second value says whether it is about types at all, so that
/// a negation means the others.
fn check_types(check: &Check) -> (EventTypes, bool) {
    let neutral = (EventTypes::ALL, false);
    let Operand::Field { name, arg: None, .. } = &check.left else { return neutral };
    if check.quantifier.is_some() {
        return neutral;
    }
    let literals = match &check.right {
        Right::Value(literal) => std::slice::from_ref(literal),
        Right::List(literals) => literals.as_slice(),
        Right::Nothing | Right::Operand(_) => &[],
    };
    match (name.as_str(), check.operator, &check.right) {
        ("evt.type" | "syscall.type", Operator::Exists, _) => (EventTypes::ALL, true),
        ("evt.type" | "syscall.type", Operator::Equal | Operator::In, _) => (named(literals), true),
        ("evt.type" | "syscall.type", Operator::NotEqual, _) => (named(literals).negated(), true),
        ("evt.num", Operator::In, Right::List(_)) => {
            let none = literals.iter().all(|literal| number(literal) == Some(0));
            if none { (EventTypes::NONE, true) } else { neutral }
        }
        ("evt.num", operator, Right::Value(literal)) => {
            match number(literal).and_then(|number| holds_for_each_event(operator, number)) {
                Some(true) => (EventTypes::ALL, true),
                Some(false) => (EventTypes::NONE, true),
                None => neutral,
            }
        }
        _ => neutral,
    }
}

/// Whether the number of an event, which is at least 1, always or never compares so.
fn holds_for_each_event(operator: Operator, number: u64) -> Option<bool> {
    match (operator, number) {
        (Operator::Equal | Operator::LessOrEqual, 0) | (Operator::Less, 0 | 1) => Some(false),
        (Operator::NotEqual | Operator::Greater, 0) | (Operator::GreaterOrEqual, 0 | 1) => {
            Some(true)
        }
        _ => None,
    }
}

fn number(literal: &Literal) -> Option<u64> {
    let text = std::str::from_utf8(&literal.value).ok()?.trim_ascii_start();
    text.strip_prefix('+').unwrap_or(text).parse().ok()
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
        check("syscall.type = open", &["open"], &["execve"]);
        check("evt.type = anyof (open)", &["open", "execve"], &[]);
        check("evt.type contains open", &["open", "execve"], &[]);
        check("evt.type in ()", &[], &["open", "execve"]);
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
        check("not evt.type exists", &[], &["open"]);
        for never in ["< 1", "<= 0", "< 0", "in (0, 0)", "in ()", "= '+0'"] {
            check(&format!("evt.num {never}"), &[], &["open"]);
            check(&format!("not evt.num {never}"), &["open"], &[]);
        }
        for always in ["!= 0", "> 0", ">= 1", ">= 0"] {
            check(&format!("evt.num {always}"), &["open"], &[]);
            check(&format!("not evt.num {always}"), &[], &["open"]);
        }
        for unknown in ["= 1", "< 2", "> 1", "!= 1", "in (0, 1)", "= x", "= anyof (0)", "in list"] {
            check(&format!("evt.num {unknown}"), &["open"], &[]);
            check(&format!("not evt.num {unknown}"), &["open"], &[]);
        }
    }
}
