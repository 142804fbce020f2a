//! The query of a request's URI, read as strictly as Go reads it, which Falco's plugin is made of.

/// The first value of that parameter; `None` too when the URI is malformed.
pub(super) fn parameter(uri: &str, name: &str) -> Option<String> {
    parameters(uri, name)?.into_iter().next()
}

/// Every value of that parameter, in order; `None` when the URI is malformed.
pub(super) fn parameters(uri: &str, name: &str) -> Option<Vec<String>> {
    if uri.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let (before, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let (path, query) = before.split_once('?').unwrap_or((before, ""));
    decoded(path)?;
    decoded(fragment)?;
    let mut found = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return None;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key == name {
            found.push(value);
        }
    }
    Some(found)
}

/// `%41` is `A` and `+` a blank; bytes that are no UTF-8 become U+FFFD.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(rest.next()?)? * 16 + digit(rest.next()?)?).ok()?,
            _ => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[track_caller]
    fn check(uri: &str, expected: Option<&[&str]>) {
        let found = parameters(uri, "command");
        let found: Option<Vec<&str>> =
            found.as_ref().map(|found| found.iter().map(String::as_str).collect());
        assert_eq!(found.as_deref(), expected, "{uri}");
    }

    #[test]
    fn parameters_are_decoded_in_order() {
        check("/exec?command=sh&command=-c&tty=true&command=a%20b+c", Some(&["sh", "-c", "a b c"]));
        check("/exec?command", Some(&[""]));
        check("/exec?com%6Dand=x#command=y", Some(&["x"]));
        check("/exec?command=%C3%A9%ff&&", Some(&["é\u{fffd}"]));
        check("/exec", Some(&[]));
    }

    #[test]
    fn a_malformed_uri_has_none() {
        for uri in ["/?command=%", "/?command=%4", "/?a=%zz&command=x", "/%?command=x"] {
            check(uri, None);
        }
        check("/?command=a;b", None);
        check("/?command=a\u{7f}", None);
        check("/?command=x#%", None);
    }
}
