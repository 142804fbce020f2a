//! Reads tokens off a text, byte by byte.

/// A place in a text that moves forward only when a token is there.
///
/// All delimiters are ASCII, so a token always ends between characters.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Goes back to a place it came from.
    pub(super) fn back_to(&mut self, offset: usize) {
        self.offset = offset;
    }

    pub(super) fn at_end(&self) -> bool {
        self.offset >= self.text.len()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// Takes blanks, and says whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        !self.take_while(is_blank).is_empty()
    }

    /// Takes `token` if it is next.
    pub(super) fn token(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    /// Takes `word` and the blanks after it if both are next.
    pub(super) fn word_and_blank(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.token(word) && ahead.blanks();
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes a macro's or list's name.
    pub(super) fn identifier(&mut self) -> Option<&'a str> {
        self.peek().filter(u8::is_ascii_alphabetic)?;
        Some(self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    }

    /// Takes a field's name: identifiers joined by at least one dot.
    pub(super) fn field_name(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        ahead.identifier()?;
        let mut dots = 0;
        loop {
            let before_dot = ahead.clone();
            if !ahead.token(".") {
                break;
            }
            if ahead.identifier().is_none() {
                ahead = before_dot;
                break;
            }
            dots += 1;
        }
        let name = self.text.get(self.offset..ahead.offset).filter(|_| dots > 0)?;
        *self = ahead;
        Some(name)
    }

    /// Takes the text in a field's brackets, when it is not quoted.
    pub(super) fn field_argument(&mut self) -> Option<&'a str> {
        let argument =
            self.take_while(|byte| !is_space(byte) && !matches!(byte, b'[' | b']' | b'"' | b'\''));
        (!argument.is_empty()).then_some(argument)
    }

    /// Takes a value that is not quoted.
    pub(super) fn bare(&mut self) -> Option<&'a str> {
        let value = self.take_while(|byte| {
            !is_space(byte) && !matches!(byte, b'(' | b')' | b'"' | b'\'' | b'=' | b',')
        });
        (!value.is_empty()).then_some(value)
    }

    /// Takes a decimal number or one with `0x`, as written.
    pub(super) fn number(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        if (ahead.token("0x") || ahead.token("0X"))
            && !ahead.take_while(|byte| byte.is_ascii_hexdigit()).is_empty()
        {
            return self.advance_to(ahead.offset);
        }
        ahead = self.clone();
        if !ahead.token("+") {
            ahead.token("-");
        }
        if ahead.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            return None;
        }
        if ahead.token(".") {
            ahead.take_while(|byte| byte.is_ascii_digit());
        }
        let mut exponent = ahead.clone();
        if (exponent.token("e") || exponent.token("E"))
            && (exponent.token("+") || exponent.token("-"))
            && !exponent.take_while(|byte| byte.is_ascii_digit()).is_empty()
        {
            ahead = exponent;
        }
        self.advance_to(ahead.offset)
    }

    /// Takes a quoted text with its quotes; `Some(None)` when it does not end.
    ///
    /// A quote ends it unless the byte before is a backslash, whatever is before that.
    pub(super) fn quoted(&mut self) -> Option<Option<&'a str>> {
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let mut previous = quote;
        for (index, byte) in self.rest().bytes().enumerate().skip(1) {
            if byte == quote && previous != b'\\' {
                return Some(self.advance_to(self.offset + index + 1));
            }
            previous = byte;
        }
        Some(None)
    }

    fn advance_to(&mut self, end: usize) -> Option<&'a str> {
        let token = self.text.get(self.offset..end)?;
        self.offset = end;
        Some(token)
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| belongs(*byte)).count();
        self.offset += length;
        rest.get(..length).unwrap_or_default()
    }
}

/// What may stand between tokens.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x08' | b'\r' | b'\n')
}

/// What ends a bare value: nearly the same, but the language is what it is.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}
