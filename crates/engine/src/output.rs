//! A rule's message: a format of text and fields, and what an event makes of it.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::{
    event::{Event, Value},
    field::{Field, FieldRef, FieldRefError, Kind},
    predicate::{Extract, extract_of},
    syntax::{self, Right},
};

/// How much of one value goes into an alert. A command line may be megabytes of an attacker's.
const VALUE_BYTES_MAX: usize = 4096;

/// What stands for a missing value in a message.
const MISSING: &str = "<NA>";

const TIME_ISO_8601: Extract = Extract::Field(FieldRef { field: Field::EvtTimeIso8601, arg: None });

/// A compiled format.
#[derive(Clone, Debug, Default)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Value { extract: Extract, width: Option<usize> },
}

/// Why a text is no format, and at which byte.
#[derive(Debug)]
pub(crate) struct FormatError {
    pub(crate) message: String,
    pub(crate) offset: usize,
    pub(crate) suggestion: Option<String>,
    pub(crate) unknown_name: bool,
}

impl Format {
    /// Reads `text %field more %12field[arg] %tolower(field)`.
    pub(crate) fn parse(format: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (width, name) = after.split_at_checked(digits).unwrap_or(("", after));
            let offset = format.len() - name.len();
            let (extract, after) = placeholder(name, offset)?;
            // The container plugin's old summary: nothing, as Falco has it today.
            pieces
                .extend(extract.map(|extract| Piece::Value { extract, width: width.parse().ok() }));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { pieces })
    }

    /// Calls `found` with every field it asks for.
    pub(crate) fn for_each_field(&self, found: &mut impl FnMut(&FieldRef)) {
        for piece in &self.pieces {
            if let Piece::Value { extract, .. } = piece {
                extract.for_each_field(found);
            }
        }
    }

    /// The message for an event.
    pub(crate) fn render(&self, event: &dyn Event) -> String {
        let mut message = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => message.push_str(text),
                Piece::Value { extract, width } => {
                    let value = extract.read(event);
                    let text =
                        value.map_or_else(|| MISSING.to_owned(), |value| as_text(extract, &value));
                    match width {
                        Some(width) => {
                            message.extend(text.chars().chain(std::iter::repeat(' ')).take(*width));
                        }
                        None => message.push_str(&text),
                    }
                }
            }
        }
        message
    }

    /// The fields by name with their values. Those inside functions are left out, as in Falco.
    pub(crate) fn values(&self, event: &dyn Event) -> Vec<(String, Json)> {
        let mut values: Vec<(String, Json)> = Vec::new();
        for piece in &self.pieces {
            let Piece::Value { extract, .. } = piece else { continue };
            let Some(field) = extract.as_plain_field() else { continue };
            let name = field.to_string();
            if values.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let value = extract.read(event);
            values.push((name, value.map_or(Json::Null, |value| as_json(extract, &value))));
        }
        values
    }
}

/// Reads a field or a function of one at the start of `text`; gives what follows it.
fn placeholder(text: &str, offset: usize) -> Result<(Option<Extract>, &str), FormatError> {
    let error =
        |message: String| FormatError { message, offset, suggestion: None, unknown_name: false };
    let name_length = |text: &str| {
        text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count()
    };
    let longest = name_length(text);
    if text.get(longest..).is_some_and(|rest| rest.starts_with('(')) {
        return call(text)
            .ok_or_else(|| error(format!("invalid transformer in output: '%{text}'")));
    }
    let mut first_error = None;
    for length in (1..=longest).rev() {
        let Some((name, after)) = text.split_at_checked(length) else { continue };
        if name == "container.info" {
            return Ok((None, after));
        }
        let bracket = after.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let resolved = match bracket {
            Some((arg, after)) => FieldRef::resolve(name, Some(arg)).map(|field| (field, after)),
            None => FieldRef::resolve(name, None).map(|field| (field, after)),
        };
        match resolved {
            Ok((field, after)) => {
                return Ok((Some(Extract::Field(field)), after));
            }
            Err(refused) => {
                first_error.get_or_insert(refused);
            }
        }
    }
    Err(match first_error {
        Some(refused) => {
            let mut refused_format = error(refused.to_string());
            refused_format.suggestion = refused.nearest().map(str::to_owned);
            refused_format.unknown_name = matches!(refused, FieldRefError::Unknown { .. });
            refused_format
        }
        None => error("a '%' must be followed by a field".to_owned()),
    })
}

