//! A condition whose names and types are known: what is evaluated.

mod compile;
mod constant;
mod extract;
mod glob;
mod network;

use std::collections::HashSet;

pub(crate) use compile::{compile, extract_of};
use constant::{Constant, values_hold};
pub(crate) use extract::{Extract, read_field};

use crate::{
    event::{Event, Value},
    field::{FieldRef, Shape},
    syntax::{Operator, Quantifier},
};

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Test(Test),
}

/// One check.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    left: Extract,
    operator: Operator,
    right: Right,
}

#[derive(Clone, Debug)]
enum Right {
    /// For `exists`.
    Nothing,
    /// As many of the constants as the quantifier says.
    Constants(Quantifier, Vec<Constant>),
    /// One of many texts, for equality.
    Texts(HashSet<Vec<u8>>),
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
                found(&test.left.field);
                if let Right::Extract(right) = &test.right {
                    found(&right.field);
                }
            }
        }
    }
}

impl Test {
    /// Without a value on the left, no check holds.
    fn holds(&self, event: &dyn Event) -> bool {
        let Some(value) = self.left.read(event) else { return false };
        let Value::List(values) = value else { return self.value_holds(&value, event) };
        if values.is_empty() {
            return false;
        }
        let every = match self.left.shape() {
            Shape::List => self.operator == Operator::In,
            Shape::EitherEnd => self.operator == Operator::NotEqual,
            Shape::Scalar | Shape::AnyOf => false,
        };
        let mut values = values.iter();
        if every {
            values.all(|value| self.value_holds(&value, event))
        } else {
            values.any(|value| self.value_holds(&value, event))
        }
    }

    fn value_holds(&self, value: &Value<'_>, event: &dyn Event) -> bool {
        match &self.right {
            Right::Nothing => true,
            Right::Texts(texts) => {
                matches!(value, Value::Text(text) if texts.contains(text.as_ref()))
            }
            Right::Constants(quantifier, constants) => {
                let fitting = |constant: &Constant| constant.holds(self.operator, value);
                match quantifier {
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
