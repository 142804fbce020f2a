//! Why a condition holds for an event, or does not: every part of it with what it gives.

use std::collections::{BTreeSet, HashMap};

use crate::{
    event::{Event, OtherPath, Value},
    field::FieldRef,
    predicate::{self, Extract, Predicate},
    syntax::Expr,
};

/// How much of one check, and of one value, is shown.
const CHARS_MAX: usize = 200;

/// How many values of a list are shown.
const VALUES_MAX: usize = 16;

/// A rule's condition as it was written, macros by name, ready to be explained for events.
#[derive(Debug)]
pub struct Explainer {
    outline: Outline,
}

#[derive(Debug)]
enum Outline {
    And(Vec<Outline>),
    Or(Vec<Outline>),
    Not(Box<Outline>),
    Macro {
        name: String,
        inner: Box<Outline>,
    },
    /// With what it reads, by the names of the fields.
    Check {
        text: String,
        reads: Vec<(String, Extract)>,
        predicate: Predicate,
    },
}

/// What a part of a condition gives for one event, with the parts of which it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What part it is.
    pub part: Part,
    /// Whether it holds.
    pub holds: bool,
    /// Whether the whole gave what it gave because of this part: in an `and` that does not hold
    /// that is the first part that does not, in an `or` that holds the first that does.
    pub is_decisive: bool,
    /// The fields of a check by name with their values, `None` where the event has none. A value
    /// has at most 200 characters; they may be any.
    pub fields: Vec<(String, Option<String>)>,
    /// What it is made of.
    pub parts: Vec<Explanation>,
}

/// A part of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Holds if all its parts do.
    And,
    /// Holds if one of its parts does.
    Or,
    /// Holds if its part does not.
    Not,
    /// The macro of this name; its part is the macro's condition.
    Macro(String),
    /// A check as written, lists in it, at most 200 characters of it.
    Check(String),
}

impl Explainer {
    /// `None` when the condition, or a macro in it, has an error.
    pub(crate) fn new(expr: &Expr, macros: &HashMap<String, Expr>) -> Option<Self> {
        // A macro whose error is a loop has no end.
        const NODES_MAX: usize = 200_000;
        let mut nodes_left = NODES_MAX;
        let outline = outline(expr, macros, &mut nodes_left)?;
        Some(Self { outline })
    }

    /// What each part of the condition gives for `event`; with its other path (see
    /// [`Event::has_other_path`]) if the condition holds with that one alone.
    pub fn explain(&self, event: &dyn Event) -> Explanation {
        let mut explanation = self.outline.explain(event);
        if !explanation.holds && event.has_other_path() {
            let other = self.outline.explain(&OtherPath(event));
            explanation = if other.holds { other } else { explanation };
        }
        explanation.mark_decisive();
        explanation
    }

    /// The macros in the condition, those in other macros, too.
    pub fn macros(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.outline.add_macros(&mut names);
        names
    }
}

impl Explanation {
    /// Whether the condition would hold if the macro `name` gave `value`.
    pub fn holds_if(&self, name: &str, value: bool) -> bool {
        let mut parts = self.parts.iter().map(|part| part.holds_if(name, value));
        match &self.part {
            Part::And => parts.all(|holds| holds),
            Part::Or => parts.any(|holds| holds),
            Part::Not => !parts.all(|holds| holds),
            Part::Macro(own) if own == name => value,
            Part::Macro(_) => parts.all(|holds| holds),
            Part::Check(_) => self.holds,
        }
    }

    /// The checks that decided, in the order in which they stand.
    pub fn reasons(&self) -> Vec<&Self> {
        match self.part {
            Part::Check(_) if self.is_decisive => vec![self],
            _ => self.parts.iter().flat_map(Self::reasons).collect(),
        }
    }

