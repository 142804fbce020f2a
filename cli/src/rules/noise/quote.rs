//! Values of alerts written into rule files. A value may be an attacker's: it must stay one value
//! in the YAML, and one value in the condition that Falco makes of it.

use crate::printable::{PrintableJson, acts_on_terminal};

/// A value as condition text that stands for exactly this value.
///
/// Falco puts an exception's values into the condition as text, adds quotes only where it sees a
/// blank and none yet, and then replaces the names of lists that stand between blanks, brackets,
/// commas and equals signs, even in quotes. So a value brings its own quotes, and where a part of
/// it is the name of a list, its blanks and the like are written as `\x20`.
pub(super) fn condition_text(value: &str, lists: &[&str]) -> String {
    let list = |text: &str| lists.iter().any(|name| has_word(text, name));
    if is_bare(value) && !lists.contains(&value) {
        return value.to_owned();
    }
    let readable = quoted(value, false);
    if list(&readable) { quoted(value, true) } else { readable }
}

/// Whether a value can do without quotes.
fn is_bare(value: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_./:@+-".contains(c);
    let word = !["oneof", "anyof", "allof"].contains(&value);
    word && value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && value.chars().all(allowed)
}

fn quoted(value: &str, without_delimiters: bool) -> String {
    let mut text = String::from("\"");
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        let last = characters.peek().is_none();
        match c {
            '"' => text.push_str("\\\""),
            // A quote after a backslash would not end the text.
            '\\' if last => text.push_str("\\x5c"),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if !is_plain(c) || (without_delimiters && is_delimiter(c)) => {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).bytes();
                bytes.for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Whether a character may stand in a YAML file, and on a terminal, as it is.
fn is_plain(c: char) -> bool {
    !acts_on_terminal(c) && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// What the name of a list must stand between to be replaced.
fn is_delimiter(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '(' | ')' | ',' | '=')
}

/// Whether `name` stands in `text` between delimiters or the ends.
fn has_word(text: &str, name: &str) -> bool {
    !name.is_empty()
        && text.match_indices(name).any(|(start, _)| {
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            let after = text.get(start + name.len()..).and_then(|after| after.chars().next());
            before.is_none_or(is_delimiter) && after.is_none_or(is_delimiter)
        })
}

/// A text as a YAML scalar, in a flow sequence, too.
pub(super) fn yaml_text(text: &str) -> String {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./- ".contains(c);
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else if text.chars().all(is_plain) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        PrintableJson(&serde_json::Value::from(text).to_string()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_condition_text() {
        let lists = ["shells", "a list"];
        for (value, expected) in [
            ("nginx", "nginx"),
            ("/etc/shadow", "/etc/shadow"),
            ("443", "443"),
            ("anyof", "\"anyof\""),
            ("-c", "\"-c\""),
            ("a b", "\"a b\""),
            ("a\"b'c", "\"a\\\"b'c\""),
            ("a\\b\\", "\"a\\\\b\\x5c\""),
            ("a\n\t\r\u{1b}", "\"a\\n\\t\\r\\x1b\""),
            ("\u{202e}é", "\"\\xe2\\x80\\xaeé\""),
            ("shells", "\"shells\""),
            ("my shells", "\"my shells\""),
            ("the shells here", "\"the\\x20shells\\x20here\""),
            ("is a list, too", "\"is\\x20a\\x20list\\x2c\\x20too\""),
            ("(shells)=x", "\"\\x28shells\\x29\\x3dx\""),
        ] {
            assert_eq!(condition_text(value, &lists), expected, "{value:?}");
        }
    }

    #[test]
    fn texts_become_yaml() {
        for (text, expected) in [
            ("Read sensitive file", "Read sensitive file"),
            ("/etc/shadow", "/etc/shadow"),
            ("No", "'No'"),
            ("443", "'443'"),
            ("a: b # c", "'a: b # c'"),
            ("it's", "'it''s'"),
            ("\"a b\"", "'\"a b\"'"),
            ("a\nb", "\"a\\nb\""),
            ("", "''"),
            ("ends ", "'ends '"),
        ] {
            assert_eq!(yaml_text(text), expected, "{text:?}");
        }
    }
}
