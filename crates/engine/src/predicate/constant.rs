//! The right-hand side of a check, read once for the kind of its field.

use std::{cmp::Ordering, net::IpAddr};

use super::{Glob, Network, Pattern};
use crate::{event::Value, field::Kind, syntax::Operator};

/// One value that others are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Constant {
    Text(Vec<u8>),
    Number(i128),
    Bool(bool),
    Address(IpAddr),
    Network(Network),
    Glob(Glob),
    Regex(Pattern),
    /// The components of a path; each may be a pattern.
    Components(Vec<Glob>),
}

impl Constant {
    /// Reads a literal as the operator and the field's kind want it.
    pub(super) fn read(kind: Kind, operator: Operator, literal: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(literal);
        Ok(match (operator, kind) {
            (Operator::Glob, _) => Self::Glob(Glob::new(literal, false)),
            (Operator::GlobNoCase, _) => Self::Glob(Glob::new(literal, true)),
            (Operator::Regex, _) => Self::Regex(Pattern::new(&text)?),
            (Operator::PathMatch, _) => {
                let components = components(literal).map(|part| Glob::new(part, false));
                Self::Components(components.collect())
            }
            (Operator::BytesContain | Operator::BytesStartWith, _) => {
                Self::Text(unhex(&text).ok_or_else(|| format!("'{text}' is not hexadecimal"))?)
            }
            (_, Kind::Text | Kind::Path | Kind::Bytes) => Self::Text(literal.to_vec()),
            (_, Kind::Int | Kind::Uint | Kind::Port | Kind::Time) => {
                let number = number(&text)
                    .filter(|number| *number >= 0 || matches!(kind, Kind::Int | Kind::Time));
                let kind = kind.as_str();
                Self::Number(number.ok_or_else(|| format!("'{text}' is not a number ({kind})"))?)
            }
            (_, Kind::Bool) => {
                let value = text.parse();
                Self::Bool(value.ok().ok_or_else(|| format!("'{text}' is neither true nor false"))?)
            }
            (_, Kind::Ip) => {
                let address = text.parse();
                Self::Address(
                    address.ok().ok_or_else(|| format!("unrecognized IP address {text}"))?,
                )
            }
            (_, Kind::Net) => Self::Network(text.parse()?),
        })
    }

    /// Whether `value operator self`. False for what cannot be compared.
    pub(crate) fn holds(&self, operator: Operator, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(wanted), Value::Text(text)) => text_holds(operator, text, wanted),
            (Self::Number(wanted), Value::Int(number)) => {
                ordered(operator, i128::from(*number).cmp(wanted))
            }
            (Self::Number(wanted), Value::Uint(number)) => {
                ordered(operator, i128::from(*number).cmp(wanted))
            }
            (Self::Bool(wanted), Value::Bool(value)) => ordered(operator, value.cmp(wanted)),
            (Self::Address(wanted), Value::Ip(address)) => {
                ordered(operator, address.to_canonical().cmp(&wanted.to_canonical()))
            }
            (Self::Network(network), Value::Ip(address)) => {
                network.contains(address.to_canonical()) != (operator == Operator::NotEqual)
            }
            (Self::Glob(glob), Value::Text(text)) => glob.matches(text),
            (Self::Regex(pattern), Value::Text(text)) => pattern.matches(text),
            (Self::Components(wanted), Value::Text(text)) => {
                let mut found = components(text);
                wanted.iter().all(|glob| found.next().is_some_and(|part| glob.matches(part)))
            }
            _ => false,
        }
    }
}

/// Compares two values that events gave. False for what cannot be compared.
pub(crate) fn values_hold(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    let constant = match right {
        Value::Text(text) => Constant::Text(text.to_vec()),
        Value::Int(number) => Constant::Number(i128::from(*number)),
        Value::Uint(number) => Constant::Number(i128::from(*number)),
        Value::Bool(value) => Constant::Bool(*value),
        Value::Ip(address) => Constant::Address(*address),
        Value::List(_) => return false,
    };
    constant.holds(operator, left)
}

fn text_holds(operator: Operator, text: &[u8], wanted: &[u8]) -> bool {
    match operator {
        Operator::Contains | Operator::BytesContain => contains(text, wanted, |a, b| a == b),
        Operator::ContainsNoCase => contains(text, wanted, u8::eq_ignore_ascii_case),
        Operator::StartsWith | Operator::BytesStartWith => text.starts_with(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        _ => ordered(operator, text.cmp(wanted)),
    }
}

fn ordered(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Equal | Operator::In | Operator::Intersects => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        _ => false,
    }
}

fn contains(text: &[u8], wanted: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    wanted.is_empty()
        || text
            .windows(wanted.len())
            .any(|window| window.iter().zip(wanted).all(|(a, b)| same(a, b)))
}

/// The parts of a path between its slashes, after an empty one if it is absolute.
///
/// A slash at the end, or a second one in a row, adds nothing.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let root = path.starts_with(b"/").then_some(&[][..]);
    root.into_iter().chain(path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()))
}

fn number(text: &str) -> Option<i128> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}
