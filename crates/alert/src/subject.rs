use std::{fmt, fmt::Write as _, str::FromStr};

use serde::{Deserialize, Deserializer};

use crate::{
    Alert, GatewayName, Priority, RoutingTags, Tag,
    gateway::{mark, split_token},
};

/// Most bytes of a slugged token.
const TOKEN_BYTES_MAX: usize = 64;

/// In place of a node, in the alert and in its subject: alerts about the nodes
/// themselves, such as that one fell silent. [`node_token`] gives it to no node.
pub const FLEET: &str = "_fleet";

/// A NATS subject of ours.
///
/// Invariant: every token is non-empty and holds only `[A-Za-z0-9_=-]`, so no
/// text of an alert leaves its token, subscribes by wildcard or ends the line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// The subject as NATS takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same of a gateway's: the node is the last token.
    pub(crate) fn via(mut self, gateway: Option<&GatewayName>) -> Self {
        if let Some(gateway) = gateway {
            mark(&mut self.0, gateway);
        }
        self
    }

    /// `text` must hold to the invariant.
    pub(crate) fn of_tokens(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tokens in front of every subject of one cluster: `lanner` unless configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectRoot(String);

/// A subject root that would not keep its place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "subject root {text:?} is not one to four tokens of letters, digits, _ and -, joined by dots"
)]
pub struct InvalidSubjectRoot {
    text: String,
}

impl Default for SubjectRoot {
    fn default() -> Self {
        Self("lanner".to_owned())
    }
}

impl FromStr for SubjectRoot {
    type Err = InvalidSubjectRoot;

    fn from_str(text: &str) -> Result<Self, InvalidSubjectRoot> {
        let token = |token: &str| {
            (1..=TOKEN_BYTES_MAX).contains(&token.len())
                && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if text.split('.').count() <= 4 && text.split('.').all(token) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidSubjectRoot { text: text.chars().take(64).collect() })
    }
}

impl<'de> Deserialize<'de> for SubjectRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl SubjectRoot {
    /// The root as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<root>.alerts.<priority>.<tag>.<rule>.<node>`: where an alert is
    /// published once. The node is last, so that wildcards stay short and
    /// permissions can pin a node to its own name.
    pub fn alert(&self, alert: &Alert, routing: &RoutingTags) -> Subject {
        Subject(format!(
            "{}.alerts.{}.{}.{}.{}",
            self.0,
            alert.priority.as_token(),
            slug(routing.of(&alert.tags)),
            slug(&alert.rule),
            publisher_token(&alert.node)
        ))
    }

    /// `<root>.tags.<tag>.<priority>.<rule>.<node>`: where the copy for one of
    /// the alert's tags goes.
    pub fn tag_copy(&self, alert: &Alert, tag: &str) -> Subject {
        Subject(format!(
            "{}.tags.{}.{}.{}.{}",
            self.0,
            slug(tag),
            alert.priority.as_token(),
            slug(&alert.rule),
            publisher_token(&alert.node)
        ))
    }

    /// `<root>.restricted.<tag>.alerts.<priority>.<rule>.<node>`: where an alert
    /// with a restricted tag is published, and nowhere else.
    pub fn restricted_alert(&self, alert: &Alert, tag: &Tag) -> Subject {
        Subject(format!(
            "{}.restricted.{tag}.alerts.{}.{}.{}",
            self.0,
            alert.priority.as_token(),
            slug(&alert.rule),
            publisher_token(&alert.node)
        ))
    }

    /// `<root>.responses.<status>.<playbook>.<node>`: what the responder did.
    pub fn response(&self, status: &str, playbook: &str, node: &str) -> Subject {
        Subject(format!("{}.responses.{}", self.0, response_tokens(status, playbook, node)))
    }

    /// `<root>.restricted.<tag>.responses.<status>.<playbook>.<node>`: what the
    /// responder did about an alert with a restricted tag.
    pub fn restricted_response(
        &self,
        tag: &Tag,
        status: &str,
        playbook: &str,
        node: &str,
    ) -> Subject {
        Subject(format!(
            "{}.restricted.{tag}.responses.{}",
            self.0,
            response_tokens(status, playbook, node)
        ))
    }

