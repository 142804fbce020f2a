//! How Falco's plugin walks through the JSON of an audit event, lists included.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::event::{List, Value};

/// The value under keys of objects in objects, or of arrays by their numbers.
pub(super) fn at<'a>(json: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, key| child(json, key))
}

/// The value at a JSON pointer (RFC 6901), whose first slash may be missing.
pub(super) fn pointer<'a>(json: &'a Json, pointer: &str) -> Option<Value<'a>> {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    let found = pointer.split('/').try_fold(json, |json, key| match key.contains('~') {
        true => child(json, &key.replace("~1", "/").replace("~0", "~")),
        false => child(json, key),
    });
    found.map(text)
}

fn child<'a>(json: &'a Json, key: &str) -> Option<&'a Json> {
    match json {
        Json::Object(object) => object.get(key),
        Json::Array(array) => array.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A text as it is, anything else as JSON.
pub(super) fn text(json: &Json) -> Value<'_> {
    Value::Text(match text_of(json) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// As [`text`].
pub(super) fn text_of(json: &Json) -> Cow<'_, str> {
    match json {
        Json::String(text) => Cow::Borrowed(text),
        Json::Null => Cow::Borrowed("null"),
        Json::Bool(true) => Cow::Borrowed("true"),
        Json::Bool(false) => Cow::Borrowed("false"),
        _ => Cow::Owned(json.to_string()),
    }
}

/// A list of values; an empty one is no value.
pub(super) fn list(values: Vec<Value<'_>>) -> Option<Value<'_>> {
    (!values.is_empty()).then(|| Value::List(List::from(values)))
}

/// What is at `path` below each element of the arrays on the way, or of each array's element
/// `index` alone. A place that lacks it is a `None`; `None` for all is that the way ends early.
///
/// An array at the end of the path is one value, whatever the index.
pub(super) fn values<'a>(
    json: &'a Json,
    index: Option<&str>,
    path: &[&str],
) -> Option<Vec<Option<&'a Json>>> {
    let index = match index {
        Some(index) => Some(index.parse::<usize>().ok()?),
        None => None,
    };
    walk(json, index, path)
}

fn walk<'a>(json: &'a Json, index: Option<usize>, path: &[&str]) -> Option<Vec<Option<&'a Json>>> {
    let Some((key, rest)) = path.split_first() else { return Some(vec![Some(json)]) };
    let json = match (json, index) {
        (Json::Array(array), None) => {
            let each = array.iter().flat_map(|json| walk(json, index, path).unwrap_or(vec![None]));
            return Some(each.collect());
        }
        (Json::Array(array), Some(index)) => array.get(index)?,
        _ => json,
    };
    // An empty key stands for the value itself, of which the elements are wanted.
    let next = if key.is_empty() { json } else { child(json, key)? };
    walk(next, index, rest)
}

/// The texts of what is at `path`; what lacks it is left out.
pub(super) fn texts<'a>(json: &'a Json, index: Option<&str>, path: &[&str]) -> Option<Value<'a>> {
    let values = values(json, index, path)?;
    list(values.into_iter().flatten().map(text).collect())
}

/// What the rules of a role, or one of them, say for `key`: the elements of their arrays.
pub(super) fn rules<'a>(json: &'a Json, index: Option<&str>, key: &str) -> Option<Value<'a>> {
    let values = values(json, index, &["requestObject", "rules", key])?;
    let arrays = values.into_iter().flatten().filter_map(Json::as_array);
    list(arrays.flatten().map(text).collect())
}

/// The names of a binding's subjects of that kind, perhaps as `namespace:name`.
pub(super) fn subjects<'a>(json: &'a Json, kind: &str, namespaced: bool) -> Option<Value<'a>> {
    let subjects = at(json, &["requestObject", "subjects"])?.as_array()?;
    let name = |subject: &'a Json| {
        if text_of(subject.get("kind")?) != kind {
            return None;
        }
        let name = subject.get("name")?;
        if !namespaced {
            return Some(text(name));
        }
        Some(Value::from(format!("{}:{}", text_of(subject.get("namespace")?), text_of(name))))
    };
    list(subjects.iter().filter_map(name).collect())
}
