//! Texts that a kernel program can test with lookups, or with one pass over a short buffer.

use std::fmt;

use crate::predicate::Glob;

/// The longest text of a pattern, in bytes: what fits the key of a longest-prefix map.
pub const PATTERN_LEN_MAX: usize = 255;

/// The longest text to be looked for inside another, in bytes: one word of the machine.
pub const NEEDLE_LEN_MAX: usize = 8;

/// One thing that a text may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// The text is this.
    Is(Vec<u8>),
    /// The text begins with this.
    StartsWith(Vec<u8>),
    /// The text ends with this.
    EndsWith(Vec<u8>),
    /// This is somewhere in the text.
    Contains(Vec<u8>),
    /// The text is a path, and this is what stands before its last slash (`/` for the root).
    InDirectory(Vec<u8>),
    /// The text is a path, and this is what stands after its last slash.
    HasName(Vec<u8>),
}

impl Pattern {
    /// Whether `text` is what the pattern wants.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Is(wanted) => text == wanted,
            Self::StartsWith(wanted) => text.starts_with(wanted),
            Self::EndsWith(wanted) => text.ends_with(wanted),
            Self::Contains(wanted) => {
                wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
            }
            Self::InDirectory(wanted) => split(text).is_some_and(|(before, _)| before == wanted),
            Self::HasName(wanted) => split(text).is_some_and(|(_, after)| after == wanted),
        }
    }

    /// Whether every text that `other` wants is one that this wants.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Is(text)) => self.matches(text),
            (Self::StartsWith(wanted), Self::StartsWith(text)) => text.starts_with(wanted),
            (Self::StartsWith(wanted), Self::InDirectory(text)) => {
                // Of `/etc` the slash behind it is known, too; the root is one by itself.
                let root = text == b"/";
                text.starts_with(wanted)
                    || (!root && wanted.strip_suffix(b"/").is_some_and(|head| head == text))
            }
            (Self::EndsWith(wanted), Self::EndsWith(text) | Self::HasName(text)) => {
                text.ends_with(wanted)
            }
            (
                Self::Contains(_),
                Self::StartsWith(text)
                | Self::EndsWith(text)
                | Self::Contains(text)
                | Self::InDirectory(text)
                | Self::HasName(text),
            ) => self.matches(text),
            _ => self == other,
        }
    }

    /// Whether two different ones of this kind never want the same text.
    pub(super) fn is_one_text(&self) -> bool {
        matches!(self, Self::Is(_))
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::Is(text)
            | Self::StartsWith(text)
            | Self::EndsWith(text)
            | Self::Contains(text)
            | Self::InDirectory(text)
            | Self::HasName(text) => text,
        }
    }

    /// The pattern within the kernel's limits, and whether it still means the same.
    ///
    /// What is cut wants more texts than before, never fewer. `None` when it would want all.
    pub(super) fn bounded(self) -> Option<(Self, bool)> {
        let max = if matches!(self, Self::Contains(_)) { NEEDLE_LEN_MAX } else { PATTERN_LEN_MAX };
        if self.text().len() <= max {
            let wants_all = self.text().is_empty()
                && matches!(self, Self::StartsWith(_) | Self::EndsWith(_) | Self::Contains(_));
            return (!wants_all).then_some((self, true));
        }
        let head = |text: &[u8]| text.get(..max).unwrap_or_default().to_vec();
        let tail = |text: &[u8]| text.get(text.len() - max..).unwrap_or_default().to_vec();
        let cut = match &self {
            // Where a directory ends is forgotten.
            Self::Is(text) | Self::StartsWith(text) | Self::InDirectory(text) => {
                Self::StartsWith(head(text))
            }
            Self::EndsWith(text) | Self::HasName(text) => Self::EndsWith(tail(text)),
            // The end of a needle is what tells it apart: `/.aws/cr`, `edentials`.
            Self::Contains(text) => Self::Contains(tail(text)),
        };
        Some((cut, false))
    }
}

/// Before and after the last slash.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((path.get(..slash.max(1))?, path.get(slash + 1..)?))
}

