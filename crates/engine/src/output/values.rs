//! Values as text and as JSON.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::{
    event::Value,
    field::{Field, FieldRef, Kind, Shape},
    predicate::Extract,
};

/// How much of one value goes into an alert. A command line may be megabytes of an attacker's.
pub(super) const VALUE_BYTES_MAX: usize = 4096;

const TIME_ISO_8601: Extract = Extract::Field(FieldRef { field: Field::EvtTimeIso8601, arg: None });

pub(super) fn as_text(extract: &Extract, value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(time) if extract.kind() == Kind::Time => time_text(extract, *time),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Text(text) => cut(text),
        Value::Ip(address) => address.to_string(),
        Value::List(list) => {
            let texts: Vec<_> = list.iter().map(|value| as_text(extract, &value)).collect();
            // Ancestors read as a line of words; lists are in brackets.
            match extract.shape() {
                Shape::List => format!("({})", texts.join(",")),
                _ => texts.join(" "),
            }
        }
    }
}

pub(super) fn as_json(extract: &Extract, value: &Value<'_>) -> Json {
    match value {
        Value::Bool(value) => Json::from(*value),
        Value::Int(time) if *extract == TIME_ISO_8601 => Json::from(time_text(extract, *time)),
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::List(list) if extract.shape() == Shape::List => {
            list.iter().map(|value| as_json(extract, &value)).collect()
        }
        _ => Json::from(as_text(extract, value)),
    }
}

/// The time as each of the time fields shows it, in UTC.
fn time_text(extract: &Extract, time_ns: i64) -> String {
    let format = match extract.as_plain_field().map(|field| field.field) {
        Some(Field::EvtTime | Field::JevtTime) => "%H:%M:%S.%9f",
        Some(Field::EvtTimeS) => "%H:%M:%S",
        Some(Field::EvtTimeIso8601) => "%Y-%m-%dT%H:%M:%S.%9fZ",
        Some(Field::EvtDatetime) => "%Y-%m-%d %H:%M:%S.%9f",
        _ => return time_ns.to_string(),
    };
    match Timestamp::from_nanosecond(i128::from(time_ns)) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => time_ns.to_string(),
    }
}

/// `HH:MM:SS.nnnnnnnnn` in UTC, as alerts begin.
pub(crate) fn clock_text(time_ns: i64) -> String {
    time_text(&Extract::Field(FieldRef { field: Field::EvtTime, arg: None }), time_ns)
}

/// Text of a bounded length; what is not UTF-8 becomes U+FFFD.
fn cut(text: &[u8]) -> String {
    match text.get(..VALUE_BYTES_MAX) {
        Some(head) if text.len() > VALUE_BYTES_MAX => {
            let mut cut = String::from_utf8_lossy(head).into_owned();
            cut.push_str("...");
            cut
        }
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}
