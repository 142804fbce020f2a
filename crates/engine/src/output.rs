//! A rule's message: a format of text and fields, and what an event makes of it.

mod values;

use serde_json::Value as Json;

pub(crate) use values::clock_text;
use values::{as_json, as_text};

use crate::{
    event::Event,
    field::{Field, FieldRef},
    predicate::{CompileError, Extract, extract_of},
    syntax::{Operand, parse_operand},
};

/// What stands for a missing value in a message.
const MISSING: &str = "<NA>";

/// The widest that a value may be made.
const WIDTH_MAX: usize = 4096;

/// A compiled format.
#[derive(Clone, Debug, Default)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// What stands after a `%`.
#[derive(Clone, Debug)]
struct Placeholder {
    extract: Extract,
    /// How many characters it takes, whatever the value: cut or filled up with blanks.
    width: Option<usize>,
    /// The fields in it, as they are written there.
    fields: Vec<(String, Extract)>,
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
    ///
    /// A `*` in front is Falco's way to say that a missing value does not keep the message back. It
    /// never does here, nor with Falco's rules.
    pub(crate) fn parse(format: &str) -> Result<Self, FormatError> {
        let error = |rest: &str, message: &str| FormatError {
            message: message.to_owned(),
            offset: format.len() - rest.len(),
            suggestion: None,
            unknown_name: false,
        };
        if format.is_empty() {
            return Err(error(format, "empty formatting token"));
        }
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format.strip_prefix('*').unwrap_or(format);
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            // Falco has no way to write a percent sign.
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            if after.is_empty() {
                let message = "invalid formatting syntax: formatting cannot end with a %";
                return Err(error(after, message));
            }
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (width, name) = after.split_at_checked(digits).unwrap_or(("", after));
            if name.is_empty() {
                let message = "invalid formatting syntax: formatting cannot end with a number";
                return Err(error(name, message));
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            // The container plugin's old summary: nothing, as Falco has it today.
            if let Some(after) = name.strip_prefix("container.info") {
                rest = after;
                continue;
            }
            let width = match width.parse::<usize>() {
                Ok(0) | Err(_) if width.bytes().all(|digit| digit == b'0') => None,
                Ok(width) if width <= WIDTH_MAX => Some(width),
                _ => return Err(error(after, &format!("a width of more than {WIDTH_MAX}"))),
            };
            let (operand, extract, after) = placeholder(name).map_err(|refused| FormatError {
                suggestion: refused.suggestion,
                unknown_name: refused.unknown_name,
                ..error(name, &refused.message)
            })?;
            let fields = fields(&operand);
            pieces.push(Piece::Value(Placeholder { extract, width, fields }));
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
        self.placeholders().for_each(|placeholder| placeholder.extract.for_each_field(found));
    }

    /// The message for an event.
    pub(crate) fn render(&self, event: &dyn Event) -> String {
        let mut message = String::new();
        for piece in &self.pieces {
            let Placeholder { extract, width, .. } = match piece {
                Piece::Text(text) => {
                    message.push_str(text);
                    continue;
                }
                Piece::Value(placeholder) => placeholder,
            };
            let value = extract.read(event);
            let text = value.map_or_else(|| MISSING.to_owned(), |value| as_text(extract, &value));
            match width {
                Some(width) => {
                    message.extend(text.chars().chain(std::iter::repeat(' ')).take(*width));
                }
                None => message.push_str(&text),
            }
        }
        message
    }

    /// The fields by name with their values, those inside functions, too; what the functions make
    /// of them is left out, as in Falco.
    pub(crate) fn values(&self, event: &dyn Event) -> Vec<(String, Json)> {
        let mut values: Vec<(String, Json)> = Vec::new();
        for (name, extract) in self.placeholders().flat_map(|placeholder| &placeholder.fields) {
            if !values.iter().any(|(known, _)| known == name) {
                let value = extract.read(event);
                let value = value.map_or(Json::Null, |value| as_json(extract, &value));
                values.push((name.clone(), value));
            }
        }
        values
    }

    fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(placeholder) => Some(placeholder),
        })
    }
}

