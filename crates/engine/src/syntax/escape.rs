//! Backslashes in quoted text.

/// The bytes that a quoted text stands for. `quoted` has its quotes.
pub(super) fn unescape(quoted: &str) -> Result<Vec<u8>, String> {
    let bytes = quoted.as_bytes();
    let quote = bytes.first().copied().unwrap_or_default();
    let mut inner = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default().iter().copied();
    let mut value = Vec::with_capacity(bytes.len());
    while let Some(byte) = inner.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        let Some(escaped) = inner.next() else {
            return Err("a backslash at the end escapes nothing".to_owned());
        };
        value.push(match escaped {
            b'b' => b'\x08',
            b'f' => b'\x0c',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            // Old rules escape wrongly: a backslash and a blank are one backslash.
            b' ' | b'\\' => b'\\',
            b'/' => b'/',
            b'"' | b'\'' if escaped == quote => quote,
            b'"' | b'\'' => {
                let escaped = char::from(escaped);
                let quote = char::from(quote);
                return Err(format!("invalid \\{escaped} escape in {quote}-quoted string"));
            }
            b'x' => {
                let (Some(high), Some(low)) = (inner.next(), inner.next()) else {
                    return Err("truncated hex char escape sequence".to_owned());
                };
                hex(high, low).ok_or_else(|| {
                    let digits = [high, low];
                    let digits = String::from_utf8_lossy(&digits);
                    format!("invalid hex char escape sequence: {digits}")
                })?
            }
            other => {
                let other = char::from(other).escape_default();
                return Err(format!("unsupported string escape sequence: \\{other}"));
            }
        });
    }
    Ok(value)
}

/// Writes a value so that it reads as one value again.
///
/// With `falco_form`, values that Falco prints bare are bare, although some of them (empty ones,
/// ones with brackets or commas) would not be read back as one value.
pub(super) fn escape(value: &[u8], falco_form: bool) -> String {
    let escaped = escaped(value, falco_form);
    let bare = |byte: &u8| match byte {
        b' ' | b'=' | b'\'' | b'"' | b'\\' | 0 => false,
        b'\x08' | b'\x0c' | b'\n' | b'\r' | b'\t' => false,
        b'(' | b')' | b'[' | b']' | b',' | b'\x0b' => falco_form,
        _ => true,
    };
    let readable = falco_form || (!value.is_empty() && std::str::from_utf8(value).is_ok());
    if readable && value.iter().all(bare) { escaped } else { format!("\"{escaped}\"") }
}

/// Writes a value in quotes so that it reads as the same value again.
pub(super) fn quote(value: &[u8]) -> String {
    format!("\"{}\"", escaped(value, false))
}

fn escaped(value: &[u8], falco_form: bool) -> String {
    let mut escaped = String::with_capacity(value.len() + 2);
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\x08' => escaped.push_str("\\b"),
                '\x0c' => escaped.push_str("\\f"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                '\\' => escaped.push_str("\\\\"),
                '"' => escaped.push_str("\\\""),
                '\x0b' if !falco_form => escaped.push_str("\\x0b"),
                '\0' if !falco_form => escaped.push_str("\\x00"),
                _ => escaped.push(character),
            }
        }
        for byte in chunk.invalid() {
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if !falco_form && value.ends_with(b"\\") {
        // A quote after a backslash does not end the text; `\ ` is the other way to write one.
        escaped.pop();
        escaped.push(' ');
    }
    escaped
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