/// What every text that fits a shell pattern must be: all of these, each cut to its limit.
///
/// The flag says whether they mean the same as the shell pattern.
pub(super) fn implied_by_glob(glob: &Glob) -> (Vec<Pattern>, bool) {
    let pieces = glob.literal_pieces();
    if let [only] = pieces.as_slice() {
        return (vec![Pattern::Is(only.clone())], true);
    }
    let mut implied = Vec::new();
    if let Some(head) = pieces.first().filter(|head| !head.is_empty()) {
        implied.push(Pattern::StartsWith(head.clone()));
    }
    if let Some(tail) = pieces.last().filter(|tail| !tail.is_empty()) {
        implied.push(Pattern::EndsWith(tail.clone()));
    }
    let middle = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    if let Some(longest) = middle.iter().max_by_key(|piece| piece.len())
        && !longest.is_empty()
    {
        implied.push(Pattern::Contains(longest.clone()));
    }
    (implied, false)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().escape_ascii();
        match self {
            Self::Is(_) => write!(f, "{text}"),
            Self::StartsWith(_) => write!(f, "{text}*"),
            Self::EndsWith(_) => write!(f, "*{text}"),
            Self::Contains(_) => write!(f, "*{text}*"),
            Self::InDirectory(directory) if directory == b"/" => write!(f, "/{{name}}"),
            Self::InDirectory(_) => write!(f, "{text}/{{name}}"),
            Self::HasName(_) => write!(f, "{{directory}}/{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, implied_by_glob};
    use crate::predicate::Glob;

    fn is(text: &str) -> Pattern {
        Pattern::Is(text.into())
    }

    fn starts(text: &str) -> Pattern {
        Pattern::StartsWith(text.into())
    }

    fn ends(text: &str) -> Pattern {
        Pattern::EndsWith(text.into())
    }

    fn contains(text: &str) -> Pattern {
        Pattern::Contains(text.into())
    }

    fn inside(text: &str) -> Pattern {
        Pattern::InDirectory(text.into())
    }

    fn named(text: &str) -> Pattern {
        Pattern::HasName(text.into())
    }

    #[test]
    fn paths_are_split_at_the_last_slash() {
        for (pattern, path, expected) in [
            (inside("/etc"), "/etc/passwd", true),
            (inside("/etc"), "/etc/ssh/x", false),
            (inside("/"), "/vmlinuz", true),
            (inside("/"), "/etc/passwd", false),
            (named("passwd"), "/etc/passwd", true),
            (named("passwd"), "passwd", false),
            (contains(""), "", true),
        ] {
            assert_eq!(pattern.matches(path.as_bytes()), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_is_covered_is_wanted_by_both() {
        let patterns = [
            is("/etc/passwd"),
            starts("/etc/"),
            starts("/etc"),
            ends("passwd"),
            ends("swd"),
            contains("tc/p"),
            inside("/etc"),
            inside("/"),
            named("passwd"),
            named("xpasswd"),
            starts("/"),
        ];
        let texts =
            ["/etc/passwd", "/etc/xpasswd", "/etc", "/x", "/etcetera/passwd", "passwd", "/"];
        let mut covering = 0;
        for wide in &patterns {
            for narrow in &patterns {
                if !wide.covers(narrow) {
                    continue;
                }
                covering += 1;
                for text in texts {
                    let (wide, narrow) =
                        (wide.matches(text.as_bytes()), narrow.matches(text.as_bytes()));
                    assert!(wide || !narrow, "{wide} does not cover {narrow}: {text}");
                }
            }
        }
        assert!(covering > 2 * patterns.len(), "{covering}");
        assert!(starts("/etc/").covers(&inside("/etc")));
        assert!(!starts("/etc/").covers(&starts("/etc")));
        assert!(!starts("//").covers(&inside("/")));
    }

    #[test]
    fn long_patterns_become_wider() {
        let long = "x".repeat(300);
        for pattern in [is(&long), starts(&long), ends(&long), inside(&long), named(&long)] {
            let (cut, exact) = pattern.bounded().unwrap();
            assert!(!exact);
            let path = format!("{long}/{long}");
            assert!(cut.matches(path.as_bytes()) && cut.matches(long.as_bytes()), "{cut}");
        }
        assert_eq!(
            contains("aws_secret_access_key").bounded(),
            Some((contains("cess_key"), false))
        );
        assert_eq!(contains("../").bounded(), Some((contains("../"), true)));
        assert_eq!(starts("").bounded(), None);
        assert_eq!(is("").bounded(), Some((is(""), true)));
    }

    #[test]
    fn a_glob_implies_its_literal_pieces() {
        let implied = |glob: &str| implied_by_glob(&Glob::new(glob.as_bytes(), false));
        assert_eq!(implied("/etc/passwd"), (vec![is("/etc/passwd")], true));
        assert_eq!(implied("/home/*/.ssh/*"), (vec![starts("/home/"), contains("/.ssh/")], false));
        assert_eq!(implied("*../*../*"), (vec![contains("../")], false));
        assert_eq!(implied("a?c"), (vec![starts("a"), ends("c")], false));
        assert_eq!(implied("*"), (vec![], false));
        assert_eq!(implied_by_glob(&Glob::new(b"*.PHP", true)), (vec![contains(".")], false));
        assert_eq!(implied_by_glob(&Glob::new(b"1.*", true)), (vec![starts("1.")], false));
    }
}
