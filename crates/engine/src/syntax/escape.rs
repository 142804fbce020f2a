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
            b'x' => hex(inner.next(), inner.next()).ok_or("\\x needs two hexadecimal digits")?,
            other => {
                let other = char::from(other).escape_default();
                return Err(format!("unsupported string escape sequence: \\{other}"));
            }
        });
    }
    if value.contains(&0) {
        return Err("a value cannot hold a NUL byte".to_owned());
    }
    Ok(value)
}

/// Writes a value so that it reads as one value again.
///
/// With `falco_form`, values that Falco prints bare are bare, although some of them (empty ones,
/// ones with brackets, commas or equals signs) would not be read back as one value.
pub(super) fn escape(value: &[u8], falco_form: bool) -> String {
    let mut escaped = String::with_capacity(value.len() + 2);
    let mut quotes = !falco_form && value.is_empty();
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            let text = match character {
                '\x08' => "\\b",
                '\x0c' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\\' => "\\\\",
                '\x0b' if !falco_form => "\\x0b",
                '"' => "\\\"",
                ' ' | '\'' => {
                    quotes = true;
                    escaped.push(character);
                    continue;
                }
                _ => {
                    quotes |= !falco_form && matches!(character, '(' | ')' | '[' | ']' | ',' | '=');
                    escaped.push(character);
                    continue;
                }
            };
            quotes = true;
            escaped.push_str(text);
        }
        for byte in chunk.invalid() {
            quotes = true;
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if !falco_form && value.ends_with(b"\\") {
        // A quote after a backslash does not end the text; `\ ` is the other way to write one.
        escaped.pop();
        escaped.push(' ');
    }
    if quotes { format!("\"{escaped}\"") } else { escaped }
}

fn hex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
