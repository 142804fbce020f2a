//! Headers beside an alert, so that a subscriber can choose without reading it.

use std::borrow::Cow;

use async_nats::{HeaderMap, HeaderName};
use lanner_alert::Alert;

/// The alert's id; JetStream drops a second message with the same.
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";
/// All tags of the alert, joined by commas.
pub const TAGS: &str = "Lanner-Tags";
/// The rule's name.
pub const RULE: &str = "Lanner-Rule";
/// The node's name.
pub const NODE: &str = "Lanner-Node";
/// Who published it for its node, where that is a gateway. The subject proves it.
pub const GATEWAY: &str = "Lanner-Gateway";
/// The event source: `syscall`, `k8s_audit`.
pub const SOURCE: &str = "Lanner-Source";
/// The version of the alert's shape.
pub const SCHEMA: &str = "Lanner-Schema";

/// Most bytes of one value.
const VALUE_BYTES_MAX: usize = 1024;

/// Headers of a message.
///
/// Values are cut at a kilobyte, and what could end a line in them becomes
/// `_`: they hold text of rules and hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// The headers that travel with this alert.
    pub fn of_alert(alert: &Alert) -> Self {
        let tags: Vec<String> = alert.tags.iter().map(|tag| tag.replace(',', "_")).collect();
        let mut headers = Self::default();
        headers.set(TAGS, &tags.join(","));
        headers.set(RULE, &alert.rule);
        headers.set(NODE, &alert.node);
        headers.set(SOURCE, &alert.source);
        headers.set(SCHEMA, &alert.schema.to_string());
        headers
    }

    /// Adds a header.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.0.push((Cow::Borrowed(name), sanitize(value)));
    }

    /// Adds a header whose name was written down elsewhere, as a forwarder's
    /// spool does; `None` when that is no name of a header.
    pub fn restore(&mut self, name: &str, value: &str) -> Option<()> {
        let known = [TAGS, RULE, NODE, SOURCE, SCHEMA].into_iter().find(|known| *known == name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let name = match known {
            Some(name) => Cow::Borrowed(name),
            None if (1..=64).contains(&name.len()) && name.bytes().all(is_name) => {
                Cow::Owned(name.to_owned())
            }
            None => return None,
        };
        self.0.push((name, sanitize(value)));
        Some(())
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// The value of a header, as it is sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    pub(crate) fn into_map(self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.0 {
            match name {
                Cow::Borrowed(name) => map.insert(HeaderName::from_static(name), value),
                Cow::Owned(name) => map.insert(name.as_str(), value),
            }
        }
        map
    }
}

fn sanitize(value: &str) -> String {
    let mut text = String::with_capacity(value.len().min(VALUE_BYTES_MAX));
    for c in value.chars() {
        let c = if c.is_control() { '_' } else { c };
        if text.len() + c.len_utf8() > VALUE_BYTES_MAX {
            break;
        }
        text.push(c);
    }
    text
}
