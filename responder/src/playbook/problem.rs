use std::fmt;

use rhai::{EvalAltResult, ParseError, Position};

/// What is wrong with a playbook, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name, without its folder.
    pub file: String,
    /// Line and column, from 1; `None` when the whole file is meant.
    pub at: Option<(u32, u32)>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    pub(super) fn new(file: &str, position: Position, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), at: line_and_column(position), message: message.into() }
    }

    pub(super) fn of_parse(file: &str, error: &ParseError) -> Self {
        Self::new(file, error.1, error.0.to_string())
    }

    /// What stopped a script. `fallback` is where to look when Rhai does not say.
    pub(super) fn of_run(file: &str, mut error: EvalAltResult, fallback: Position) -> Self {
        // The innermost place is the one to look at; those around it are its callers.
        while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
            error = *inner;
        }
        let position = error.take_position();
        let position = if position.is_none() { fallback } else { position };
        let message = match &error {
            EvalAltResult::ErrorTooManyOperations(_) => {
                "stopped: too many operations; does a loop not end?".to_owned()
            }
            EvalAltResult::ErrorTerminated(..) => "stopped: it took too long".to_owned(),
            EvalAltResult::ErrorRuntime(value, _) if !value.is_unit() => value.to_string(),
            other => other.to_string(),
        };
        Self::new(file, position, bounded(&message))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

pub(super) fn line_and_column(position: Position) -> Option<(u32, u32)> {
    let line = u32::try_from(position.line()?).ok()?;
    let column = position.position().and_then(|column| u32::try_from(column).ok());
    Some((line, column.unwrap_or(1)))
}

/// A script may throw text that an attacker chose, of any length.
fn bounded(text: &str) -> String {
    const CHARS_MAX: usize = 1000;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(CHARS_MAX).collect()
}
