//! Regular expressions.

use std::hash::{Hash, Hasher};

use regex::Regex;

use super::posix;

/// A compiled regular expression, which is the same as another if their texts are.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads a pattern in the syntax that RE2 calls POSIX. The messages are RE2's.
    pub(super) fn new(text: &[u8]) -> Result<Self, String> {
        let refused = |message| format!("invalid regex pattern: {message}");
        let text =
            std::str::from_utf8(text).ok().ok_or_else(|| refused("invalid UTF-8".to_owned()))?;
        let translated = posix::translate(text).map_err(refused)?;
        let regex = Regex::new(&format!(r"\A(?:{translated})\z"))
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether the whole value fits. What is not UTF-8 in it counts as U+FFFD.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        self.regex.is_match(&String::from_utf8_lossy(value))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[track_caller]
    fn check(pattern: &str, value: &str, expected: bool) {
        let compiled = Pattern::new(pattern.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.matches(value.as_bytes()), expected, "{pattern:?} on {value:?}");
    }

    #[track_caller]
    fn check_refused(pattern: &str, message: &str) {
        let error = Pattern::new(pattern.as_bytes()).expect_err(pattern);
        assert_eq!(error, format!("invalid regex pattern: {message}"), "{pattern:?}");
    }

    #[test]
    fn the_whole_value_must_fit() {
        check("cat", "cat", true);
        check("cat", "cats", false);
        check("^cat$", "cat", true);
        check("a|bc", "bc", true);
        check("a|bc", "abc", false);
        check("", "", true);
        check("a.c", "a\nc", false);
        check("[^a]", "\n", true);
        check("a$\n^b", "a\nb", true);
        check("é.", "éü", true);
    }

    #[test]
    fn what_means_something_else_to_other_engines() {
        check("a+?", "", true);
        check("a+?", "aaa", true);
        check("a**", "aa", true);
        check("a{2}{2}", "aaaa", true);
        check("a{", "a{", true);
        check("a{,2}", "a{,2}", true);
        check("a{01}", "a{01}", true);
        check("[[]", "[", true);
        check("[a&&b]+", "a&b", true);
        check("[]a]", "]", true);
        check("[a-]", "-", true);
        check("[[:alpha:]_]+", "ab_", true);
        check("[[:^alpha:]]", "1", true);
        check(r"\x41\x{42}\103\a", "ABC\x07", true);
        check(r"\.\-\/", ".-/", true);
        check("a b # c", "a b # c", true);
        check("~`@<>", "~`@<>", true);
        check("^*a", "a", true);
        check("(|a)b", "b", true);
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        check_refused("(", "missing ): (");
        check_refused("a)|(b", "unexpected ): a)|(b");
        check_refused("[a", "missing ]: [a");
        check_refused("[b-a]", "invalid character class range: b-a");
        check_refused("[a-b-c]", "invalid character class range: -c");
        check_refused("[[:foo:]]", "invalid character class range: [:foo:]");
        check_refused("*a", "no argument for repetition operator: *");
        check_refused("a|*", "no argument for repetition operator: *");
        check_refused("(?i)a", "no argument for repetition operator: ?");
        check_refused("(?:a)", "no argument for repetition operator: ?");
        check_refused("a{1001}", "invalid repetition size: {1001}");
        check_refused("a{3,2}", "invalid repetition size: {3,2}");
        check_refused("((a{100}){100}){100}", "invalid repetition size: {100}");
        check_refused(r"\d+", r"invalid escape sequence: \d");
        check_refused(r"[\w]", r"invalid escape sequence: \w");
        check_refused(r"\bx", r"invalid escape sequence: \b");
        check_refused(r"\C", r"invalid escape sequence: \C");
        check_refused(r"\pL", r"invalid escape sequence: \p");
        check_refused(r"(a)\1", r"invalid escape sequence: \1");
        check_refused(r"a\", r"trailing \");
        assert!(Pattern::new(b"\xff").is_err());
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let huge = "(.{1000}|é){0,1}".repeat(15);
        let _ = Pattern::new(huge.as_bytes());
        check("(a*)*(a*)*(a*)*b", &"a".repeat(10_000), false);
    }
}
