//! One line of a recording, read in one go: no tree of it is built first, which would take as long
//! again.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::{RecordedEvent, RecordedEventError, owned, text_as};
use crate::{
    event::Value,
    field::{FieldRef, Kind},
};

/// Reads an object of field names.
///
/// # Errors
/// When it is not one JSON object; else the first key or value that is none of a field.
pub(super) fn read(line: &str) -> Result<RecordedEvent, RecordedEventError> {
    let mut json = serde_json::Deserializer::from_str(line);
    let (mut event, problem) = Line.deserialize(&mut json)?;
    json.end()?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    event.find_other_path();
    Ok(event)
}

/// The event, and the first of what could not be used.
type Read = (RecordedEvent, Option<RecordedEventError>);

struct Line;

impl<'de> DeserializeSeed<'de> for Line {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Read, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line {
    type Value = Read;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object of field names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Read, A::Error> {
        let mut event = RecordedEvent::default();
        let mut problem = None;
        while let Some(key) = object.next_key_seed(Key)? {
            let read = match FieldRef::parse(&key) {
                Ok(field) => {
                    let kind = field.kind();
                    match object.next_value_seed(OfKind(kind))? {
                        Found::Nothing => Ok(()),
                        Found::Value(value) => {
                            event.take(field, value);
                            Ok(())
                        }
                        Found::Other(found) => {
                            let (key, wanted) = (key.into_owned(), kind.as_str());
                            Err(RecordedEventError::Value { key, wanted, found })
                        }
                    }
                }
                Err(source) => {
                    object.next_value::<serde::de::IgnoredAny>()?;
                    Err(RecordedEventError::Key { key: key.into_owned(), source })
                }
            };
            problem = problem.or(read.err());
        }
        Ok((event, problem))
    }
}

/// A key, in the line's own memory where nothing in it is escaped.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a field name")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// What stands behind a key.
enum Found {
    Nothing,
    Value(Value<'static>),
    /// What a field of the kind cannot have, as text.
    Other(String),
}

/// A value for a field of this kind.
struct OfKind(Kind);

impl OfKind {
    fn of(&self, json: &Json) -> Found {
        match owned(self.0, json) {
            Some(value) => Found::Value(value),
            None => Found::Other(json.to_string()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for OfKind {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfKind {
    type Value = Found;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value of a field")
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(text_as(self.0, text.into()).map_or_else(|| self.of(&text.into()), Found::Value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Found, E> {
        Ok(match self.0 {
            Kind::Bool => Found::Value(Value::Bool(value)),
            _ => self.of(&value.into()),
        })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Found, E> {
        Ok(match self.0 {
            Kind::Int | Kind::Time => Found::Value(Value::Int(number)),
            _ => self.of(&number.into()),
        })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Found, E> {
        Ok(match (self.0, i64::try_from(number)) {
            (Kind::Uint | Kind::Port, _) => Found::Value(Value::Uint(number)),
            (Kind::Int | Kind::Time, Ok(number)) => Found::Value(Value::Int(number)),
            _ => self.of(&number.into()),
        })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Found, E> {
        Ok(self.of(&number.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Found, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element::<Json>()? {
            elements.push(element);
        }
        Ok(self.of(&Json::Array(elements)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Found, A::Error> {
        let mut whole = Map::new();
        while let Some((key, value)) = object.next_entry::<String, Json>()? {
            whole.insert(key, value);
        }
        Ok(self.of(&Json::Object(whole)))
    }
}