    fn mark_decisive(&mut self) {
        self.is_decisive = true;
        // One part is enough for an `and` that fails and for an `or` that holds.
        let one_is_enough = match self.part {
            Part::And => !self.holds,
            Part::Or => self.holds,
            _ => false,
        };
        let holds = self.holds;
        if one_is_enough {
            let first = self.parts.iter_mut().find(|part| part.holds == holds);
            first.into_iter().for_each(Self::mark_decisive);
        } else {
            self.parts.iter_mut().for_each(Self::mark_decisive);
        }
    }
}

fn outline(expr: &Expr, macros: &HashMap<String, Expr>, nodes_left: &mut usize) -> Option<Outline> {
    *nodes_left = nodes_left.checked_sub(1)?;
    let mut outlines = |parts: &[Expr]| {
        parts.iter().map(|part| outline(part, macros, nodes_left)).collect::<Option<Vec<_>>>()
    };
    Some(match expr {
        Expr::And(parts) => Outline::And(outlines(parts)?),
        Expr::Or(parts) => Outline::Or(outlines(parts)?),
        Expr::Not(inner) => Outline::Not(Box::new(outline(inner, macros, nodes_left)?)),
        Expr::Macro { name, .. } => {
            let inner = outline(macros.get(name)?, macros, nodes_left)?;
            Outline::Macro { name: name.clone(), inner: Box::new(inner) }
        }
        Expr::Check(_) => {
            let predicate = predicate::compile(expr, &mut Vec::new()).ok()?;
            let mut fields: BTreeSet<FieldRef> = BTreeSet::new();
            predicate.for_each_field(&mut |field| {
                fields.insert(field.clone());
            });
            let reads = fields.into_iter().map(|field| (field.to_string(), Extract::Field(field)));
            Outline::Check { text: cut(&expr.to_string()), reads: reads.collect(), predicate }
        }
    })
}

impl Outline {
    fn explain(&self, event: &dyn Event) -> Explanation {
        let all = |parts: &[Self]| parts.iter().map(|part| part.explain(event)).collect::<Vec<_>>();
        let made = |part, holds, parts| Explanation {
            part,
            holds,
            is_decisive: false,
            fields: Vec::new(),
            parts,
        };
        match self {
            Self::And(parts) => {
                let parts = all(parts);
                made(Part::And, parts.iter().all(|part| part.holds), parts)
            }
            Self::Or(parts) => {
                let parts = all(parts);
                made(Part::Or, parts.iter().any(|part| part.holds), parts)
            }
            Self::Not(inner) => {
                let inner = inner.explain(event);
                made(Part::Not, !inner.holds, vec![inner])
            }
            Self::Macro { name, inner } => {
                let inner = inner.explain(event);
                made(Part::Macro(name.clone()), inner.holds, vec![inner])
            }
            Self::Check { text, reads, predicate } => {
                let fields = reads.iter().map(|(name, extract)| {
                    (name.clone(), extract.read(event).map(|value| value_text(&value)))
                });
                let fields = fields.collect();
                let check = Part::Check(text.clone());
                Explanation { fields, ..made(check, predicate.holds(event), Vec::new()) }
            }
        }
    }

    fn add_macros<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.add_macros(names));
            }
            Self::Not(inner) => inner.add_macros(names),
            Self::Macro { name, inner } => {
                names.insert(name);
                inner.add_macros(names);
            }
            Self::Check { .. } => {}
        }
    }
}

fn value_text(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        // A character is four bytes at most: more of them would be cut again.
        Value::Text(text) => {
            let head = text.get(..CHARS_MAX * 4 + 4).unwrap_or(text);
            cut(&String::from_utf8_lossy(head))
        }
        Value::Ip(address) => address.to_string(),
        Value::List(list) => {
            let mut shown = Vec::new();
            for value in list.iter().take(VALUES_MAX + 1) {
                shown.push(value_text(&value));
            }
            if shown.len() > VALUES_MAX {
                shown.truncate(VALUES_MAX);
                shown.push("...".to_owned());
            }
            cut(&format!("({})", shown.join(", ")))
        }
    }
}

fn cut(text: &str) -> String {
    if text.chars().nth(CHARS_MAX).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CHARS_MAX - 3).collect();
    format!("{kept}...")
}
