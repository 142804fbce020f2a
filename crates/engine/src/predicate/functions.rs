//! What the functions of the language do to values.

use std::borrow::Cow;

use crate::{event::Value, syntax::Function};

/// The value of a call, or `None` when there is none.
pub(super) fn call<'v>(
    function: Function,
    arguments: Vec<Value<'v>>,
    option: Option<u8>,
) -> Option<Value<'v>> {
    let mut arguments = arguments.into_iter();
    let first = arguments.next()?;
    match function {
        Function::Val => Some(first),
        Function::Len => match first {
            Value::List(list) => u64::try_from(list.len()).ok().map(Value::Uint),
            Value::Text(text) => u64::try_from(text.len()).ok().map(Value::Uint),
            _ => None,
        },
        Function::Join => {
            let Value::List(list) = arguments.next()? else { return None };
            let parts: Option<Vec<_>> = list.into_vec().into_iter().map(as_bytes).collect();
            Some(Value::from(parts?.join(as_bytes(first)?.as_ref())))
        }
        Function::Concat => {
            let parts: Option<Vec<_>> =
                std::iter::once(first).chain(arguments).map(as_bytes).collect();
            Some(Value::from(parts?.concat()))
        }
        Function::GetOpt => {
            let Value::List(list) = first else { return None };
            let words: Option<Vec<_>> = list.into_vec().into_iter().map(as_bytes).collect();
            getopt(&words?, &as_bytes(arguments.next()?)?, option)
        }
        Function::ToLower | Function::ToUpper | Function::Base64 | Function::Basename => {
            each_text(function, first)
        }
    }
}

/// Does to each text of a list what is done to one.
fn each_text(function: Function, value: Value<'_>) -> Option<Value<'_>> {
    match (function, value) {
        (function, Value::List(list)) => {
            let list = list.into_vec().into_iter().map(|value| each_text(function, value));
            let list: Option<Vec<_>> = list.collect();
            Some(Value::List(list?.into()))
        }
        (Function::ToLower, Value::Text(text)) => Some(text.to_ascii_lowercase().into()),
        (Function::ToUpper, Value::Text(text)) => Some(text.to_ascii_uppercase().into()),
        (Function::Base64, Value::Text(text)) => decode_base64(&text).map(Value::from),
        (Function::Basename, Value::Text(text)) => Some(Value::Text(basename(text))),
        _ => None,
    }
}

/// A value as `join` puts it into a text; ancestors as a line of words.
fn as_bytes(value: Value<'_>) -> Option<Cow<'_, [u8]>> {
    let text = match value {
        Value::Text(text) => return Some(text),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::List(list) => {
            let words: Option<Vec<_>> = list.into_vec().into_iter().map(as_bytes).collect();
            return Some(Cow::Owned(words?.join(&b' ')));
        }
    };
    Some(Cow::Owned(text.into_bytes()))
}

fn basename(path: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return path };
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.get(slash + 1..).unwrap_or_default()),
        Cow::Owned(mut path) => Cow::Owned(path.split_off(slash + 1)),
    }
}

/// Reads options off the words after a command's name, as getopt(3) does with `letters`.
///
/// Without `wanted` it gives every letter found, each followed by its argument if it has one, `?`
/// for a letter that is none, and an empty text for an option whose argument is missing. With
/// `wanted` it gives the argument of its last occurrence, the letter itself if it takes none, and
/// nothing if it does not occur.
fn getopt<'v>(words: &[Cow<'_, [u8]>], letters: &[u8], wanted: Option<u8>) -> Option<Value<'v>> {
    let letters = letters.strip_prefix(b":").unwrap_or(letters);
    let mut found: Vec<(Option<u8>, Value<'v>)> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(mut cluster) = word.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
            break;
        };
        if cluster == b"-" {
            break;
        }
        if cluster.starts_with(b"-") {
            // A long option is none of ours, and no end either.
            continue;
        }
        while let Some((&letter, rest)) = cluster.split_first() {
            cluster = rest;
            match takes_argument(letters, letter) {
                None => found.push((None, text(b"?"))),
                Some(false) => found.push((Some(letter), text(&[letter]))),
                Some(true) => {
                    let argument = if rest.is_empty() {
                        words.next().map(|word| text(word))
                    } else {
                        Some(text(rest))
                    };
                    if let (Some(_), None) = (&argument, wanted) {
                        found.push((Some(letter), text(&[letter])));
                    }
                    found.push((Some(letter), argument.unwrap_or_else(|| text(b""))));
                    break;
                }
            }
        }
    }
    match wanted {
        Some(_) => found.into_iter().rfind(|(letter, _)| *letter == wanted).map(|(_, value)| value),
        None => {
            let values: Vec<_> = found.into_iter().map(|(_, value)| value).collect();
            Some(Value::List(values.into()))
        }
    }
}