    /// Takes the subject of an alert apart.
    ///
    /// `None` when `subject` is neither one that [`SubjectRoot::alert`] gives
    /// nor one of [`SubjectRoot::restricted_alert`].
    pub fn parse_alert<'a>(&self, subject: &'a str) -> Option<AlertSubject<'a>> {
        let mut tokens = subject.strip_prefix(&self.0)?.strip_prefix('.')?.split('.');
        let parsed = match tokens.next()? {
            "alerts" => AlertSubject {
                priority: tokens.next()?.parse().ok()?,
                tag: tokens.next()?,
                restricted: false,
                rule: tokens.next()?,
                node: tokens.next()?,
                gateway: None,
            },
            "restricted" => {
                let tag = tokens.next()?;
                if tokens.next()? != "alerts" {
                    return None;
                }
                AlertSubject {
                    priority: tokens.next()?.parse().ok()?,
                    tag,
                    restricted: true,
                    rule: tokens.next()?,
                    node: tokens.next()?,
                    gateway: None,
                }
            }
            _ => return None,
        };
        let (node, gateway) = split_token(parsed.node);
        tokens.next().is_none().then_some(AlertSubject { node, gateway, ..parsed })
    }
}

fn response_tokens(status: &str, playbook: &str, node: &str) -> String {
    format!("{}.{}.{}", slug(status), slug(playbook), publisher_token(node))
}

/// The tokens of an alert's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertSubject<'a> {
    /// The alert's priority.
    pub priority: Priority,
    /// Its routing tag, slugged.
    pub tag: &'a str,
    /// Whether that tag is a restricted one.
    pub restricted: bool,
    /// Its rule, slugged.
    pub rule: &'a str,
    /// Its node, as [`publisher_token`] writes it. The bus lets a node publish only
    /// under its own name, so this one is proven where the alert's `node` is said.
    pub node: &'a str,
    /// Who published it, unless the node did itself. Then it is this one that is
    /// proven, and that it may speak for the node.
    pub gateway: Option<&'a str>,
}

/// `text` as one token of a subject: lower case, `[^a-z0-9]+` becomes `_`, at
/// most 64 bytes, `_` when nothing is left.
///
/// Different texts may share a token; see [`node_token`] for one that tells apart.
pub fn slug(text: &str) -> String {
    let mut token = String::with_capacity(text.len().min(TOKEN_BYTES_MAX));
    for c in text.chars().flat_map(char::to_lowercase) {
        if token.len() == TOKEN_BYTES_MAX {
            break;
        }
        match c {
            'a'..='z' | '0'..='9' => token.push(c),
            _ if token.ends_with('_') => {}
            _ => token.push('_'),
        }
    }
    if token.is_empty() { "_".to_owned() } else { token }
}

/// A node's name as one token: `[A-Za-z0-9-]` stay, a dot becomes `_`, any
/// other byte (`_` too) `=XX`. Never cut, so that two nodes never share one;
/// the empty name, which no node has, is a lone `=`.
///
/// A dot in front becomes `=2E`: what begins with `_` is no node's token, but
/// that of a publisher that is none, such as [`FLEET`].
pub fn node_token(node: &str) -> String {
    if node.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(node.len());
    for byte in node.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' => token.push(char::from(byte)),
            b'.' if !token.is_empty() => token.push('_'),
            // Writing to a String cannot fail.
            _ => drop(write!(token, "={byte:02X}")),
        }
    }
    token
}

/// The last token of the subjects of an alert of this `node`: [`node_token`], or
/// [`FLEET`] for an alert that says to be of no node. The bus gives that one to
/// the responders alone, so a host of this name could not publish at all.
pub fn publisher_token(node: &str) -> String {
    if node == FLEET { FLEET.to_owned() } else { node_token(node) }
}

/// The node whose name [`node_token`] wrote as `token`; `None` when it is no
/// such token, or the name is not UTF-8.
pub fn node_of_token(token: &str) -> Option<String> {
    let mut name = Vec::with_capacity(token.len());
    let mut bytes = token.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'_' => b'.',
            b'=' => {
                let (high, low) = (char::from(bytes.next()?), char::from(bytes.next()?));
                u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?
            }
            byte => byte,
        });
    }
    let name = String::from_utf8(name).ok()?;
    (node_token(&name) == token).then_some(name)
}
