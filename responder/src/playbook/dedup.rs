//! When a second alert is no news.

use jiff::SignedDuration;
use lanner_engine::FieldRef;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    AlertFacts,
    head::{HeadResult, Keys, some_texts, text},
};

/// One plan for all alerts that agree on the keys within the window.
pub struct Dedup {
    keys: Vec<Key>,
    /// How long after one plan another is left out.
    pub window: SignedDuration,
}

enum Key {
    Rule,
    Node,
    Field(String),
}

impl Dedup {
    pub(super) fn parse(mut section: Keys) -> HeadResult<Self> {
        let dedup = Self {
            keys: section.required("key", |value| {
                some_texts(value)?.into_iter().map(Key::parse).collect()
            })?,
            window: section.required("window", |value| {
                let text = text(value)?;
                let window = text.parse::<SignedDuration>().ok();
                window
                    .filter(SignedDuration::is_positive)
                    .ok_or_else(|| format!("`{text}` is not a duration such as \"10m\""))
            })?,
        };
        section.finish()?;
        Ok(dedup)
    }

    /// Names what this alert is about, for this playbook: 32 hexadecimal digits.
    ///
    /// The node is always part of it: it is what the bus proved of the alert, and the
    /// other values are only said. So no node can make another one's alerts no news.
    pub fn key(&self, playbook: &str, facts: &AlertFacts) -> String {
        let mut hash = Sha256::new();
        for name in [playbook, &facts.alert().node] {
            hash.update(name);
            hash.update([0]);
        }
        for key in &self.keys {
            let value = match key {
                Key::Rule => Value::from(facts.alert().rule.as_str()),
                Key::Node => Value::from(facts.alert().node.as_str()),
                Key::Field(name) => facts.field(name).cloned().unwrap_or_default(),
            };
            // JSON ends by itself, so two lists of values never give the same bytes.
            hash.update([0]);
            hash.update(value.to_string());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Key {
    fn parse(text: String) -> Result<Self, String> {
        match text.as_str() {
            "rule" => Ok(Self::Rule),
            "node" => Ok(Self::Node),
            _ => match FieldRef::parse(&text) {
                Ok(_) => Ok(Self::Field(text)),
                Err(error) => Err(format!("{error}; a key is rule, node or a field")),
            },
        }
    }
}
