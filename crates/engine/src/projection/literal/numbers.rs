//! Tests of numbers, and of results, which are numbers too.

use super::{Values, holds_for, texts::is_equality};
use crate::{
    event::Value,
    predicate::{Constant, Right, Test},
    projection::check::{Ranges, Wanted},
    syntax::{Operator, Quantifier},
};

/// The texts of errors that conditions ask for, and their numbers; `evt.res` of others is not told
/// apart.
const ERRORS: [(&str, i128); 12] = [
    ("EPERM", -1),
    ("ENOENT", -2),
    ("EINTR", -4),
    ("EAGAIN", -11),
    ("EACCES", -13),
    ("EEXIST", -17),
    ("EROFS", -30),
    ("ENETUNREACH", -101),
    ("ETIMEDOUT", -110),
    ("ECONNREFUSED", -111),
    ("EHOSTUNREACH", -113),
    ("EINPROGRESS", -115),
];

pub(super) fn numbers(test: &Test) -> Option<Values> {
    let Right::Constants(quantifier, constants) = &test.right else { return None };
    let number = |constant: &Constant| match constant {
        Constant::Number(number) => Some(*number),
        _ => None,
    };
    let numbers: Vec<i128> = constants.iter().map(number).collect::<Option<_>>()?;
    let fitting = numbers.iter().map(|number| {
        let (below, above) = (number.saturating_sub(1), number.saturating_add(1));
        Some(match test.operator {
            Operator::Equal | Operator::In | Operator::Intersects => {
                Ranges::between(*number, *number)
            }
            Operator::NotEqual => Ranges::between(*number, *number).not(),
            Operator::Less => Ranges::between(i128::MIN, below),
            Operator::LessOrEqual => Ranges::between(i128::MIN, *number),
            Operator::Greater => Ranges::between(above, i128::MAX),
            Operator::GreaterOrEqual => Ranges::between(*number, i128::MAX),
            _ => return None,
        })
    });
    let fitting: Vec<Ranges> = fitting.collect::<Option<_>>()?;
    let ranges = match quantifier {
        Quantifier::All => fitting.iter().fold(Ranges::all(), |all, one| all.and(one)),
        _ => fitting.iter().fold(Ranges::default(), |any, one| any.or(one)),
    };
    let exact = *quantifier != Quantifier::One || numbers.len() == 1;
    Some(Values { alternatives: vec![vec![Wanted::Number(ranges)]], exact })
}

/// The descriptor that an open gives is its result; where it fails, some negative number.
pub(super) fn open_descriptor(test: &Test) -> Option<Values> {
    let values = numbers(test)?;
    let negative = Ranges::between(i128::MIN, -1);
    let result = |wanted: Wanted| match wanted {
        Wanted::Number(ranges) if ranges.and(&negative) == Ranges::default() => {
            Wanted::Number(ranges)
        }
        Wanted::Number(ranges) => Wanted::Number(ranges.or(&negative)),
        other => other,
    };
    let alternatives = values
        .alternatives
        .into_iter()
        .map(|alternative| alternative.into_iter().map(result).collect())
        .collect();
    Some(Values { alternatives, exact: false })
}

/// `evt.res` as the number behind it.
pub(super) fn results(test: &Test) -> Option<Values> {
    let success = holds_for(test, &Value::text("SUCCESS"));
    let known =
        |text: &[u8]| text == b"SUCCESS" || ERRORS.iter().any(|(name, _)| name.as_bytes() == text);
    let equality = is_equality(test.operator) || test.operator == Operator::NotEqual;
    let all_known = match &test.right {
        Right::Texts(texts) => texts.iter().all(|text| known(text)),
        Right::Constants(_, constants) => constants.iter().all(|constant| match constant {
            Constant::Text(text) => known(text),
            _ => false,
        }),
        Right::Nothing | Right::Extract(_) => false,
    };
    let exact = equality && all_known;
    let mut ranges = Ranges::default();
    let mut others = Ranges::between(i128::MIN, -1);
    for (name, number) in ERRORS {
        let one = Ranges::between(number, number);
        others = others.and(&one.not());
        if holds_for(test, &Value::text(name)) {
            ranges = ranges.or(&one);
        }
    }
    // An error without a row may have any name but those, so what no row has may be its name.
    if !exact || holds_for(test, &Value::text("E")) {
        ranges = ranges.or(&others);
    }
    if success {
        ranges = ranges.or(&Ranges::between(0, i128::MAX));
    }
    Some(Values { alternatives: vec![vec![Wanted::Number(ranges)]], exact })
}
