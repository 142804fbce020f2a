//! Conditions that compile but may not mean what they say.

use crate::{
    field::FieldRef,
    syntax::{Check, Function, Literal, Operator, Span},
};

/// Something to remark on.
#[derive(Debug)]
pub(crate) struct Misuse {
    pub(crate) message: String,
    /// Where the value stands. Falco points at the begin of the list that it is in.
    pub(crate) span: Span,
}

/// What Falco's loader warns about, too, in its words.
pub(super) fn misuses(check: &Check, literal: &Literal) -> Vec<Misuse> {
    let Ok(text) = std::str::from_utf8(&literal.value) else { return Vec::new() };
    let stripped: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let mut messages = Vec::new();
    if check.operator == Operator::Regex && is_plain(&literal.value) {
        messages.push(format!(
            "regex check with '{text}' may be optimized with simpler operators such as '=', \
             'contains', 'startswith', 'endswith'"
        ));
    }
    if FieldRef::parse(&stripped).is_ok() {
        messages.push(format!("'{text}' may be a valid field misused as a const string value"));
    }
    if is_call(&stripped) {
        messages.push(format!(
            "'{text}' may be a valid field transformer misused as a const string value"
        ));
    }
    messages.into_iter().map(|message| Misuse { message, span: literal.span }).collect()
}

fn is_call(text: &str) -> bool {
    let inner = |function: Function| text.strip_prefix(function.as_str())?.strip_prefix('(');
    Function::ALL
        .into_iter()
        .any(|function| inner(function).is_some_and(|rest| rest.ends_with(')')))
}

/// Whether a regular expression could be written without one: nothing in it is special but an
/// anchor at either end, which is there anyway, and `.*` or the like at either end.
fn is_plain(pattern: &[u8]) -> bool {
    let mut rest = pattern;
    if let [b'^', after @ ..] | [b'.', b'+' | b'*' | b'?', after @ ..] = rest {
        rest = after;
    }
    if let [before @ .., b'$'] | [before @ .., b'.', b'+' | b'*' | b'?'] = rest {
        rest = before;
    }
    !rest.iter().any(|byte| b".+*?^$()[]{}|\\".contains(byte))
}
