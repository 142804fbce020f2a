//! Values of an item's keys, as yaml-cpp would decode them, or Falco's words for why not.

use std::collections::BTreeSet;

use super::{
    report::{Refusal, malformed},
    trail::{ItemType, Trail},
};
use crate::yaml::{Content, Node};

/// A mapping, and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Keys<'n, 't> {
    pub(super) node: &'n Node,
    pub(super) trail: &'t Trail,
}

impl<'n, 't> Keys<'n, 't> {
    pub(super) fn new(node: &'n Node, trail: &'t Trail) -> Self {
        Self { node, trail }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The scalar of a key that must be there.
    pub(super) fn scalar(&self, key: &str) -> Result<(&'n str, &'n Node), Refusal> {
        match self.optional_scalar(key)? {
            Some(found) => Ok(found),
            None => Err(malformed(format!("Item has no mapping for key '{key}'"), self.trail)),
        }
    }

    /// The scalar of a key that may be absent, but not empty.
    pub(super) fn optional_scalar(
        &self,
        key: &str,
    ) -> Result<Option<(&'n str, &'n Node)>, Refusal> {
        let Some(node) = self.get(key) else { return Ok(None) };
        if node.is_null() {
            let mut refusal = malformed(format!("Mapping for key '{key}' is empty"), self.trail);
            refusal.place = node.place;
            return Err(refusal);
        }
        match node.as_str() {
            None => Err(malformed("Value is not a scalar value", &self.value_trail(key, node))),
            Some("") => Err(malformed("Value must be non-empty", &self.value_trail(key, node))),
            Some(text) => Ok(Some((text, node))),
        }
    }

    /// The scalar of a key that may be absent or empty.
    pub(super) fn scalar_or_empty(&self, key: &str) -> Result<&'n str, Refusal> {
        match self.get(key) {
            Some(node) if node.is_null() || node.as_str() == Some("") => Ok(""),
            _ => Ok(self.optional_scalar(key)?.map_or("", |(text, _)| text)),
        }
    }

    /// `true` or `false` in any of YAML's words for them.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        self.decoded(key, as_bool)
    }

    /// A number from 0 to 2³²-1.
    pub(super) fn number(&self, key: &str) -> Result<Option<u32>, Refusal> {
        self.decoded(key, as_number)
    }

    fn decoded<T>(&self, key: &str, decode: fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some((text, node)) = self.optional_scalar(key)? else { return Ok(None) };
        match decode(text) {
            Some(value) => Ok(Some(value)),
            None => Err(malformed("Can't decode YAML scalar value", &self.value_trail(key, node))),
        }
    }

    /// The scalars of a sequence; an empty one is `""`.
    pub(super) fn scalars(&self, key: &str) -> Result<Option<Vec<&'n str>>, Refusal> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let trail = self.value_trail(key, node);
        let Content::Sequence(items) = &node.content else {
            return Err(malformed("Value is not a sequence", &trail));
        };
        let scalar = |item: &'n Node| {
            item.as_str().ok_or_else(|| {
                let trail = trail.step(ItemType::ListItem, "", item.place);
                malformed("sequence value is not scalar", &trail)
            })
        };
        items.iter().map(scalar).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn tags(&self) -> Result<BTreeSet<String>, Refusal> {
        let tags = self.scalars("tags")?.unwrap_or_default();
        Ok(tags.into_iter().map(str::to_owned).collect())
    }

    fn value_trail(&self, key: &str, node: &Node) -> Trail {
        self.trail.step(ItemType::ValueFor, key, node.place)
    }
}

/// `y yes true on` and their opposites, in lower case, upper case or with a capital.
fn as_bool(text: &str) -> Option<bool> {
    let rest = text.get(1..).unwrap_or_default();
    let lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let flexible =
        lower(text) || (text.starts_with(char::is_uppercase) && (lower(rest) || upper(rest)));
    match text.to_ascii_lowercase().as_str() {
        _ if !flexible => None,
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x` hexadecimal or `0` octal.
pub(super) fn as_number(text: &str) -> Option<u32> {
    let text = text.trim_end_matches([' ', '\t', '\n', '\r']);
    let digits = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    // A second sign is one that the standard library would take.
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::{as_bool, as_number};

    #[test]
    fn scalars_are_read_as_yaml_cpp_reads_them() {
        for (text, expected) in [
            ("true", Some(true)),
            ("Yes", Some(true)),
            ("ON", Some(true)),
            ("y", Some(true)),
            ("N", Some(false)),
            ("Off", Some(false)),
            ("tRUE", None),
            ("TRue", None),
            ("1", None),
            ("é", None),
        ] {
            assert_eq!(as_bool(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("15", Some(15)),
            ("0x1F", Some(31)),
            ("017", Some(15)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("-1", None),
            ("++1", None),
            ("1.5", None),
            ("é", None),
        ] {
            assert_eq!(as_number(text), expected, "{text:?}");
        }
    }
}
