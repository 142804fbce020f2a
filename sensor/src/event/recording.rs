//! Events as text: one JSON object a line, keys are field names.
//!
//! The other path of a file is in `fd.name.resolved`. A value that is no UTF-8 is an object with its
//! bytes in hexadecimal: `{"hex":"2fff"}`.

use std::fmt::Write as _;

use lanner_engine::{ArgumentRule, Event, Field, FieldRef, Shape, Value};
use serde_json::{Map, Value as Json};

use super::{PathChoice, SyscallEvent, View};

/// Ancestors that may have keys of their own beside the list.
const ANCESTORS: usize = 8;

/// All fields that this event has a value for.
///
/// `asked` are fields with arguments that the rules in use name (`proc.env[HOME]`
/// say): without them a replay could not decide those rules.
pub fn record(event: &SyscallEvent, asked: &[FieldRef]) -> Map<String, Json> {
    let mut line = Map::new();
    let mut add = |field: Field, arg: Option<&str>| {
        if let Some(value) = event.get(field, arg) {
            let key = FieldRef { field, arg: arg.map(str::to_owned) }.to_string();
            line.insert(key, json(&value));
        }
    };
    for &field in Field::all() {
        match field.argument() {
            ArgumentRule::RequiredKey | ArgumentRule::RequiredNameOrIndex => continue,
            _ => add(field, None),
        }
        if field.shape() == Shape::AnyOf {
            for index in of_no_place(event, field) {
                add(field, Some(&index.to_string()));
            }
        }
    }
    let view = View { event, path: PathChoice::Lexical };
    for name in view.argument_names() {
        add(Field::EvtArg, Some(name));
    }
    for FieldRef { field, arg } in asked {
        if let Some(arg) = arg {
            add(*field, Some(arg));
        }
    }
    line
}

/// The ancestors, counted from 1, that are not where a reader of the list looks for them: those
/// above one of whom the list has nothing.
fn of_no_place(event: &SyscallEvent, field: Field) -> Vec<usize> {
    let listed = match event.get(field, None) {
        Some(Value::List(list)) => list.into_vec(),
        _ => Vec::new(),
    };
    let is_elsewhere = |index: &usize| {
        event.get(field, Some(&index.to_string())).as_ref() != listed.get(index - 1)
    };
    (1..=ANCESTORS).filter(is_elsewhere).collect()
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "hex": hex(bytes) }),
        },
        Value::Ip(address) => address.to_string().into(),
        Value::List(values) => values.iter().map(|value| json(&value)).collect(),
    }
}

/// JSON is text, and a replay must see the same bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
