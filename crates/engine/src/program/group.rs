//! Which tests of a field are decided together.

use std::net::IpAddr;

use indexmap::IndexMap;

use crate::{
    predicate::{Constant, Right, Test},
    syntax::{Operator, Quantifier},
};

/// How a value is looked up: each a table or an automaton over all keys of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Means {
    Equal,
    StartsWith,
    EndsWith,
    Contains,
    /// The keys are in lower case.
    ContainsNoCase,
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Text(Vec<u8>),
    Number(i128),
    Bool(bool),
    /// An IPv4 address in IPv6 is an IPv4 address.
    Address(IpAddr),
}

/// The keys of which a value must have one for `test` to hold; `None` if it is not of that form.
///
/// For a field of many values the test must be one that a single value fulfils.
pub(super) fn keys_of(test: &Test) -> Option<IndexMap<Means, Vec<Key>>> {
    if test.needs_all() {
        return None;
    }
    let mut found: IndexMap<Means, Vec<Key>> = IndexMap::new();
    match &test.right {
        Right::Texts(texts) if is_equality(test.operator) => {
            found.insert(Means::Equal, texts.iter().cloned().map(Key::Text).collect());
        }
        Right::Constants(quantifier, constants)
            if *quantifier == Quantifier::Any || constants.len() == 1 =>
        {
            for constant in constants {
                let (means, key) = key_of(test.operator, constant)?;
                found.entry(means).or_default().push(key);
            }
        }
        _ => return None,
    }
    Some(found)
}

fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::In | Operator::Intersects)
}

fn key_of(operator: Operator, constant: &Constant) -> Option<(Means, Key)> {
    use Operator as Op;
    Some(match (operator, constant) {
        (operator, constant) if is_equality(operator) => {
            let key = match constant {
                Constant::Text(text) => Key::Text(text.clone()),
                Constant::Number(number) => Key::Number(*number),
                Constant::Bool(value) => Key::Bool(*value),
                Constant::Address(address) => Key::Address(address.to_canonical()),
                _ => return None,
            };
            (Means::Equal, key)
        }
        // Any text has the empty one, and this is the cheapest way to say so.
        (
            Op::Contains | Op::BytesContain | Op::ContainsNoCase | Op::EndsWith,
            Constant::Text(text),
        ) if text.is_empty() => (Means::StartsWith, Key::Text(Vec::new())),
        (Op::StartsWith | Op::BytesStartWith, Constant::Text(text)) => {
            (Means::StartsWith, Key::Text(text.clone()))
        }
        (Op::EndsWith, Constant::Text(text)) => (Means::EndsWith, Key::Text(text.clone())),
        (Op::Contains | Op::BytesContain, Constant::Text(text)) => {
            (Means::Contains, Key::Text(text.clone()))
        }
        (Op::ContainsNoCase, Constant::Text(text)) => {
            (Means::ContainsNoCase, Key::Text(text.to_ascii_lowercase()))
        }
        _ => return None,
    })
}

/// What a value must have for a pattern to hold, or a little more.
///
/// The patterns themselves are tried one by one; this is looked up with all others of its kind.
pub(super) fn implied_by(test: &Test) -> Option<IndexMap<Means, Vec<Key>>> {
    let Right::Constants(quantifier, constants) = &test.right else { return None };
    if test.needs_all() || (*quantifier == Quantifier::All && constants.is_empty()) {
        return None;
    }
    let mut found: IndexMap<Means, Vec<Key>> = IndexMap::new();
    for constant in constants {
        let (means, text) = match constant {
            Constant::Glob(glob) => match glob.required()? {
                (text, _) if test.operator == Operator::GlobNoCase => {
                    (Means::ContainsNoCase, text.to_ascii_lowercase())
                }
                (text, true) => (Means::StartsWith, text),
                (text, false) => (Means::Contains, text),
            },
            Constant::Components(globs) => {
                // A slash may be there twice, so that nothing is known of where they stand.
                let required = globs.iter().filter_map(|glob| Some(glob.required()?.0));
                (Means::Contains, required.max_by_key(Vec::len)?)
            }
            _ => return None,
        };
        found.entry(means).or_default().push(Key::Text(text));
    }
    Some(found)
}
