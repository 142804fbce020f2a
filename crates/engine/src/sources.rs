//! The files being loaded and the texts cut out of them: from a span to a line a person reads.

use crate::{
    diagnostic::{Code, Diagnostic},
    syntax::{self, Expr, Span, SyntaxError},
    traced::{Place, TracedText},
};

/// Files, and the condition texts that spans index.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<(String, String)>,
    texts: Vec<TracedText>,
}

impl Sources {
    pub(crate) fn add_file(&mut self, name: &str, text: &str) -> usize {
        self.files.push((name.to_owned(), text.to_owned()));
        self.files.len() - 1
    }

    /// Parses a condition text, and keeps it for the places of its spans.
    pub(crate) fn parse(&mut self, text: TracedText) -> Result<Expr, SyntaxError> {
        let parsed = syntax::parse(text.as_str(), self.texts.len());
        self.texts.push(text);
        parsed
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        match self.texts.get(span.text) {
            Some(text) => text.place(span.start),
            None => Place { file: 0, offset: 0 },
        }
    }

    /// A diagnostic that points at `place`.
    pub(crate) fn diagnostic(
        &self,
        code: Code,
        message: impl Into<String>,
        place: Place,
    ) -> Diagnostic {
        let (file, text) = match self.files.get(place.file) {
            Some((name, text)) => (name.as_str(), text.as_str()),
            None => ("", ""),
        };
        let offset = text.floor_char_boundary(place.offset);
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let left = before.get(line_start..).unwrap_or_default();
        let right = after.lines().next().unwrap_or_default();
        let (snippet, caret) = snippet(left, right);
        Diagnostic {
            severity: code.severity(),
            code,
            message: message.into(),
            context: Vec::new(),
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: left.chars().count() + 1,
            offset,
            snippet,
            caret,
            suggestion: None,
        }
    }
}

/// The line around a position, at most 160 characters of it, and how many are before the position.
///
/// Control characters become blanks, so that a hostile file cannot write to the terminal.
fn snippet(left: &str, right: &str) -> (String, usize) {
    const HALF_CHARS_MAX: usize = 80;
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let left_chars = left.chars().count();
    let cut_left = left_chars > HALF_CHARS_MAX;
    let cut_right = right.chars().count() > HALF_CHARS_MAX;
    let mut text = String::from(if cut_left { "..." } else { "" });
    text.extend(left.chars().skip(left_chars.saturating_sub(HALF_CHARS_MAX)).map(printable));
    let caret = text.chars().count();
    text.extend(right.chars().take(HALF_CHARS_MAX).map(printable));
    text.push_str(if cut_right { "..." } else { "" });
    (text, caret)
}
