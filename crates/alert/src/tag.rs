use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::slug;

/// Most bytes of a configured tag: more would not fit its token.
const TAG_BYTES_MAX: usize = 64;

/// A tag that a setting names, in the form that stands in subjects.
///
/// Invariant: `[a-z0-9_]`, at most 64 bytes, at least one of them a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tag(String);

/// A text that no subject could tell from others.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("tag {text:?} is not up to 64 bytes with at least one of a-z, A-Z, 0-9")]
pub struct InvalidTag {
    text: String,
}

impl Tag {
    /// The tag's token in subjects.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag in the name of a stream.
    pub fn in_stream_name(&self) -> String {
        self.0.to_ascii_uppercase()
    }

    /// Whether a tag of an alert is written as this one, or nearly so: case and
    /// whatever is neither letter nor digit do not count.
    ///
    /// `pci-data`, `PCI Data` and `pcidata!` are alike. A setting that hides what
    /// is sensitive would rather hide too much than miss a tag for a typo.
    pub fn is_like(&self, tag: &str) -> bool {
        significant(&slug(tag)).eq(significant(&self.0))
    }
}

fn significant(slug: &str) -> impl Iterator<Item = u8> {
    slug.bytes().filter(|byte| *byte != b'_')
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let token = slug(text);
        if text.len() > TAG_BYTES_MAX || significant(&token).next().is_none() {
            return Err(InvalidTag { text: text.chars().take(64).collect() });
        }
        Ok(Self(token))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
