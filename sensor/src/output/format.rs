//! An alert as one line.

use lanner_alert::{Alert, AlertError};
use serde::Deserialize;

/// How alerts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Falco's JSON and ours beside it.
    #[default]
    Json,
    /// Falco's line: `HH:MM:SS.nnnnnnnnn: Priority message`.
    Text,
}

impl Format {
    /// The alert's line, without its end. It holds no line feed and no other
    /// control character, whatever an attacker called their files.
    ///
    /// # Errors
    /// When the alert is too long.
    pub fn line(self, alert: &Alert) -> Result<Vec<u8>, AlertError> {
        match self {
            Self::Json => alert.to_json(),
            Self::Text => Ok(plain(&alert.output).into_bytes()),
        }
    }
}

fn plain(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
