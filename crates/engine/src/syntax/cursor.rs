//! Reads tokens off a text, byte by byte.

/// A place in a text that moves forward only when a token is there.
///
/// All delimiters are ASCII, so a token always ends between characters.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    /// Where the last token began and ended.
    last: (usize, usize),
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, last: (0, 0) }
    }

    /// The last token taken, as written.
    pub(super) fn last_token(&self) -> &'a str {
        self.text.get(self.last.0..self.last.1).unwrap_or_default()
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
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
        let before = self.offset;
        self.skip_while(is_blank);
        self.offset > before
    }

    /// Takes `token` if it is next.
    pub(super) fn token(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.advance_to(self.offset + token.len());
        }
        found
    }

    /// Takes `not` and the white space after it if both are next.
    pub(super) fn negation(&mut self) -> bool {
        let mut ahead = self.clone();
        let word = ahead.token("not");
        ahead.skip_while(is_space);
        let found = word && ahead.offset > self.offset + "not".len();
        if found {
            self.advance_to(ahead.offset);
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
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
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
        (dots > 0).then_some(())?;
        self.advance_to(ahead.offset)
    }

    /// Takes the text in a field's brackets, when it is not quoted.
    pub(super) fn field_argument(&mut self) -> Option<&'a str> {
        self.take_while(|byte| !is_space(byte) && !matches!(byte, b'[' | b']' | b'"' | b'\''))
    }

    /// Takes a value that is not quoted.
    pub(super) fn bare(&mut self) -> Option<&'a str> {
        self.take_while(|byte| {
            !is_space(byte) && !matches!(byte, b'(' | b')' | b'"' | b'\'' | b'=' | b',')
        })
    }

    /// Takes a decimal number or one with `0x`, as written.
    pub(super) fn number(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        if (ahead.token("0x") || ahead.token("0X"))
            && ahead.take_while(|byte| byte.is_ascii_hexdigit()).is_some()
        {
            return self.advance_to(ahead.offset);
        }
        ahead = self.clone();
        if !ahead.token("+") {
            ahead.token("-");
        }
        ahead.take_while(|byte| byte.is_ascii_digit())?;
        if ahead.token(".") {
            ahead.skip_while(|byte| byte.is_ascii_digit());
        }
        let mut exponent = ahead.clone();
        if (exponent.token("e") || exponent.token("E"))
            && (exponent.token("+") || exponent.token("-"))
            && exponent.take_while(|byte| byte.is_ascii_digit()).is_some()
        {
            ahead = exponent;
        }
        self.advance_to(ahead.offset)
    }

    /// Takes a quoted text with its quotes.
    ///
    /// A quote ends it unless the byte before is a backslash, whatever is before that. A NUL ends
    /// the text as a whole.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let mut previous = quote;
        for (index, byte) in self.rest().bytes().enumerate().skip(1) {
            if byte == 0 {
                return None;
            }
            if byte == quote && previous != b'\\' {
                return self.advance_to(self.offset + index + 1);
            }
            previous = byte;
        }
        None
    }

    fn advance_to(&mut self, end: usize) -> Option<&'a str> {
        let token = self.text.get(self.offset..end)?;
        self.last = (self.offset, end);
        self.offset = end;
        Some(token)
    }

    /// Takes what belongs, if that is anything.
    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> Option<&'a str> {
        let length = self.rest().bytes().take_while(|byte| belongs(*byte)).count();
        (length > 0).then_some(())?;
        self.advance_to(self.offset + length)
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        self.offset += self.rest().bytes().take_while(|byte| belongs(*byte)).count();
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
