//! Exceptions are text, too: each adds `and not (...)` to its rule's condition, before lists are
//! replaced and before anything is parsed. The text is Falco's to the byte, blanks and missing
//! escapes as well: an exception means what it means there.

use std::collections::{HashMap, HashSet};

use super::{
    decode::Keys,
    report::{Problem, Refusal, invalid, malformed},
    trail::{ItemType, Trail},
};
use crate::{
    diagnostic::Code,
    field::FieldRef,
    filter::Filter,
    syntax::{OPERATORS, OperatorClass, Quantifier},
    traced::TracedText,
    yaml::{Content, Node},
};

/// One exception of a rule.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    name: String,
    pub(super) trail: Trail,
    fields: Entry,
    comps: Entry,
    values: Vec<Entry>,
}

/// A text, or a list of such.
#[derive(Clone, Debug)]
enum Entry {
    Text(String),
    List(Vec<Entry>),
}

impl Entry {
    const NONE: Self = Self::Text(String::new());

    fn is_given(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::List(entries) => !entries.is_empty(),
        }
    }

    /// Its text; a list has none.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::List(_) => "",
        }
    }
}

/// The exceptions of a rule, in order. Names should differ; of equal ones the first is appended to.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions {
    list: Vec<Exception>,
    by_name: HashMap<String, usize>,
}

/// Reads the `exceptions` of a rule. When they are appended, the fields may be known already.
pub(super) fn read(
    rule: Keys<'_, '_>,
    appending: bool,
    remarks: &mut Vec<Problem>,
) -> Result<Vec<Exception>, Refusal> {
    let Some(node) = rule.get("exceptions").filter(|node| !node.is_null()) else {
        return Ok(Vec::new());
    };
    let trail = rule.trail.step(ItemType::Exceptions, "", node.place);
    let Content::Sequence(items) = &node.content else {
        return Err(malformed("Rule exceptions must be a sequence", &trail));
    };
    let mut names = HashSet::new();
    let mut exceptions = Vec::with_capacity(items.len());
    for item in items {
        let unnamed = trail.step(ItemType::Exception, "", item.place);
        if !matches!(item.content, Content::Mapping(_)) {
            return Err(malformed("Rule exception must be a mapping", &unnamed));
        }
        let (name, _) = Keys::new(item, &unnamed).scalar("name")?;
        let trail = rule.trail.step(ItemType::Exception, name, item.place);
        if !names.insert(name) {
            let message = format!("Multiple definitions of exception '{name}' in the same rule");
            remarks.push(Problem::new(Code::ExceptionNameNotUnique, message, &trail));
        }
        exceptions.push(read_one(name, Keys::new(item, &trail), appending, remarks)?);
    }
    Ok(exceptions)
}

fn read_one(
    name: &str,
    keys: Keys<'_, '_>,
    appending: bool,
    remarks: &mut Vec<Problem>,
) -> Result<Exception, Refusal> {
    let trail = keys.trail;
    let named = |key: &str| match keys.get(key) {
        Some(node) => entry(node, key, trail).map(Some),
        None => Ok(None),
    };
    let fields = match named("fields")? {
        Some(fields) => fields,
        None if appending => Entry::NONE,
        None => return Err(malformed("Item has no mapping for key 'fields'", trail)),
    };
    let comps = named("comps")?.unwrap_or(Entry::NONE);
    let mut values = Vec::new();
    if let Some(node) = keys.get("values") {
        let trail = trail.step(ItemType::ExceptionValues, "", node.place);
        let Content::Sequence(items) = &node.content else {
            return Err(malformed("Rule exception values must be a sequence", &trail));
        };
        for item in items {
            let trail = trail.step(ItemType::ExceptionValue, "", item.place);
            values.push(entry(item, "", &trail)?);
        }
    } else if appending {
        let message = "Overriding/appending exception with no values";
        remarks.push(Problem::new(Code::AppendNoValues, message, trail));
    }
    Ok(Exception { name: name.to_owned(), trail: trail.clone(), fields, comps, values })
}

