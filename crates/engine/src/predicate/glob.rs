//! Shell patterns, as `fnmatch` without flags has them: `*` and `?` match a slash too.

/// A compiled pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `[[:digit:]]`, and `\` before a character that
/// means itself. It looks at bytes, as in the C locale.
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
    Set(ByteSet),
    /// Where a pattern is ill-formed: no value fits.
    Nothing,
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
                        Part::Byte(fold(escaped, no_case))
                    }
                    None => Part::Nothing,
                },
                b'[' => match set(rest, no_case) {
                    Some((part, after)) => {
                        rest = after;
                        part
                    }
                    // A bracket that does not close means itself.
                    None => Part::Byte(b'['),
                },
                byte => Part::Byte(fold(byte, no_case)),
            });
        }
        parts.dedup_by(|next, previous| *next == Part::AnyBytes && *previous == Part::AnyBytes);
        Self { parts, no_case }
    }

    /// One component of a path, which is a pattern only if it has `?`, `*` or `[`.
    pub(super) fn of_component(component: &[u8]) -> Self {
        if component.iter().any(|byte| b"?*[".contains(byte)) {
            return Self::new(component, false);
        }
        Self { parts: component.iter().copied().map(Part::Byte).collect(), no_case: false }
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
        match part {
            Part::AnyByte | Part::AnyBytes => true,
            Part::Byte(wanted) => fold(byte, self.no_case) == *wanted,
            Part::Set(set) => set.contains(byte),
            Part::Nothing => false,
        }
    }
}

fn fold(byte: u8, no_case: bool) -> u8 {
    if no_case { byte.to_ascii_lowercase() } else { byte }
}

/// Which bytes a bracket stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ByteSet([u128; 2]);

impl ByteSet {
    fn of(contains: impl Fn(u8) -> bool) -> Self {
        let half = |from: u8| {
            let bytes = (0..128).filter(|offset| contains(from + offset));
            bytes.fold(0, |half, offset| half | 1_u128 << offset)
        };
        Self([half(0), half(128)])
    }

    fn contains(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        (if byte < 128 { low } else { high }) >> (byte % 128) & 1 == 1
    }
}

/// Reads a set after its bracket; gives what follows it, `None` when it does not close.
fn set(pattern: &[u8], no_case: bool) -> Option<(Part, &[u8])> {
    let (negated, mut rest) = match pattern.split_first()? {
        (b'!' | b'^', after) => (true, after),
        _ => (false, pattern),
    };
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    let mut classes: Vec<fn(&u8) -> bool> = Vec::new();
    let mut ill_formed = false;
    let mut first = true;
    loop {
        if !first && let Some(after) = rest.strip_prefix(b"]") {
            let set = ByteSet::of(|byte| {
                let folded = fold(byte, no_case);
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&folded))
                    || classes.iter().any(|class| class(&byte));
                inside != negated
            });
            let part = if ill_formed && negated { Part::Nothing } else { Part::Set(set) };
            return Some((part, after));
        }
        first = false;
        if let Some((name, after)) = class_name(rest) {
            match class(name) {
                Some(class) => classes.push(class),
                None => ill_formed = true,
            }
            rest = after;
            continue;
        }
        if let [b'[', b'=', byte, b'=', b']', after @ ..] = rest {
            ranges.push((fold(*byte, no_case), fold(*byte, no_case)));
            rest = after;
            continue;
        }
        let (low, after) = set_byte(rest)?;
        rest = after;
        let high = match rest {
            [b'-', next, ..] if *next != b']' => {
                let (high, after) = set_byte(rest.get(1..)?)?;
                rest = after;
                high
            }
            _ => low,
        };
        ranges.push((fold(low, no_case), fold(high, no_case)));
    }
}

/// Takes one byte of a set: itself, `\x` or `[.x.]`.
fn set_byte(rest: &[u8]) -> Option<(u8, &[u8])> {
    match rest {
        [b'\\', byte, after @ ..] | [b'[', b'.', byte, b'.', b']', after @ ..] => {
            Some((*byte, after))
        }
        [b'\\'] | [] => None,
        [byte, after @ ..] => Some((*byte, after)),
    }
}

/// Takes `[:name:]`.
fn class_name(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = rest.strip_prefix(b"[:")?;
    let length = inside.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (name, after) = inside.split_at_checked(length)?;
    Some((name, after.strip_prefix(b":]")?))
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| *byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
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
        check(r"a\", r"a\", false);
        check(r"[\]]", "]", true);
        check(r"[a\-c]", "-", true);
        check(r"[a\-c]", "b", false);
        check("[^a]", "b", true);
        check("[z-a]", "z", false);
        check("[!]a]", "]", false);
        check("[!]a]", "b", true);
        check("[]-a]", "^", true);
        check("[[.-.]a]", "-", true);
        check("[[=a=]b]", "a", true);
        check("", "x", false);
        check("?", "/", true);
        check("é?", "éx", true);
        check("??", "é", true);
    }

    #[test]
    fn classes() {
        check("[[:digit:]]*", "1x", true);
        check("[[:digit:][:upper:]_]", "A", true);
        check("[[:digit:][:upper:]_]", "_", true);
        check("[![:space:]]", "\t", false);
        check("[![:space:]]", "x", true);
        check("[[:digits:]]", "1", false);
        check("[![:digits:]]", "1", false);
        check("[[:digit]", ":", true);
        check("[[:digit]", "[", true);
    }

    #[test]
    fn case_may_not_matter() {
        for (pattern, value, expected) in [
            ("*.PHP", "index.php", true),
            ("*.php", "INDEX.PHP", true),
            ("[A-C]x", "bX", true),
            ("[!A-C]x", "bx", false),
            ("É", "é", false),
        ] {
            let glob = Glob::new(pattern.as_bytes(), true);
            assert_eq!(glob.matches(value.as_bytes()), expected, "{pattern:?} on {value:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let glob = Glob::new("*a".repeat(50).as_bytes(), false);
        let value = format!("{}b", "a".repeat(5000));
        assert!(!glob.matches(value.as_bytes()));
    }
}
