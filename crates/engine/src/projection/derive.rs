//! From a condition to what its events have in common, as far as the kernel sees it.
//!
//! The condition is walked once for each event type, with `not` carried down to the tests (De
//! Morgan). A test becomes a check that passes at least the events for which it holds, or, under a
//! `not`, those for which it does not hold, among them all that have no value. What the kernel
//! cannot tell passes everything; so do all parts of an `or` with it, and of an `and` the other
//! parts remain.

use std::collections::BTreeSet;

use super::{
    clauses::{Clause, Clauses, RULE_CLAUSES_MAX},
    family::EventType,
    literal::{Outcome, outcome},
};
use crate::{field::FieldRef, predicate::Predicate};

/// What passes, and which tests it is due to that nearly all does.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    pub(super) clauses: Clauses,
    pub(super) defeats: Defeats,
}

/// Fields whose tests the kernel cannot make, where that matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Defeats {
    /// Tests that have to hold.
    wanted: BTreeSet<String>,
    /// Tests that must not hold.
    excluded: BTreeSet<String>,
}

impl Defeats {
    fn of(field: Option<&FieldRef>, negated: bool) -> Self {
        let name: BTreeSet<String> = field.map(FieldRef::to_string).into_iter().collect();
        if negated {
            Self { excluded: name, ..Self::default() }
        } else {
            Self { wanted: name, ..Self::default() }
        }
    }

    fn add(&mut self, other: &Self) {
        self.wanted.extend(other.wanted.iter().cloned());
        self.excluded.extend(other.excluded.iter().cloned());
    }

    /// The names. What is excluded seldom narrows, and is named only where nothing else is.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        if self.wanted.is_empty() { &self.excluded } else { &self.wanted }
    }
}

impl Derived {
    fn everything() -> Self {
        Self { clauses: Clauses::everything(), defeats: Defeats::default() }
    }

    fn nothing() -> Self {
        Self { clauses: Clauses::nothing(), defeats: Defeats::default() }
    }
}

/// What an event of that type must be like for the condition to hold.
pub(super) fn derive(predicate: &Predicate, event_type: EventType) -> Derived {
    let mut derived = walk(predicate, event_type, false);
    derived.clauses.tidy();
    derived
}

/// What such an event must be like for the condition to hold, or, under a `not`, for it not to.
pub(super) fn derive_as(predicate: &Predicate, event_type: EventType, negated: bool) -> Clauses {
    walk(predicate, event_type, negated).clauses
}

fn walk(predicate: &Predicate, event_type: EventType, negated: bool) -> Derived {
    match predicate {
        Predicate::Not(inner) => walk(inner, event_type, !negated),
        Predicate::And(parts) if negated => any(parts, event_type, negated),
        Predicate::Or(parts) if !negated => any(parts, event_type, negated),
        Predicate::And(parts) | Predicate::Or(parts) => all(parts, event_type, negated),
        Predicate::Test(test) => match outcome(test, event_type, negated) {
            Outcome::Always => Derived::everything(),
            Outcome::Never => Derived::nothing(),
            Outcome::Checks(alternatives) => {
                let clauses = alternatives.into_iter().fold(Clauses::nothing(), |all, checks| {
                    let clause = checks.into_iter().fold(Clause::default(), |clause, check| {
                        clause.and(&Clause::of(check.bounded()))
                    });
                    all.or(&Clauses::of(clause), RULE_CLAUSES_MAX)
                });
                Derived { defeats: Defeats::default(), clauses }
            }
            Outcome::Unknown => {
                let mut field = None;
                test.left.for_each_field(&mut |found| {
                    field.get_or_insert_with(|| found.clone());
                });
                Derived {
                    clauses: Clauses::everything(),
                    defeats: Defeats::of(field.as_ref(), negated),
                }
            }
        },
    }
}

fn all(parts: &[Predicate], event_type: EventType, negated: bool) -> Derived {
    let mut both = Derived::everything();
    for part in parts {
        let derived = walk(part, event_type, negated);
        if derived.clauses.is_nothing() {
            return derived;
        }
        both.defeats.add(&derived.defeats);
        if both.clauses.is_everything() {
            both.clauses = derived.clauses;
        } else if !derived.clauses.is_everything() {
            both.clauses = both.clauses.and(&derived.clauses);
        }
    }
    if !both.clauses.is_wide() {
        both.defeats = Defeats::default();
    }
    both
}

fn any(parts: &[Predicate], event_type: EventType, negated: bool) -> Derived {
    let mut either = Derived::nothing();
    // A part that is wide by what the kernel can test stays so, whatever it could test of others.
    let mut wide_by_itself = false;
    for part in parts {
        let derived = walk(part, event_type, negated);
        if derived.clauses.is_wide() {
            wide_by_itself |= derived.defeats.names().is_empty();
            either.defeats.add(&derived.defeats);
        }
        if !either.clauses.is_everything() {
            either.clauses = either.clauses.or(&derived.clauses, RULE_CLAUSES_MAX);
        }
    }
    if wide_by_itself {
        either.defeats = Defeats::default();
    }
    either
}
