//! Shell patterns, as `fnmatch` without flags has them: `*` and `?` match a slash too.

/// A compiled pattern: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a character that means itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    parts: Vec<Part>,
    no_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Byte(u8),
    AnyByte,
    AnyBytes,
    Set { ranges: Vec<(u8, u8)>, negated: bool },
}

impl Glob {
    pub(crate) fn new(pattern: &[u8], no_case: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            parts.push(match byte {
                b'*' => Part::AnyBytes,
                b'?' => Part::AnyByte,
                b'\\' => match rest.split_first() {
                    Some((&escaped, after)) => {
                        rest = after;
                        Part::Byte(escaped)
                    }
                    None => Part::Byte(b'\\'),
                },
                b'[' => match set(rest) {
                    Some((part, after)) => {
                        rest = after;
                        part
                    }
                    // A bracket that does not close means itself.
                    None => Part::Byte(b'['),
                },
                byte => Part::Byte(byte),
            });
        }
        parts.dedup_by(|next, previous| *next == Part::AnyBytes && *previous == Part::AnyBytes);
        Self { parts, no_case }
    }

    /// Whether the whole value fits. Takes at most pattern × value steps.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let (mut part, mut at) = (0, 0);
        // Where to go on when a match fails: the last `*`, and how much it has eaten.
        let mut retry = None;
        while at < value.len() {
            match (self.parts.get(part), value.get(at)) {
                (Some(Part::AnyBytes), _) => {
                    retry = Some((part, at));
                    part += 1;
                }
                (Some(wanted), Some(&byte)) if self.fits(wanted, byte) => {
                    part += 1;
                    at += 1;
                }
                _ => {
                    let Some((star, eaten)) = retry else { return false };
                    retry = Some((star, eaten + 1));
                    part = star + 1;
                    at = eaten + 1;
                }
            }
        }
        self.parts.iter().skip(part).all(|part| *part == Part::AnyBytes)
    }

    /// Bytes that every value it matches has, and whether they are at the start: the longest such
    /// part of the pattern, or what it begins with. In any case if it is of no case.
    pub(crate) fn required(&self) -> Option<(Vec<u8>, bool)> {
        let is_byte = |part: &Part| matches!(part, Part::Byte(_));
        let runs = self.parts.chunk_by(|a, b| is_byte(a) && is_byte(b));
        let literal = |run: &[Part]| -> Option<Vec<u8>> {
            let byte = |part: &Part| match part {
                Part::Byte(byte) => Some(*byte),
                _ => None,
            };
            run.iter().map(byte).collect()
        };
        let mut literals = runs.enumerate().filter_map(|(index, run)| Some((literal(run)?, index)));
        let first = literals.next()?;
        let (text, index) = match first {
            // A path's own slash says nothing.
            (text, 0) if text.len() > 1 => (text, 0),
            first => literals.fold(first, |a, b| if b.0.len() > a.0.len() { b } else { a }),
        };
        Some((text, index == 0))
    }

    /// The bytes that a fitting value must have, in order, with anything between two pieces: one
    /// piece is the whole value, the first is its head, the last its tail.
    pub(crate) fn literal_pieces(&self) -> Vec<Vec<u8>> {
        let mut pieces = vec![Vec::new()];
        for part in &self.parts {
            match (part, pieces.last_mut()) {
                (Part::Byte(byte), Some(piece))
                    if !(self.no_case && byte.is_ascii_alphabetic()) =>
                {
                    piece.push(*byte);
                }
                _ => pieces.push(Vec::new()),
            }
        }
        pieces
    }

    fn fits(&self, part: &Part, byte: u8) -> bool {
        let both_cases = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
        let bytes = if self.no_case { both_cases } else { [byte; 2] };
        match part {
            Part::AnyByte | Part::AnyBytes => true,
            Part::Byte(wanted) => bytes.contains(wanted),
            Part::Set { ranges, negated } => {
                let inside =
                    ranges.iter().any(|(low, high)| bytes.iter().any(|b| low <= b && b <= high));
                inside != *negated
            }
        }
    }
}

/// Reads a set after its bracket; gives what follows it.
fn set(pattern: &[u8]) -> Option<(Part, &[u8])> {
    let (negated, mut rest) = match pattern.split_first()? {
        (b'!' | b'^', after) => (true, after),
        _ => (false, pattern),
    };
    let mut ranges = Vec::new();
    loop {
        let (&first, after) = rest.split_first()?;
        rest = after;
        let low = match first {
            b']' if !ranges.is_empty() => return Some((Part::Set { ranges, negated }, rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                escaped
            }
            byte => byte,
        };
        match rest {
            [b'-', high, after @ ..] if *high != b']' => {
                ranges.push((low, *high));
                rest = after;
            }
            _ => ranges.push((low, low)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[track_caller]
    fn check(pattern: &str, value: &str, expected: bool) {
        let glob = Glob::new(pattern.as_bytes(), false);
        assert_eq!(glob.matches(value.as_bytes()), expected, "{pattern:?} on {value:?}");
    }

    #[test]
    fn wildcards() {
        check("/home/*/.ssh/*", "/home/ann/.ssh/id_rsa", true);
        check("/home/*/.ssh/*", "/home/a/b/.ssh/id", true);
        check("/home/*/.ssh/*", "/root/.ssh/id_rsa", false);
        check("*../*../*", "/x/../../etc/passwd", true);
        check("*../*../*", "/x/../etc", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("", "", true);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-b-b-", false);
    }

    #[test]
    fn sets_and_escapes() {
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[]]", "]", true);
        check("[a", "[a", true);
        check("[a-]", "-", true);
        check(r"\*", "*", true);
        check(r"\*", "x", false);
        assert!(Glob::new(b"*.PHP", true).matches(b"index.php"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let glob = Glob::new("*a".repeat(50).as_bytes(), false);
        let value = format!("{}b", "a".repeat(5000));
        assert!(!glob.matches(value.as_bytes()));
    }
}