/// Whether an option is followed by an argument; `None` when it is no option.
fn takes_argument(letters: &[u8], wanted: u8) -> Option<bool> {
    let known = wanted != b':' && letters.contains(&wanted);
    known.then(|| letters.windows(2).any(|pair| pair == [wanted, b':']))
}

fn text<'v>(bytes: &[u8]) -> Value<'v> {
    Value::from(bytes.to_vec())
}

/// Standard base64, with or without padding; `None` when it is not.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"=").unwrap_or(text);
    let digits = if digits.len() < text.len() {
        digits.strip_suffix(b"=").unwrap_or(digits)
    } else {
        digits
    };
    if digits.len() % 4 == 1 || (digits.is_empty() && !text.is_empty()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0;
        for index in 0..4 {
            let digit = chunk.get(index).map_or(Some(0), |byte| sextet(*byte))?;
            bits = bits << 6 | u32::from(digit);
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (decoded, unused) = decoded.split_at_checked(chunk.len() - 1)?;
        // Bits that no byte takes must be zero.
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(decoded);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{decode_base64, getopt};
    use crate::event::Value;

    #[test]
    fn base64_is_decoded_or_refused() {
        for (text, decoded) in [
            ("aGVsbG8=", "hello"),
            ("aGVsbG8", "hello"),
            ("aGVsbG8==", "hello"),
            ("aGVsbA==", "hell"),
            ("aGVsbG8h", "hello!"),
            ("", ""),
        ] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), Some(decoded.as_bytes()));
        }
        for refused in [&b"a"[..], b"a===", b"=", b"==", b"aG sbG8=", b"aGVsbG9="] {
            assert_eq!(decode_base64(refused), None, "{refused:?}");
        }
    }

    #[track_caller]
    fn check(words: &str, letters: &str, expected: &[&str]) {
        let words: Vec<_> = words.split(' ').map(|word| word.as_bytes().into()).collect();
        let expected: Vec<_> = expected.iter().map(|text| Value::text(*text)).collect();
        assert_eq!(getopt(&words, letters.as_bytes(), None), Some(Value::List(expected.into())));
    }

    #[track_caller]
    fn check_one(words: &str, letters: &str, wanted: u8, expected: Option<&str>) {
        let words: Vec<_> = words.split(' ').map(|word| word.as_bytes().into()).collect();
        assert_eq!(getopt(&words, letters.as_bytes(), Some(wanted)), expected.map(Value::from));
    }

    #[test]
    fn options_are_found_as_by_getopt() {
        check("-nt hello rest -n", "nt:", &["n", "t", "hello"]);
        check("-thello", "t:", &["t", "hello"]);
        check("-t", "t:", &[""]);
        check("-xn", "n", &["?", "n"]);
        check("-n:", "n:", &["n", ":"]);
        check("--long -n", "n", &["n"]);
        check("-n -- -n", "n", &["n"]);
        check("- -n", "n", &[]);
        check("-t -n", "nt:", &["t", "-n"]);
        check("-:", ":", &["?"]);
    }

    #[test]
    fn one_option_is_its_last_argument() {
        check_one("-p 1 -p 2 -n", "np:", b'p', Some("2"));
        check_one("-p 1 -n", "np:", b'n', Some("n"));
        check_one("-p", "p:", b'p', Some(""));
        check_one("-x", "p:", b'p', None);
        check_one("-x", "p:", b'?', None);
    }
}
