//! How likely a test holds and what it costs: guesses that decide only the order of work.

use super::group::{Key, Means};
use crate::{
    field::{Field, Shape},
    predicate::{Constant, Extract, Right, Test},
    syntax::Operator,
};

/// A guess about a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// How likely it holds, 0 to 1.
    pub(super) chance: f32,
    /// What it takes to know, in something like nanoseconds.
    pub(super) cost: f32,
}

impl Estimate {
    pub(super) const NEVER: Self = Self { chance: 0.0, cost: 1.0 };

    pub(super) fn opposite(self) -> Self {
        Self { chance: 1.0 - self.chance, ..self }
    }

    /// Of an `or`, whose parts are asked until one holds.
    pub(super) fn of_any(parts: impl Iterator<Item = Self>) -> Self {
        let mut all = Self { chance: 0.0, cost: 0.0 };
        for part in parts {
            let still_open = 1.0 - all.chance;
            all.cost += part.cost * still_open;
            all.chance += part.chance * still_open;
        }
        all
    }

    /// In an `or` what holds often and costs little goes first.
    pub(super) fn rank_in_or(self) -> f32 {
        self.chance / self.cost.max(1.0)
    }
}

/// Of an atom.
pub(super) fn of_keys<'k>(
    extract: &Extract,
    means: Means,
    keys: impl Iterator<Item = &'k Key>,
) -> Estimate {
    let chances = keys.map(|key| match key {
        Key::Bool(wanted) if holds_mostly(extract) == *wanted => 0.95,
        Key::Bool(_) => 0.05,
        Key::Number(_) => 0.1,
        Key::Address(_) => 0.05,
        Key::Text(text) if means == Means::Equal => match usual(extract) {
            true => 0.6,
            false if text.is_empty() => 0.3,
            false => 0.01,
        },
        Key::Text(text) => match text.len() {
            0 => 1.0,
            1 => 0.8,
            2 => 0.2,
            _ => 0.02,
        },
    });
    let chance = 1.0 - chances.fold(1.0, |none: f32, chance: f32| none * (1.0 - chance));
    Estimate { chance, cost: reading(extract) + scanning(extract, means) }
}

fn scanning(extract: &Extract, means: Means) -> f32 {
    let long = if is_long(extract) { 6.0 } else { 1.0 };
    match means {
        Means::Equal => 8.0,
        Means::StartsWith => 10.0,
        Means::EndsWith => 6.0,
        Means::Contains => 30.0 * long,
        Means::ContainsNoCase => 50.0 * long,
    }
}

/// Of a test that is made by itself.
pub(super) fn of_test(test: &Test) -> Estimate {
    let long = if is_long(&test.left) { 6.0 } else { 1.0 };
    let (chance, cost) = match (test.operator, &test.right) {
        (Operator::Exists, _) => (0.9, 2.0),
        (Operator::NotEqual, _) => (0.8, 6.0),
        (Operator::Regex, _) => (0.05, 200.0 * long),
        (Operator::Glob | Operator::GlobNoCase | Operator::PathMatch, _) => (0.05, 60.0 * long),
        (_, Right::Extract(right)) => (0.3, 10.0 + reading(right)),
        (_, Right::Constants(_, constants)) => {
            let number = matches!(constants.first(), Some(Constant::Number(_)));
            (if number { 0.6 } else { 0.2 }, 6.0)
        }
        _ => (0.2, 10.0),
    };
    Estimate { chance, cost: cost + reading(&test.left) }
}

fn reading(extract: &Extract) -> f32 {
    match extract.as_plain_field() {
        Some(_) if is_long(extract) => 20.0,
        Some(field) if field.arg.is_some() => 14.0,
        Some(_) => 8.0,
        None => 80.0,
    }
}

/// Whether its values are lines, or many.
fn is_long(extract: &Extract) -> bool {
    let Some(wanted) = extract.as_plain_field() else { return true };
    wanted.shape() != Shape::Scalar
        || matches!(
            wanted.field,
            Field::ProcArgs
                | Field::ProcCmdline
                | Field::ProcExeline
                | Field::ProcEnv
                | Field::ProcPcmdline
                | Field::ProcAcmdline
                | Field::EvtArgs
                | Field::EvtBuffer
        )
}

/// What a field that is true or false is for most events.
fn holds_mostly(extract: &Extract) -> bool {
    extract.as_plain_field().is_some_and(|wanted| {
        matches!(wanted.field, Field::EvtIsOpenRead | Field::FdConnected | Field::FdIsServer)
    })
}

/// Fields with few values, of which rules ask for the usual one.
fn usual(extract: &Extract) -> bool {
    extract.as_plain_field().is_some_and(|wanted| {
        matches!(
            wanted.field,
            Field::FdTypechar
                | Field::FdType
                | Field::FdL4proto
                | Field::FdSockfamily
                | Field::EvtRes
                | Field::ContainerId
                | Field::UserName
                | Field::GroupName
        )
    })
}