fn entry(node: &Node, key: &str, trail: &Trail) -> Result<Entry, Refusal> {
    let trail = || trail.step(ItemType::ValueFor, key, node.place);
    match &node.content {
        Content::Scalar(text) if text.is_empty() => {
            Err(malformed("Value must be non-empty", &trail()))
        }
        Content::Scalar(text) => Ok(Entry::Text(text.clone())),
        Content::Sequence(items) => {
            let trail = trail();
            let item =
                |item: &Node| entry(item, "", &trail.step(ItemType::Exception, "", item.place));
            items.iter().map(item).collect::<Result<_, _>>().map(Entry::List)
        }
        Content::Null | Content::Mapping(_) => Ok(Entry::NONE),
    }
}

impl Exception {
    pub(super) fn has_fields(&self) -> bool {
        self.fields.is_given()
    }

    /// Fills in the default operators and checks what can be known without the values.
    pub(super) fn complete(&mut self, known_source: bool) -> Result<(), Refusal> {
        let trail = &self.trail;
        if !self.comps.is_given() {
            self.comps = match &self.fields {
                Entry::List(fields) => Entry::List(vec![Entry::Text("=".to_owned()); fields.len()]),
                Entry::Text(_) => Entry::Text("in".to_owned()),
            };
        }
        let unsupported =
            |field: &str| invalid(format!("'{field}' is not a supported filter field"), trail);
        match (&self.fields, &mut self.comps) {
            (Entry::List(fields), Entry::List(comps)) if fields.len() == comps.len() => {
                for comp in comps {
                    normalize(comp);
                    if !is_operator(comp.text()) && !is_quantified(comp.text()) {
                        let comp = comp.text();
                        let message = format!("'{comp}' is not a supported comparison operator");
                        return Err(invalid(message, trail));
                    }
                }
                match fields.iter().map(Entry::text).find(|field| !is_field(field)) {
                    Some(field) if known_source => Err(unsupported(field)),
                    _ => Ok(()),
                }
            }
            (Entry::List(_), _) => {
                Err(invalid("Fields and comps lists must have equal length", trail))
            }
            (Entry::Text(_), Entry::List(_)) => {
                Err(invalid("Fields and comps must both be strings", trail))
            }
            (Entry::Text(field), comp) => {
                normalize(comp);
                let list = matches!(comp.text(), "in" | "pmatch" | "intersects");
                if !list && !is_quantified(comp.text()) {
                    let message = "When fields is a single value, comps must be one of \
                         (in, pmatch, intersects) or a modifier operator (e.g. startswith oneof)";
                    return Err(invalid(message, trail));
                }
                if known_source && !is_field(field) { Err(unsupported(field)) } else { Ok(()) }
            }
        }
    }

    /// What it adds to the condition; nothing without values.
    fn text(&self) -> Result<String, Refusal> {
        let mut text = String::new();
        match &self.fields {
            Entry::Text(field) => {
                for value in &self.values {
                    let Entry::Text(value) = value else {
                        let message = "Expected values array to contain a list of strings";
                        return Err(invalid(message, &self.trail));
                    };
                    if text.is_empty() {
                        text = format!("({field} {} (", self.comps.text());
                    } else {
                        text.push_str(", ");
                    }
                    push_quoted(&mut text, value);
                }
                if !text.is_empty() {
                    text.push_str("))");
                }
            }
            Entry::List(fields) => {
                let Entry::List(comps) = &self.comps else { return Ok(text) };
                for row in &self.values {
                    let values = match row {
                        Entry::List(values) if values.len() == fields.len() => values,
                        _ => {
                            let message = "Fields and values lists must have equal length";
                            return Err(invalid(message, &self.trail));
                        }
                    };
                    text.push_str(if text.is_empty() { "((" } else { " or (" });
                    for (position, ((field, comp), value)) in
                        fields.iter().zip(comps).zip(values).enumerate()
                    {
                        text.push_str(if position == 0 { "" } else { " and " });
                        text.push_str(&format!(" {} {} ", field.text(), comp.text()));
                        push_value(&mut text, value, takes_a_list(comp.text()));
                    }
                    text.push(')');
                }
                if !text.is_empty() {
                    text.push(')');
                }
            }
        }
        Ok(text)
    }
}

impl Exceptions {
    pub(super) fn new(list: Vec<Exception>) -> Self {
        let mut exceptions = Self::default();
        list.into_iter().for_each(|exception| exceptions.add(exception));
        exceptions
    }

