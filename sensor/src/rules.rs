//! Reads rule files and says what is wrong with them.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use lanner_engine::{Diagnostic, Options, RuleSet, Severity, SourceFile, load};

/// Loads rule files in order. What is wrong with a rule leaves out that rule.
///
/// # Errors
/// When a file cannot be read.
pub fn read(files: &[PathBuf], options: &Options) -> anyhow::Result<(RuleSet, Vec<Diagnostic>)> {
    let mut sources = Vec::new();
    for path in files {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read rules {}", path.display()))?;
        sources.push(SourceFile { name: path.display().to_string(), text });
    }
    Ok(load(&sources, options))
}

/// How many of the diagnostics are errors.
pub fn count_errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}
