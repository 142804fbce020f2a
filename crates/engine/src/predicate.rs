//! A condition whose names and types are known: what is evaluated.

mod compile;
mod constant;
mod extract;
mod functions;
mod glob;
mod misuse;
mod network;
mod operands;
mod pattern;
mod posix;
mod services;

use std::collections::BTreeSet;

pub(crate) use compile::{CompileError, compile};
pub(crate) use constant::{Constant, values_hold};
pub(crate) use extract::{Extract, is_event_field};
pub(crate) use glob::Glob;
pub(crate) use network::Network;
pub(crate) use operands::extract_of;
pub(crate) use pattern::Pattern;

use crate::{
    event::{Event, Value},
    field::{FieldRef, Shape},
    syntax::{Operator, Quantifier},
};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Test(Test),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) left: Extract,
    pub(crate) operator: Operator,
    pub(crate) right: Right,
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    /// For `exists`.
    Nothing,
    /// As many of the constants as the quantifier says.
    Constants(Quantifier, Vec<Constant>),
    /// One of many texts, for equality.
    Texts(BTreeSet<Vec<u8>>),
    /// A field of the same event.
    Extract(Extract),
}

impl Predicate {
    pub(crate) fn holds(&self, event: &dyn Event) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Not(inner) => !inner.holds(event),
            Self::Test(test) => test.holds(event),
        }
    }

    /// Calls `found` with every field it asks for.
    pub(crate) fn for_each_field(&self, found: &mut impl FnMut(&FieldRef)) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.for_each_field(found));
            }
            Self::Not(inner) => inner.for_each_field(found),
            Self::Test(test) => {
                test.left.for_each_field(found);
                if let Right::Extract(right) = &test.right {
                    right.for_each_field(found);
                }
            }
        }
    }
}

impl Test {
    /// Without a value on the left, no check holds.
    pub(crate) fn holds(&self, event: &dyn Event) -> bool {
        let Some(value) = self.left.read(event) else { return false };
        match value {
            _ if self.operator == Operator::Exists => true,
            Value::List(values) if self.needs_all() => {
                values.iter().all(|value| self.value_holds(&value, event))
            }
            Value::List(values) => values.iter().any(|value| self.value_holds(&value, event)),
            value => self.value_holds(&value, event),
        }
    }

    /// Whether it must hold for all values of the left side, where those are several.
    pub(crate) fn needs_all(&self) -> bool {
        match self.left.shape() {
            Shape::List => self.operator == Operator::In,
            Shape::EitherEnd => self.operator == Operator::NotEqual,
            Shape::Scalar | Shape::AnyOf => false,
        }
    }

    /// Whether it holds for one value of the left side.
    pub(crate) fn value_holds(&self, value: &Value<'_>, event: &dyn Event) -> bool {
        match &self.right {
            Right::Nothing => true,
            Right::Texts(texts) => {
                matches!(value, Value::Text(text) if texts.contains(text.as_ref()))
            }
            Right::Constants(quantifier, constants) => {
                let fitting = |constant: &Constant| constant.holds(self.operator, value);
                match quantifier {
                    _ if constants.is_empty() => false,
                    Quantifier::Any => constants.iter().any(fitting),
                    Quantifier::All => constants.iter().all(fitting),
                    Quantifier::One => {
                        constants.iter().filter(|constant| fitting(constant)).count() == 1
                    }
                }
            }
            Right::Extract(right) => match right.read(event) {
                Some(Value::List(list)) => {
                    list.iter().any(|right| values_hold(self.operator, value, &right))
                }
                Some(right) => values_hold(self.operator, value, &right),
                None => false,
            },
        }
    }
}

#[cfg(test)]
mod tests;