    fn add(&mut self, exception: Exception) {
        self.by_name.entry(exception.name.clone()).or_insert(self.list.len());
        self.list.push(exception);
    }

    /// Their names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|exception| exception.name.as_str())
    }

    /// Checks, and completes, what is about to be appended.
    pub(super) fn check_appended(
        &self,
        appended: &mut [Exception],
        known_source: bool,
    ) -> Result<(), Refusal> {
        // One that comes twice is new only the first time.
        let mut new = HashSet::new();
        for exception in appended {
            let known = self.by_name.contains_key(&exception.name) || new.contains(&exception.name);
            let refused = match known {
                false if !exception.fields.is_given() => {
                    "Rule exception must have fields property with a list of fields"
                }
                false if exception.values.is_empty() => {
                    "Rule exception must have values property with a list of values"
                }
                true if exception.fields.is_given() => {
                    "Can not append exception fields to existing exception, only values"
                }
                true if exception.comps.is_given() => {
                    "Can not append exception comps to existing exception, only values"
                }
                true => continue,
                false => {
                    exception.complete(known_source)?;
                    new.insert(exception.name.clone());
                    continue;
                }
            };
            return Err(invalid(refused, &exception.trail));
        }
        Ok(())
    }

    /// Appends what was checked.
    pub(super) fn append(&mut self, appended: Vec<Exception>) {
        for exception in appended {
            let known = self.by_name.get(&exception.name).copied();
            match known.and_then(|position| self.list.get_mut(position)) {
                Some(known) => known.values.extend(exception.values),
                None => self.add(exception),
            }
        }
    }

    /// The condition with its exceptions.
    pub(super) fn apply(&self, condition: &TracedText) -> Result<TracedText, Refusal> {
        if self.list.is_empty() {
            return Ok(condition.clone());
        }
        let mut text = TracedText::made_at("(", condition.place(0));
        text.push(condition);
        text.push_str(")");
        for exception in &self.list {
            let excepted = exception.text()?;
            if !excepted.is_empty() {
                let excepted = format!(" and not {excepted}");
                text.push(&TracedText::made_at(&excepted, exception.trail.place()));
            }
        }
        Ok(text)
    }
}

/// A value, or a list of them in brackets. An operator that takes a list gets one.
fn push_value(text: &mut String, value: &Entry, takes_a_list: bool) {
    match value {
        Entry::List(values) => {
            text.push('(');
            for (position, value) in values.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                push_quoted(text, value.text());
            }
            text.push(')');
        }
        Entry::Text(value) if takes_a_list && !value.starts_with('(') => {
            text.push_str(&format!("({value})"));
        }
        Entry::Text(value) if takes_a_list => text.push_str(value),
        Entry::Text(value) => push_quoted(text, value),
    }
}

/// A text with a blank in it is quoted, unless it brings quotes of its own.
pub(super) fn push_quoted(text: &mut String, value: &str) {
    let bare = !value.contains(' ') || value.starts_with(['"', '\'']);
    let quote = if bare { "" } else { "\"" };
    text.extend([quote, value, quote]);
}

fn normalize(comp: &mut Entry) {
    if let Entry::Text(text) = comp {
        *text = text.trim_matches([' ', '\t', '\r', '\n']).to_owned();
    }
}

/// With transformers around it, a field is one if a condition may have it on its left.
fn is_field(text: &str) -> bool {
    if text.contains('(') {
        return Filter::compile(&format!("{text} exists")).is_ok();
    }
    FieldRef::parse(text).is_ok()
}

fn is_operator(text: &str) -> bool {
    OPERATORS.iter().any(|(spelling, ..)| *spelling == text)
}

/// `startswith oneof` and the like: only operators on text take a quantifier.
fn is_quantified(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(operator, quantifier)| {
        let on_text = |(spelling, _, class): &(&str, _, _)| {
            *spelling == operator && *class == OperatorClass::Text
        };
        OPERATORS.iter().any(on_text)
            && Quantifier::EACH.iter().any(|known| known.as_str() == quantifier)
    })
}

fn takes_a_list(operator: &str) -> bool {
    let list = |(spelling, _, class): &(&str, _, _)| {
        *spelling == operator && *class == OperatorClass::List
    };
    OPERATORS.iter().any(list) || is_quantified(operator)
}
