use std::path::Path;

use serde::Deserialize;

const TEXT: &str = include_str!("defaults.yaml");

/// A pattern that is on unless it is turned off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Default {
    /// For whoever reads the file.
    #[expect(dead_code, reason = "says what the pattern is for")]
    name: String,
    /// One of these stands in every text that the pattern matches, in whatever case.
    pub(super) needs: Vec<String>,
    /// As [`RedactionRule::pattern`](super::RedactionRule::pattern).
    pub(super) pattern: String,
}

pub(super) fn read() -> anyhow::Result<Vec<Default>> {
    Ok(lanner_service::config::parse(TEXT, Path::new("redaction/defaults.yaml"))?)
}
