//! Regular expressions.

use std::hash::{Hash, Hasher};

use regex::Regex;

/// A compiled regular expression, which is the same as another if their texts are.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // By itself first: `a)|(b` is none, and between our brackets it would be.
        let regex = Regex::new(text)
            .and_then(|_alone| Regex::new(&format!("^(?:{text})$")))
            .map_err(|error| format!("invalid regex pattern: {error}"))?;
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
