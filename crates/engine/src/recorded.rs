//! Events as text: one JSON object, keys are field names.

mod line;

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
///
/// `fd.name.resolved` is the other path of its file: see [`Event::has_other_path`]. A text that is
/// no UTF-8 is `{"hex":"2fff"}`.
#[derive(Clone, Debug, Default)]
pub struct RecordedEvent {
    event_type: String,
    time_ns: i64,
    has_other_path: bool,
    /// For each field, up to the last that has a value, its place in `values` counted from 1; 0 if
    /// it has none. Looking a field up must cost little beside what rules do with its value.
    places: Vec<u16>,
    values: Vec<Recorded>,
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

/// The values of one field.
#[derive(Clone, Debug, Default)]
struct Recorded {
    without_argument: Option<Value<'static>>,
    by_argument: Vec<(String, Value<'static>)>,
}

impl RecordedEvent {
    /// Reads one line of a recording.
    ///
    /// # Errors
    /// When it is not a JSON object, a key is no field, or a value does not fit its field.
    pub fn from_json(line: &str) -> Result<Self, RecordedEventError> {
        line::read(line)
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
        event.find_other_path();
        (event, ignored)
    }

    fn find_other_path(&mut self) {
        let other = self.text(Field::FdNameResolved).filter(|path| !path.is_empty());
        self.has_other_path = other.is_some() && other != self.text(Field::FdName);
    }

    fn set(&mut self, key: &str, json: &Json) -> Result<(), RecordedEventError> {
        let wanted = FieldRef::parse(key)
            .map_err(|source| RecordedEventError::Key { key: key.to_owned(), source })?;
        // Of `evt.rawarg.NAME` it is the argument's.
        let kind = wanted.kind();
        if json.is_null() {
            return Ok(());
        }
        let value = owned(kind, json).ok_or_else(|| RecordedEventError::Value {
            key: key.to_owned(),
            wanted: kind.as_str(),
            found: json.to_string(),
        })?;
        self.take(wanted, value);
        Ok(())
    }

    fn take(&mut self, of: FieldRef, value: Value<'static>) {
        let FieldRef { field, arg } = of;
        match (field, &value) {
            (Field::EvtType, Value::Text(text)) => {
                self.event_type = String::from_utf8_lossy(text).into_owned();
            }
            (Field::EvtTime | Field::EvtRawtime | Field::JevtRawtime, Value::Int(time)) => {
                self.time_ns = *time;
            }
            _ => {}
        }
        self.keep(field, arg, value);
    }

    /// Of two values for one field and argument the first counts.
    fn keep(&mut self, field: Field, arg: Option<String>, value: Value<'static>) {
        let place = field as usize;
        if self.places.len() <= place {
            self.places.resize(place + 1, 0);
        }
        let Some(place) = self.places.get_mut(place) else { return };
        if *place == 0 {
            self.values.push(Recorded::default());
            // There are far less fields than this can count.
            *place = u16::try_from(self.values.len()).unwrap_or(0);
        }
        let Some(recorded) = self.values.get_mut(usize::from(*place).wrapping_sub(1)) else {
            return;
        };
        match arg {
            None => {
                recorded.without_argument.get_or_insert(value);
            }
            Some(arg) => recorded.by_argument.push((arg, value)),
        }
    }

    fn recorded(&self, field: Field) -> Option<&Recorded> {
        let place = usize::from(*self.places.get(field as usize)?);
        self.values.get(place.checked_sub(1)?)
    }

    fn text(&self, field: Field) -> Option<&[u8]> {
        match self.recorded(field)?.without_argument.as_ref()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value with the other path where it has the first one.
    fn with_other_path<'v>(&'v self, value: Value<'v>) -> Value<'v> {
        let paths = self.text(Field::FdName).zip(self.text(Field::FdNameResolved));
        let (Some((first, other)), Value::Text(text)) = (paths, &value) else { return value };
        if **text == *first {
            Value::text(other)
        } else if text.strip_prefix(FILE) == Some(first) {
            Value::from([FILE, other].concat())
        } else {
            value
        }
    }
}

/// What Falco puts before the path of a file descriptor among the arguments.
const FILE: &[u8] = b"<f>";

impl Event for RecordedEvent {
    fn event_type(&self) -> &str {
        &self.event_type
    }

    fn time_ns(&self) -> i64 {
        self.time_ns
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        let recorded = self.recorded(field)?;
        let whole = recorded.without_argument.as_ref();
        let Some(arg) = arg else { return whole.map(Value::borrowed) };
        if let Some((_, value)) = recorded.by_argument.iter().find(|(known, _)| known == arg) {
            return Some(value.borrowed());
        }
        match (field.shape(), whole?) {
            (Shape::AnyOf, Value::List(list)) => {
                list.get(arg.parse::<usize>().ok()?.checked_sub(1)?)
            }
            _ => None,
        }
    }

    fn has_other_path(&self) -> bool {
        self.has_other_path
    }

    /// The fields that the first path is in, and its parts; `evt.args` stays as it was recorded.
    fn get_with_other_path(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        let value = self.get(field, arg)?;
        let other = || self.text(Field::FdNameResolved);
        match field {
            Field::FdDirectory => Some(Value::text(directory_and_name(other()?)?.0)),
            Field::FdFilename => Some(Value::text(directory_and_name(other()?)?.1)),
            Field::FdName | Field::FsPathName | Field::EvtArg => Some(self.with_other_path(value)),
            _ => Some(value),
        }
    }
}

/// `fd.directory` and `fd.filename` of a path.
fn directory_and_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((path.get(..slash.max(1))?, path.get(slash + 1..)?))
}

/// Numbers and booleans are welcome as text and the other way round, as people write both.
fn owned(kind: Kind, json: &Json) -> Option<Value<'static>> {
    if let Json::Array(array) = json {
        let scalar = |element: &Json| (!element.is_array()).then(|| owned(kind, element))?;
        return array.iter().map(scalar).collect::<Option<_>>().map(Value::List);
    }
    let text = match json {
        Json::Object(object) => return bytes(kind, object),
        Json::String(text) => text.clone(),
        Json::Number(_) | Json::Bool(_) => json.to_string(),
        _ => return None,
    };
    text_as(kind, text)
}

fn text_as(kind: Kind, text: String) -> Option<Value<'static>> {
    match kind {
        Kind::Text | Kind::Path | Kind::Bytes => Some(text.into()),
        Kind::Int | Kind::Time => text.parse().ok().map(Value::Int),
        Kind::Uint | Kind::Port => text.parse().ok().map(Value::Uint),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Ip | Kind::Net => text.parse().ok().map(Value::Ip),
    }
}

/// A text that JSON cannot hold.
fn bytes(kind: Kind, object: &Map<String, Json>) -> Option<Value<'static>> {
    let is_text = matches!(kind, Kind::Text | Kind::Path | Kind::Bytes);
    let digits = object.get("hex").filter(|_| is_text && object.len() == 1)?.as_str()?.as_bytes();
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().map(Value::from)
}
