//! Exceptions are text, too: each adds `and not (...)` to its rule's condition.

use crate::{
    field::FieldRef,
    syntax::{OPERATORS, OperatorClass, Quantifier},
    traced::{Place, TracedText},
    yaml::{Content, Node},
};

/// One exception of a rule.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    pub(super) name: String,
    pub(super) place: Place,
    fields: Fields,
    comps: Vec<String>,
    /// Each is one text, or one per field.
    values: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
enum Fields {
    One(String),
    Many(Vec<String>),
    /// Only values are given, for an exception defined earlier.
    Inherited,
}

type ReadError = (String, Place);

/// Reads the `exceptions` of a rule.
pub(super) fn read(node: &Node) -> Result<Vec<Exception>, ReadError> {
    let Content::Sequence(items) = &node.content else {
        return Err(("Rule exceptions must be a sequence".to_owned(), node.place));
    };
    items.iter().map(read_one).collect()
}

fn read_one(node: &Node) -> Result<Exception, ReadError> {
    let Content::Mapping(entries) = &node.content else {
        return Err(("Rule exception must be a mapping".to_owned(), node.place));
    };
    let get = |key: &str| {
        entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    };
    let name = get("name").and_then(Node::as_str);
    let name =
        name.ok_or(("Rule exception item must have name property".to_owned(), node.place))?;
    let fields = match get("fields") {
        None => Fields::Inherited,
        Some(fields) => match fields.as_str() {
            Some(field) => Fields::One(field.to_owned()),
            None => Fields::Many(texts(fields)?),
        },
    };
    let comps = match (get("comps"), &fields) {
        (Some(comps), _) => {
            comps.as_str().map_or_else(|| texts(comps), |one| Ok(vec![one.to_owned()]))?
        }
        (None, Fields::One(_)) => vec!["in".to_owned()],
        (None, Fields::Many(fields)) => vec!["=".to_owned(); fields.len()],
        (None, Fields::Inherited) => Vec::new(),
    };
    let values = match get("values").map(|values| (values, &values.content)) {
        None | Some((_, Content::Null)) => Vec::new(),
        Some((_, Content::Sequence(rows))) => {
            let rows = rows.iter().map(|row| match &row.content {
                Content::Sequence(cells) => cells.iter().map(cell).collect(),
                _ => cell(row).map(|cell| vec![cell]),
            });
            rows.collect::<Result<_, _>>()?
        }
        Some((values, _)) => {
            return Err(("Rule exception values must be a sequence".to_owned(), values.place));
        }
    };
    Ok(Exception { name: name.to_owned(), place: node.place, fields, comps, values })
}

fn texts(node: &Node) -> Result<Vec<String>, ReadError> {
    let error = || ("a sequence of texts is wanted".to_owned(), node.place);
    let Content::Sequence(items) = &node.content else { return Err(error()) };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(error)).collect()
}

/// A value as condition text; a list in brackets.
fn cell(node: &Node) -> Result<String, ReadError> {
    match &node.content {
        Content::Scalar(text) => Ok(quote(text.as_str())),
        Content::Sequence(_) => {
            let items = texts(node)?;
            let items = items.iter().map(|item| quote(item)).collect::<Vec<_>>();
            Ok(format!("({})", items.join(", ")))
        }
        _ => Err(("an exception's value is a text or a sequence".to_owned(), node.place)),
    }
}

fn quote(value: &str) -> String {
    let special =
        |c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | ',' | '=' | '"' | '\'');
    let own = value.starts_with(['"', '\'', '(']);
    if own || !value.contains(special) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Exception {
    /// Whether it has nothing to except.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Checks what can be known without the rule.
    pub(super) fn check(&self) -> Result<(), String> {
        let (fields, kind) = match &self.fields {
            Fields::One(field) => (std::slice::from_ref(field), "single"),
            Fields::Many(fields) => (fields.as_slice(), "many"),
            Fields::Inherited => {
                let message = "Rule exception item must have fields property with a list of fields";
                return Err(message.to_owned());
            }
        };
        if self.comps.len() != fields.len() {
            return Err("Fields and comps lists must have equal length".to_owned());
        }
        for comp in &self.comps {
            if !is_operator(comp) || (kind == "single" && !takes_a_list(comp)) {
                return Err(format!("'{comp}' is not a supported comparison operator"));
            }
        }
        if let Some(field) = fields.iter().find(|field| FieldRef::parse(field).is_err()) {
            return Err(format!("'{field}' is not a supported filter field"));
        }
        if kind == "many" && self.values.iter().any(|row| row.len() != fields.len()) {
            return Err("Fields and values lists must have equal length".to_owned());
        }
        Ok(())
    }

    /// Takes over the values of an exception of the same name that is appended.
    pub(super) fn append(&mut self, other: Self) -> Result<(), String> {
        if !matches!(other.fields, Fields::Inherited) || !other.comps.is_empty() {
            let message = "Can not append exception fields to existing exception, only values";
            return Err(message.to_owned());
        }
        self.values.extend(other.values);
        Ok(())
    }

    fn text(&self) -> String {
        match &self.fields {
            Fields::One(field) => {
                let comp = self.comps.first().map_or("in", String::as_str);
                let values = self.values.concat().join(", ");
                format!("({field} {comp} ({values}))")
            }
            Fields::Many(fields) => {
                let rows = self.values.iter().map(|row| {
                    let checks =
                        fields.iter().zip(&self.comps).zip(row).map(|((field, comp), value)| {
                            let bare = takes_a_list(comp) && !value.starts_with('(');
                            let value = if bare { format!("({value})") } else { value.clone() };
                            format!("{field} {comp} {value}")
                        });
                    format!("({})", checks.collect::<Vec<_>>().join(" and "))
                });
                format!("({})", rows.collect::<Vec<_>>().join(" or "))
            }
            Fields::Inherited => String::new(),
        }
    }
}

/// The condition with its exceptions.
pub(super) fn apply(condition: &TracedText, exceptions: &[Exception]) -> TracedText {
    let mut exceptions = exceptions.iter().filter(|exception| !exception.is_empty()).peekable();
    if exceptions.peek().is_none() {
        return condition.clone();
    }
    let mut text = TracedText::made_at("(", condition.place(0));
    text.push(condition);
    text.push_str(")");
    for exception in exceptions {
        text.push(&TracedText::made_at(&format!(" and not {}", exception.text()), exception.place));
    }
    text
}

fn is_operator(text: &str) -> bool {
    let (operator, quantifier) = text.split_once(' ').unwrap_or((text, ""));
    let known = OPERATORS.iter().any(|(spelling, ..)| *spelling == operator);
    known && (quantifier.is_empty() || is_quantifier(quantifier))
}

fn is_quantifier(text: &str) -> bool {
    Quantifier::EACH.iter().any(|quantifier| quantifier.as_str() == text)
}

fn takes_a_list(operator: &str) -> bool {
    let list = |(spelling, _, class): &(&str, _, _)| {
        *spelling == operator && *class == OperatorClass::List
    };
    OPERATORS.iter().any(list)
        || operator.split_once(' ').is_some_and(|(_, quantifier)| is_quantifier(quantifier))
}
