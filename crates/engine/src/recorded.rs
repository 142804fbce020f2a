//! Events as text: one JSON object, keys are field names.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::{
    event::{Event, Value},
    field::{Field, FieldRef, FieldRefError, Kind, Shape},
};

/// An event read from `{"evt.type":"openat","fd.name":"/etc/shadow","proc.aname[2]":"sh",...}`.
///
/// The sensor records and replays these, rule tests are written in them, and the output fields
/// of an alert are one. `evt.rawtime` (or `evt.time`) is its time in nanoseconds. An ancestor
/// without a key of its own (`proc.aname[2]`) is taken from the list (`proc.aname`), whose first
/// element is the parent.
#[derive(Clone, Debug, Default)]
pub struct RecordedEvent {
    event_type: String,
    time_ns: i64,
    values: HashMap<Field, Vec<Recorded>>,
}

/// Why a text is no event.
#[derive(Debug, thiserror::Error)]
pub enum RecordedEventError {
    /// It is not a JSON object.
    #[error("an event is one JSON object")]
    Json(#[from] serde_json::Error),
    /// A key is not a field.
    #[error("key '{key}' is not a field")]
    Key {
        /// The key.
        key: String,
        /// Why not.
        source: FieldRefError,
    },
    /// A value is not one that its field can have.
    #[error("key '{key}' wants {wanted}, not {found}")]
    Value {
        /// The key.
        key: String,
        /// The kind of the field.
        wanted: &'static str,
        /// The value.
        found: String,
    },
}

#[derive(Clone, Debug)]
struct Recorded {
    arg: Option<String>,
    value: Value<'static>,
}

impl RecordedEvent {
    /// Reads one line of a recording.
    ///
    /// # Errors
    /// When it is not a JSON object, a key is no field, or a value does not fit its field.
    pub fn from_json(line: &str) -> Result<Self, RecordedEventError> {
        Self::from_map(&serde_json::from_str(line)?)
    }

    /// Takes the object of a line already parsed. A `null` is a missing value.
    ///
    /// # Errors
    /// When a key is no field, or a value does not fit its field.
    pub fn from_map(map: &Map<String, Json>) -> Result<Self, RecordedEventError> {
        let (event, mut ignored) = Self::from_output_fields(map);
        if ignored.is_empty() { Ok(event) } else { Err(ignored.swap_remove(0)) }
    }

    /// Takes the `output_fields` of an alert, whoever made it: what it cannot use is returned
    /// beside the event and is missing from it.
    pub fn from_output_fields(fields: &Map<String, Json>) -> (Self, Vec<RecordedEventError>) {
        let mut event = Self::default();
        let mut ignored = Vec::new();
        for (key, value) in fields {
            if let Err(error) = event.set(key, value) {
                ignored.push(error);
            }
        }
        (event, ignored)
    }

    fn set(&mut self, key: &str, json: &Json) -> Result<(), RecordedEventError> {
        let FieldRef { field, arg } = FieldRef::parse(key)
            .map_err(|source| RecordedEventError::Key { key: key.to_owned(), source })?;
        if json.is_null() {
            return Ok(());
        }
        let value = owned(field.kind(), json).ok_or_else(|| RecordedEventError::Value {
            key: key.to_owned(),
            wanted: field.kind().as_str(),
            found: json.to_string(),
        })?;
        match (field, &value) {
            (Field::EvtType, Value::Text(text)) => {
                self.event_type = String::from_utf8_lossy(text).into_owned();
            }
            (Field::EvtTime | Field::EvtRawtime | Field::JevtRawtime, Value::Int(time)) => {
                self.time_ns = *time;
            }
            _ => {}
        }
        self.values.entry(field).or_default().push(Recorded { arg, value });
        Ok(())
    }
}

impl Event for RecordedEvent {
    fn event_type(&self) -> &str {
        &self.event_type
    }

    fn time_ns(&self) -> i64 {
        self.time_ns
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        let values = self.values.get(&field)?;
        let whole =
            |wanted: Option<&str>| values.iter().find(|recorded| recorded.arg.as_deref() == wanted);
        if let Some(recorded) = whole(arg) {
            return Some(recorded.value.borrowed());
        }
        let ancestor = arg?.parse::<usize>().ok()?.checked_sub(1)?;
        match (field.shape(), &whole(None)?.value) {
            (Shape::AnyOf, Value::List(list)) => list.get(ancestor),
            _ => None,
        }
    }
}

/// Numbers and booleans are welcome as text and the other way round, as people write both.
fn owned(kind: Kind, json: &Json) -> Option<Value<'static>> {
    if let Json::Array(array) = json {
        let scalar = |element: &Json| (!element.is_array()).then(|| owned(kind, element))?;
        return array.iter().map(scalar).collect::<Option<_>>().map(Value::List);
    }
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Number(_) | Json::Bool(_) => json.to_string(),
        _ => return None,
    };
    match kind {
        Kind::Text | Kind::Path | Kind::Bytes => Some(text.into()),
        Kind::Int | Kind::Time => text.parse().ok().map(Value::Int),
        Kind::Uint | Kind::Port => text.parse().ok().map(Value::Uint),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Ip | Kind::Net => text.parse().ok().map(Value::Ip),
    }
}