/// Reads a field or a call at the start of `text`; gives what follows it.
///
/// The longest beginning that is one counts, so `%proc.names` is the field before an `s`, and
/// `%proc.name[x]` the field before a bracket.
fn placeholder(text: &str) -> Result<(Operand, Extract, &str), CompileError> {
    let whole = match parse_operand(text) {
        Ok((operand, after)) => shown(&operand).map(|extract| (operand, extract, after)),
        Err(error) => Err(CompileError::new(error.message, error.span)),
    };
    let refused = match whole {
        Ok(found) => return Ok(found),
        Err(refused) => refused,
    };
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let longest = text.bytes().take(NAME_BYTES_MAX).take_while(belongs).count();
    for length in (1..=longest).rev() {
        let Some((name, after)) = text.split_at_checked(length) else { continue };
        if FieldRef::resolve(name, None).is_ok()
            && let Ok((operand, "")) = parse_operand(name)
            && let Ok(extract) = shown(&operand)
        {
            return Ok((operand, extract, after));
        }
    }
    Err(refused)
}

/// No field has a longer name.
const NAME_BYTES_MAX: usize = 100;

/// What is read for an operand where it is shown.
fn shown(operand: &Operand) -> Result<Extract, CompileError> {
    extract_of(operand).map(|extract| match extract {
        // Of the ancestors' names all are shown, but of their ids only that of the process itself.
        Extract::Field(FieldRef { field: field @ Field::ProcApid, arg: None }) => {
            Extract::Field(FieldRef { field, arg: Some("0".to_owned()) })
        }
        extract => extract,
    })
}

/// The fields in an operand, by the names that they have in it.
fn fields(operand: &Operand) -> Vec<(String, Extract)> {
    match operand {
        Operand::Field { .. } => {
            let extract = shown(operand).ok();
            extract.map(|extract| (operand.falco_form().to_string(), extract)).into_iter().collect()
        }
        Operand::Constant(_) => Vec::new(),
        Operand::Call { arguments: parts, .. } | Operand::List { items: parts, .. } => {
            parts.iter().flat_map(fields).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, values::VALUE_BYTES_MAX};
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
        check("[%6proc.name] [%2proc.name] [%0proc.name]", "[cat   ] [ca] [cat]");
        check("*%proc.name", "cat");
        check("**%proc.name", "*cat");
        check("%proc.name[%proc.tty]", "cat[0]");
        check("%proc.name[x] %proc.aname[x]", "cat[x] bash init[x]");
        check("%proc.name.x%proc.name[", "cat.xcat[");
        check("%evt.arg.flagsx", "O_RDONLYx");
        check("%join('->', (proc.name, proc.tty, 'x'))|", "cat->0->x|");
        check("%toupper(concat(proc.name, \"-\", tolower(proc.name)))", "CAT-CAT");
        check("%len(proc.name)%getopt(('-n'), 'n')", "3(n)");
        check("%join(',', (proc.pname))", "<NA>");
        check("%toupper(proc.name)!", "CAT!");
        check("%ka.user.groups", "(a,b)");
        check("%container.info", "");
    }

    #[test]
    fn the_fields_of_a_message_are_named_as_they_are_written() {
        let event = RecordedEvent::from_json(r#"{"proc.name":"cat","proc.env[A B]":"x"}"#).unwrap();
        let format = "%toupper(proc.name) %proc.name %proc.env['A B'] \
            %join(',', (proc.pname, concat(proc.name, 'x')))";
        let values = Format::parse(format).unwrap().values(&event);
        let values: Vec<_> =
            values.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(values, ["proc.name=\"cat\"", "proc.env[\"A B\"]=\"x\"", "proc.pname=null"]);
    }

    #[test]
    fn a_width_is_bounded() {
        assert!(Format::parse("%4096proc.name").is_ok());
        assert!(Format::parse("%4097proc.name").is_err());
        assert!(Format::parse("%99999999999999999999999proc.name").is_err());
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
            [("x %proc.nmae", 3), ("%", 1), ("a % b", 3), ("%8", 2), ("%evt.arg", 1), ("", 0)]
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
