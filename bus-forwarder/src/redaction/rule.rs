use std::fmt::Write as _;

use anyhow::Context as _;
use regex::{Captures, Regex, RegexBuilder};
use ring::hmac;

use super::config::{RedactionRule, With};

const MASK: &str = "[redacted]";
const HASH_FRONT: &str = "[hmac:";
/// Of the HMAC-SHA256: enough to tell secrets apart.
const HASH_BYTES: usize = 16;
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 2 << 20;

/// One thing to take out, made ready.
#[derive(Debug)]
pub(super) struct Rule {
    /// `None` is every field.
    fields: Option<Regex>,
    /// `None` is all that is in them.
    pattern: Option<Regex>,
    instead: Instead,
}

#[derive(Debug)]
enum Instead {
    Nothing,
    Mask,
    Hash(hmac::Key),
}

impl Rule {
    pub(super) fn configured(
        config: &RedactionRule,
        key: Option<&hmac::Key>,
    ) -> anyhow::Result<Self> {
        let RedactionRule { fields, pattern, with } = config;
        anyhow::ensure!(
            !fields.is_empty() || pattern.is_some(),
            "names neither fields nor a pattern: it would take everything"
        );
        let pattern = pattern.as_deref().map(compile).transpose().context("pattern")?;
        anyhow::ensure!(
            !pattern.as_ref().is_some_and(|pattern| pattern.is_match("")),
            "pattern: matches the empty text"
        );
        let instead = match (with, key) {
            (With::Drop, _) => Instead::Nothing,
            (With::Mask, _) => Instead::Mask,
            (With::Hash, Some(key)) => Instead::Hash(key.clone()),
            (With::Hash, None) => anyhow::bail!("with: hash needs redact.hash_key_file"),
        };
        let fields = (!fields.is_empty()).then(|| any_of(fields)).transpose().context("fields")?;
        Ok(Self { fields, pattern, instead })
    }

    pub(super) fn masking(pattern: &str) -> anyhow::Result<Self> {
        Ok(Self { fields: None, pattern: Some(compile(pattern)?), instead: Instead::Mask })
    }

    pub(super) fn is_for(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.is_match(field))
    }

    pub(super) fn is_for_any_field(&self) -> bool {
        self.fields.is_none()
    }

    pub(super) fn takes_all(&self) -> bool {
        self.pattern.is_none()
    }

    /// What stands in the place of `secret`; `None` is nothing.
    pub(super) fn instead_of(&self, secret: &str) -> Option<String> {
        match &self.instead {
            Instead::Nothing => None,
            Instead::Mask => Some(MASK.to_owned()),
            Instead::Hash(key) => {
                let tag = hmac::sign(key, secret.as_bytes());
                let mut hash = HASH_FRONT.to_owned();
                for byte in tag.as_ref().iter().take(HASH_BYTES) {
                    // Writing into a text cannot fail.
                    let _ = write!(hash, "{byte:02x}");
                }
                hash.push(']');
                Some(hash)
            }
        }
    }

    /// `text` without what the pattern finds; `None` when it finds nothing.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        let pattern = self.pattern.as_ref()?;
        let mut redacted = String::new();
        let mut copied = 0;
        for found in pattern.captures_iter(text) {
            let secret = secret(&found)?;
            if is_ours(secret.as_str()) || secret.is_empty() {
                continue;
            }
            redacted.push_str(text.get(copied..secret.start()).unwrap_or_default());
            redacted.push_str(&self.instead_of(secret.as_str()).unwrap_or_default());
            copied = secret.end();
        }
        if copied == 0 {
            return None;
        }
        redacted.push_str(text.get(copied..).unwrap_or_default());
        Some(redacted)
    }
}

/// The first group that took part, or else all of it.
fn secret<'a>(found: &Captures<'a>) -> Option<regex::Match<'a>> {
    found.iter().skip(1).flatten().next().or_else(|| found.get(0))
}

/// Whether an earlier rule has been here.
fn is_ours(text: &str) -> bool {
    let hash = text.strip_prefix(HASH_FRONT).and_then(|rest| rest.strip_suffix(']'));
    text == MASK
        || hash.is_some_and(|hash| {
            hash.len() == 2 * HASH_BYTES && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

fn compile(pattern: &str) -> anyhow::Result<Regex> {
    Ok(RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build()?)
}

/// Names in which `*` stands for any text.
fn any_of(names: &[String]) -> anyhow::Result<Regex> {
    let names: Vec<String> =
        names.iter().map(|name| regex::escape(name).replace(r"\*", ".*")).collect();
    compile(&format!("^(?:{})$", names.join("|")))
}
