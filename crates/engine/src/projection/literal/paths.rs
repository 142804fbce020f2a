//! Tests of parts of a path, as tests of the path.

use std::collections::BTreeSet;

use super::texts::texts;
use crate::{
    predicate::Test,
    projection::{
        check::{Check, Wanted},
        fact::Fact,
        pattern::Pattern,
    },
    syntax::Operator,
};

/// A test of a part of the path, as one of the path. Its opposite is not told: the part may be
/// missing where the path is not.
pub(super) fn part(
    test: &Test,
    of_path: fn(Pattern) -> Option<Pattern>,
    negated: bool,
) -> Option<Vec<Vec<Check>>> {
    if negated || test.operator == Operator::NotEqual {
        return None;
    }
    let path = |wanted: Wanted| match wanted {
        Wanted::Text(patterns) => {
            let patterns: Option<BTreeSet<_>> = patterns
                .into_iter()
                .map(|pattern| of_path(pattern)?.bounded().map(|(pattern, _)| pattern))
                .collect();
            patterns.map(|patterns| Check { fact: Fact::Path, wanted: Wanted::Text(patterns) })
        }
        _ => None,
    };
    let alternatives = texts(test, Fact::Path)?.alternatives.into_iter().map(|all| {
        let checks: Vec<Check> = all.into_iter().filter_map(path).collect();
        (!checks.is_empty()).then_some(checks)
    });
    alternatives.collect()
}

pub(super) fn in_directory(pattern: Pattern) -> Option<Pattern> {
    match pattern {
        Pattern::Is(text) => Some(Pattern::InDirectory(text)),
        // A directory stands at the start of its paths, so what it begins with or has in it, they
        // begin with or have in them, too.
        Pattern::StartsWith(_) | Pattern::Contains(_) => Some(pattern),
        _ => None,
    }
}

pub(super) fn has_name(pattern: Pattern) -> Option<Pattern> {
    match pattern {
        Pattern::Is(text) => Some(Pattern::HasName(text)),
        Pattern::EndsWith(_) | Pattern::Contains(_) => Some(pattern),
        Pattern::StartsWith(text) => Some(Pattern::Contains([b"/", text.as_slice()].concat())),
        _ => None,
    }
}

/// `fd.name` of a socket is a path only if it is a Unix one.
pub(super) fn socket_name(test: &Test, negated: bool) -> Option<Vec<Vec<Check>>> {
    // As the program gave it, it may have empty components.
    if negated || test.operator == Operator::PathMatch {
        return None;
    }
    let values = texts(test, Fact::Path)?;
    let is_path = |wanted: &Wanted| match wanted {
        Wanted::Text(patterns) => patterns.iter().all(|pattern| match pattern {
            Pattern::Is(text) | Pattern::StartsWith(text) => text.starts_with(b"/"),
            _ => false,
        }),
        _ => false,
    };
    let with_type = |alternative: Vec<Wanted>| {
        alternative.iter().any(is_path).then(|| {
            let unix = Wanted::Text([Pattern::Is(b"unix".to_vec())].into());
            let paths = alternative.into_iter().map(|wanted| Check { fact: Fact::Path, wanted });
            paths.chain([Check { fact: Fact::FdType, wanted: unix }]).collect()
        })
    };
    values.alternatives.into_iter().map(with_type).collect()
}
