//! What `--explain` and `lanner rules explain` print: a condition's parts with what each gives.

use std::fmt;

use lanner_engine::{Explanation, Part};
use serde_json::{Map, Value as Json, json};

use crate::printable::Printable;

/// The parts as a tree, one a line, with `*` before those that decided.
pub(crate) struct Tree<'e>(pub(crate) &'e Explanation);

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(self.0, 0, f)
    }
}

impl Tree<'_> {
    fn line(&self, part: &Explanation, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if part.is_decisive { '*' } else { ' ' };
        let pad = "  ".repeat(depth);
        write!(f, "{mark} {:5}  {pad}{}", part.holds, Printable(label(part)))?;
        if !part.fields.is_empty() {
            write!(f, "    [{}]", values(part))?;
        }
        writeln!(f)?;
        part.parts.iter().try_for_each(|inner| self.line(inner, depth + 1, f))
    }
}

/// The checks that decided, one a line.
pub(crate) struct Reasons<'e>(pub(crate) &'e Explanation);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reasons().into_iter().try_for_each(|reason| {
            let (check, values) = (Printable(label(reason)), values(reason));
            writeln!(f, "  {check} is {}    [{values}]", reason.holds)
        })
    }
}

fn label(part: &Explanation) -> &str {
    match &part.part {
        Part::And => "and",
        Part::Or => "or",
        Part::Not => "not",
        Part::Macro(text) | Part::Check(text) => text,
    }
}

fn values(check: &Explanation) -> String {
    let values = check.fields.iter().map(|(field, value)| match value {
        Some(value) => format!("{} = {}", Printable(field), Printable(value)),
        None => format!("{} is missing", Printable(field)),
    });
    values.collect::<Vec<_>>().join(", ")
}

/// All parts, with the checks that decided beside them.
pub(crate) fn to_json(explanation: &Explanation) -> Json {
    let reasons: Vec<_> = explanation.reasons().into_iter().map(part_json).collect();
    json!({ "reasons": reasons, "condition": part_json(explanation) })
}

fn part_json(part: &Explanation) -> Json {
    let (kind, text) = match &part.part {
        Part::And => ("and", None),
        Part::Or => ("or", None),
        Part::Not => ("not", None),
        Part::Macro(name) => ("macro", Some(name)),
        Part::Check(check) => ("check", Some(check)),
    };
    let mut json = Map::new();
    json.insert("part".to_owned(), kind.into());
    json.extend(text.map(|text| ("text".to_owned(), text.as_str().into())));
    json.insert("holds".to_owned(), part.holds.into());
    json.insert("decisive".to_owned(), part.is_decisive.into());
    if let Part::Check(_) = part.part {
        let fields = part.fields.iter();
        let fields: Map<_, _> =
            fields.map(|(name, value)| (name.clone(), Json::from(value.clone()))).collect();
        json.insert("fields".to_owned(), fields.into());
    } else {
        let parts: Vec<_> = part.parts.iter().map(part_json).collect();
        json.insert("parts".to_owned(), parts.into());
    }
    Json::Object(json)
}
