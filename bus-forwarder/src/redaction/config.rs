use std::path::PathBuf;

use anyhow::Context as _;
use ring::hmac;
use serde::Deserialize;

/// Less can be tried out.
const KEY_BYTES_MIN: usize = 32;

/// What is taken out of alerts before they are kept and published.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionConfig {
    /// Whether passwords and tokens in arguments are masked.
    pub defaults: bool,
    /// The key of `with: hash`: at least 32 bytes, which only we can read.
    pub hash_key_file: Option<PathBuf>,
    /// More to take out. They come before the defaults, in order.
    pub rules: Vec<RedactionRule>,
}

/// One thing to take out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// Names of fields, in which `*` stands for any text; `output` is the
    /// message. Without it: all of them.
    #[serde(default)]
    pub fields: Vec<String>,
    /// What to look for in them: the first group that took part, or else all
    /// that matched. Without it: all that is in them.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What becomes of it.
    pub with: With,
}

/// What becomes of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// It is gone, and without a pattern so is its field.
    Drop,
    /// `[redacted]` stands in its place.
    Mask,
    /// `[hmac:...]` does, the same for the same secret under the same key.
    Hash,
}

impl Default for RedactionConfig {
    fn default() -> Self {
        Self { defaults: true, hash_key_file: None, rules: Vec::new() }
    }
}

impl RedactionConfig {
    pub(super) fn hash_key(&self) -> anyhow::Result<Option<hmac::Key>> {
        let Some(path) = &self.hash_key_file else { return Ok(None) };
        let secret = lanner_service::read_secret(path).context("redact.hash_key_file")?;
        let secret = secret.trim();
        anyhow::ensure!(
            secret.len() >= KEY_BYTES_MIN,
            "redact.hash_key_file: {} holds less than {KEY_BYTES_MIN} bytes; `openssl rand -hex 32` makes as many",
            path.display()
        );
        Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }
}
