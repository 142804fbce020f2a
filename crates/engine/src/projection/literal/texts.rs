//! Tests of texts, as patterns that what fits them must show.

use std::collections::BTreeSet;

use super::{Values, exactly, holds_for};
use crate::{
    event::Value,
    field::Shape,
    predicate::{Constant, Glob, Right, Test},
    projection::{
        check::Wanted,
        fact::{Domain, Fact},
        pattern::{Pattern, implied_by_glob},
    },
    syntax::{Operator, Quantifier},
};

/// The constants of a test as texts that fit, each as what they imply.
pub(super) fn texts(test: &Test, fact: Fact) -> Option<Values> {
    let one = |text: &[u8]| Constant::Text(text.to_vec());
    let (quantifier, constants) = match &test.right {
        Right::Texts(texts) => (Quantifier::Any, texts.iter().map(|text| one(text)).collect()),
        Right::Constants(quantifier, constants) => (*quantifier, constants.clone()),
        Right::Nothing | Right::Extract(_) => return None,
    };
    if test.operator == Operator::NotEqual {
        let several = constants.len() > 1 && quantifier != Quantifier::All;
        // Of any ancestor it may be said that it is not the one.
        if several || test.left.shape() == Shape::AnyOf {
            return None;
        }
        let is = |constant: Constant| match constant {
            Constant::Text(text) => Pattern::Is(text).bounded().filter(|(_, exact)| *exact),
            _ => None,
        };
        let patterns: Option<BTreeSet<_>> = constants
            .into_iter()
            .map(|constant| is(constant).map(|(pattern, _)| pattern))
            .collect();
        let usable = fact.domain() != Domain::Flags;
        return patterns.filter(|_| usable).and_then(|patterns| exactly(Wanted::NoText(patterns)));
    }
    if quantifier == Quantifier::All && constants.len() > 1 {
        return None;
    }
    let mut exact = quantifier != Quantifier::One || constants.len() == 1;
    let mut single = BTreeSet::new();
    let mut alternatives = Vec::new();
    for constant in constants {
        let (implied, same) = implied(test.operator, constant, fact)?;
        exact &= same;
        match implied {
            Implied::AnyOf(patterns) => single.extend(patterns),
            Implied::AllOf(patterns) => alternatives
                .push(patterns.into_iter().map(|pattern| Wanted::Text([pattern].into())).collect()),
        }
    }
    if !single.is_empty() || alternatives.is_empty() {
        alternatives.push(vec![Wanted::Text(single)]);
    }
    Some(Values { alternatives, exact })
}

enum Implied {
    AnyOf(Vec<Pattern>),
    AllOf(Vec<Pattern>),
}

/// What a text must be that fits one constant, and whether that is all it must be.
fn implied(operator: Operator, constant: Constant, fact: Fact) -> Option<(Implied, bool)> {
    use Operator as Op;
    let domain = fact.domain();
    let pattern = match (operator, constant) {
        (Op::Contains | Op::ContainsNoCase, Constant::Text(text)) if domain == Domain::Flags => {
            let name = if operator == Op::Contains { text } else { text.to_ascii_uppercase() };
            let usable = is_one_flag(&name);
            return usable.then_some((Implied::AnyOf(vec![Pattern::Contains(name)]), true));
        }
        _ if domain == Domain::Flags => return None,
        // Names of processes are looked up as a whole.
        (operator, _) if fact == Fact::ProcessName && !is_equality(operator) => return None,
        (Op::Equal | Op::In | Op::Intersects, Constant::Text(text)) => Pattern::Is(text),
        (Op::StartsWith, Constant::Text(text)) => Pattern::StartsWith(text),
        (Op::EndsWith, Constant::Text(text)) => Pattern::EndsWith(text),
        (Op::Contains, Constant::Text(text)) => Pattern::Contains(text),
        (Op::Glob | Op::GlobNoCase, Constant::Glob(glob)) => {
            let (patterns, exact) = implied_by_glob(&glob);
            return all_of(patterns, exact, domain);
        }
        (Op::PathMatch, Constant::Components(components)) if is_plain(fact) => {
            return components_implied(&components);
        }
        _ => return None,
    };
    all_of(vec![pattern], true, domain)
}

pub(super) fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::In | Operator::Intersects)
}

/// Whether it is shown exactly where some bit is set.
fn is_one_flag(name: &[u8]) -> bool {
    /// Opens show these for several bits, for none or for what else is known of the file.
    const OTHERS: [&str; 10] = [
        "O_NONE",
        "O_RDONLY",
        "O_WRONLY",
        "O_RDWR",
        "O_SYNC",
        "O_DSYNC",
        "O_TMPFILE",
        "O_F_CREATED",
        "FD_UPPER_LAYER",
        "FD_LOWER_LAYER",
    ];
    // A name does not reach over what joins them, and bits without a name are shown as a number.
    let is_apart = |byte: &u8| b"| ,".contains(byte) || byte.is_ascii_digit();
    let of_others = |other: &&str| other.as_bytes().windows(name.len()).any(|part| part == name);
    !name.is_empty() && !name.iter().any(is_apart) && !OTHERS.iter().any(of_others)
}

/// Paths that have no empty component, nor `.` and `..`.
fn is_plain(fact: Fact) -> bool {
    matches!(fact, Fact::Path | Fact::OldPath | Fact::NewPath)
}

fn all_of(patterns: Vec<Pattern>, exact: bool, domain: Domain) -> Option<(Implied, bool)> {
    let mut all_exact = exact;
    let mut bounded = Vec::new();
    for pattern in patterns {
        // User space and tables have no limit on what they test.
        let cut = if domain == Domain::Path { pattern.bounded() } else { Some((pattern, true)) };
        if let Some((pattern, exact)) = cut {
            all_exact &= exact;
            bounded.push(pattern);
        }
    }
    match <[Pattern; 1]>::try_from(bounded) {
        Ok(one) => Some((Implied::AnyOf(one.into()), all_exact)),
        Err(none) if none.is_empty() => None,
        Err(several) => Some((Implied::AllOf(several), all_exact)),
    }
}

fn components_implied(components: &[Glob]) -> Option<(Implied, bool)> {
    let mut text = Vec::new();
    for (at, component) in components.iter().enumerate() {
        if at > 0 {
            text.push(b'/');
        }
        let pieces = component.literal_pieces();
        text.extend(pieces.first()?);
        if pieces.len() > 1 {
            let (pattern, _) = Pattern::StartsWith(text).bounded()?;
            return Some((Implied::AnyOf(vec![pattern]), false));
        }
    }
    let below = [text.as_slice(), b"/"].concat();
    let (itself, exact) = Pattern::Is(text).bounded()?;
    let (below, below_exact) = Pattern::StartsWith(below).bounded()?;
    Some((Implied::AnyOf(vec![itself, below]), exact && below_exact))
}

/// For a value out of few: those that fit, whatever the operator. Each is `(shown, name)`.
pub(super) fn tabulated<const N: usize>(test: &Test, table: [(&str, &str); N]) -> Option<Values> {
    let fitting = table.into_iter().filter(|(shown, _)| holds_for(test, &Value::text(shown)));
    exactly(Wanted::Text(fitting.map(|(_, name)| Pattern::Is(name.into())).collect()))
}
