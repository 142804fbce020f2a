//! The right-hand side of a check, read once for the kind of its field.

use std::{cmp::Ordering, net::IpAddr};

use super::{Glob, Network, Pattern, services};
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
    /// The components of a path, of which the first is the empty one of the root; each may be a
    /// pattern.
    Components(Vec<Glob>),
}

/// How long a text may be that values are compared with, as in Falco. It bounds patterns, too.
const TEXT_BYTES_MAX: usize = 255;

impl Constant {
    /// Reads a literal as the operator and the field's kind want it. The messages are Falco's.
    pub(super) fn read(kind: Kind, operator: Operator, literal: &[u8]) -> Result<Self, String> {
        if matches!(operator, Operator::BytesContain | Operator::BytesStartWith) {
            let bytes = unhex(literal).ok_or(
                "filter error: bcontains and bstartswith operator support hex strings only",
            )?;
            return bounded(kind, &bytes).map(|()| Self::Text(bytes));
        }
        if kind != Kind::Bytes && literal.contains(&0) {
            return Err("filter error: filter value cannot contain a NUL byte (\\x00)".to_owned());
        }
        let text = String::from_utf8_lossy(literal);
        match kind {
            Kind::Text | Kind::Path | Kind::Bytes => {
                bounded(kind, literal)?;
                Ok(match operator {
                    Operator::Glob => Self::Glob(Glob::new(literal, false)),
                    Operator::GlobNoCase => Self::Glob(Glob::new(literal, true)),
                    Operator::Regex => Self::Regex(Pattern::new(literal)?),
                    Operator::PathMatch => {
                        Self::Components(components(literal).map(Glob::of_component).collect())
                    }
                    _ => Self::Text(literal.to_vec()),
                })
            }
            Kind::Int | Kind::Uint | Kind::Time => number(kind, &text).map(Self::Number),
            Kind::Port => port(&text).map(Self::Number),
            Kind::Bool => match text.parse() {
                Ok(value) => Ok(Self::Bool(value)),
                Err(_) => Err(format!("filter error: unrecognized boolean value {text}")),
            },
            Kind::Ip => address(&text).map(Self::Address),
            Kind::Net => Network::parse(&text).map(Self::Network),
        }
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
        Value::Text(text) if matches!(operator, Operator::Glob | Operator::GlobNoCase) => {
            Constant::Glob(Glob::new(text, operator == Operator::GlobNoCase))
        }
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

/// The parts of a path between its slashes, after an empty one for the root.
///
/// Slashes only divide: `/etc`, `etc` and `//etc/` are the same, and `/` begins every path.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    std::iter::once(&[][..]).chain(parts)
}

fn bounded(kind: Kind, literal: &[u8]) -> Result<(), String> {
    if literal.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    if kind == Kind::Bytes {
        return Err("filter parameter too long (byte buf)".to_owned());
    }
    // As much of it as Falco takes at most: the rest is as long as its author likes.
    let shown = literal.get(..TEXT_BYTES_MAX).unwrap_or(literal);
    let (shown, used) = (String::from_utf8_lossy(shown), literal.len() + 1);
    Err(format!("filter parameter too long (used={used}, available=256):{shown}"))
}

/// Reads decimal digits after blanks and a sign, as sscanf(3) does.
fn number(kind: Kind, text: &str) -> Result<i128, String> {
    let refused = || format!("{text} is not a valid number");
    let digits = text.trim_ascii_start();
    let signed = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if signed.is_empty() || !signed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    // What is longer than any number of the kind counts as the largest.
    let limit = i128::from(u64::MAX);
    let size = signed.parse::<i128>().unwrap_or(limit).min(limit);
    let number = if digits.starts_with('-') { -size } else { size };
    Ok(match kind {
        Kind::Int => number.clamp(i128::from(i64::MIN), i128::from(i64::MAX)),
        _ if number >= 0 => number,
        // The fields that are written so (`user.uid = -1`) have 32 bits.
        _ if number >= i128::from(i32::MIN) => number + (1 << 32),
        _ => number + (1 << 64),
    })
}

/// A number is cut to 16 bits, as Falco does it.
fn port(text: &str) -> Result<i128, String> {
    if text.is_empty() {
        return Ok(0);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number =
            text.parse::<i32>().ok().ok_or_else(|| format!("{text} is not a valid number"))?;
        return Ok(i128::from(number & 0xffff));
    }
    let port = services::port_of(text).map(u16::into);
    port.ok_or_else(|| format!("unrecognized protocol {text}"))
}

/// What has a dot is of version 4.
fn address(text: &str) -> Result<IpAddr, String> {
    if text.contains('.') {
        let address = text.parse().map(IpAddr::V4);
        address.ok().ok_or_else(|| format!("unrecognized IPv4 address {text}"))
    } else {
        let address = text.parse().map(IpAddr::V6);
        address.ok().ok_or_else(|| format!("unrecognized IPv6 address {text}"))
    }
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    pairs.iter().map(byte).collect()
}