/// Reads `tolower(field)`: the condition grammar knows how.
fn call(text: &str) -> Option<(Option<Extract>, &str)> {
    let mut depth = 0_usize;
    let end = text.bytes().position(|byte| {
        depth = match byte {
            b'(' => depth + 1,
            b')' => depth.saturating_sub(1),
            _ => depth,
        };
        byte == b')' && depth == 0
    })?;
    let (operand, after) = text.split_at_checked(end + 1)?;
    let syntax::Expr::Check(check) = syntax::parse(&format!("{operand} exists"), 0).ok()? else {
        return None;
    };
    (check.right == Right::Nothing).then_some(())?;
    Some((Some(extract_of(&check.left).ok()?), after))
}

fn as_text(extract: &Extract, value: &Value<'_>) -> String {
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
                crate::field::Shape::List => format!("({})", texts.join(",")),
                _ => texts.join(" "),
            }
        }
    }
}

fn as_json(extract: &Extract, value: &Value<'_>) -> Json {
    match value {
        Value::Bool(value) => Json::from(*value),
        Value::Int(time) if *extract == TIME_ISO_8601 => Json::from(time_text(extract, *time)),
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::List(list) if extract.shape() == crate::field::Shape::List => {
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

#[cfg(test)]
mod tests {
    use super::{Format, VALUE_BYTES_MAX};
    use crate::RecordedEvent;

    #[track_caller]
    fn check(format: &str, expected: &str) {
        let event = r#"{"evt.type":"openat","evt.rawtime":1700000000000000001,"proc.name":"cat",
            "proc.aname[2]":"sh","proc.aname":["bash","init"],"proc.tty":0,"evt.is_open_read":true,
            "evt.arg.flags":"O_RDONLY","proc.env[HOME]":"/root","ka.user.groups":["a","b"]}"#;
        let event = RecordedEvent::from_json(event).unwrap();
        assert_eq!(Format::parse(format).unwrap().render(&event), expected, "{format:?}");
    }

    #[test]
    fn fields_stand_in_the_text() {
        check("no field", "no field");
        check("name=%proc.name) tty=%proc.tty.", "name=cat) tty=0.");
        check("%proc.name%proc.name", "catcat");
        check("%proc.namex", "catx");
        check("g=%proc.aname[2] all=%proc.aname", "g=sh all=bash init");
        check("%evt.arg.flags %proc.env[HOME]", "O_RDONLY /root");
        check("%evt.is_open_read 100%%", "true 100%");
        check("parent=%proc.pname", "parent=<NA>");
        check("[%6proc.name] [%2proc.name]", "[cat   ] [ca]");
        check("%toupper(proc.name)!", "CAT!");
        check("%ka.user.groups", "(a,b)");
        check("%container.info", "");
    }

    #[test]
    fn times_are_written_out() {
        check("%evt.time", "22:13:20.000000001");
        check("%evt.time.s", "22:13:20");
        check("%evt.time.iso8601", "2023-11-14T22:13:20.000000001Z");
        check("%evt.rawtime", "1700000000000000001");
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (format, offset) in
            [("x %proc.nmae", 3), ("%", 1), ("a % b", 3), ("%proc.aname[x]", 1), ("%evt.arg", 1)]
        {
            assert_eq!(Format::parse(format).expect_err(format).offset, offset, "{format:?}");
        }
    }

    #[test]
    fn long_values_are_cut() {
        let event = serde_json::json!({"proc.cmdline": "é".repeat(VALUE_BYTES_MAX)});
        let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
        let text = Format::parse("%proc.cmdline").unwrap().render(&event);
        assert!(text.len() <= VALUE_BYTES_MAX + 6 && text.ends_with("..."));
    }
}
