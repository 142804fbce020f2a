//! The files being loaded and the texts cut out of them: from a span to a line a person reads.

use crate::{
    diagnostic::{Code, Diagnostic},
    syntax::{self, Expr, Span, SyntaxError},
    traced::{Place, TracedText},
};

/// Files, and the condition texts that spans index.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<File>,
    texts: Vec<TracedText>,
}

#[derive(Debug)]
struct File {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Sources {
    pub(crate) fn add_file(&mut self, name: &str, text: &str) -> usize {
        let lines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let lines = std::iter::once(0).chain(lines).collect();
        self.files.push(File { name: name.to_owned(), text: text.to_owned(), lines });
        self.files.len() - 1
    }

    /// A file's name.
    pub(crate) fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.name)
    }

    /// A file's text.
    pub(crate) fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.text)
    }

    /// Line and column in bytes, both counted from 0.
    pub(crate) fn line_and_column(&self, place: Place) -> (usize, usize) {
        let lines = self.files.get(place.file).map_or(&[][..], |file| &file.lines);
        let line = lines.partition_point(|start| *start <= place.offset).saturating_sub(1);
        (line, place.offset - lines.get(line).copied().unwrap_or_default())
    }

    /// The text of a YAML scalar that begins at `place`, with the origin of each byte.
    pub(crate) fn trace(&self, text: &str, place: Place) -> TracedText {
        let source = self.text(place.file).get(place.offset..).unwrap_or_default();
        TracedText::scalar(text, source, place)
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

    /// The condition text that a span is in, and the byte of it.
    pub(crate) fn parsed_at(&self, span: Span) -> (&str, usize) {
        (self.texts.get(span.text).map_or("", TracedText::as_str), span.start)
    }

    /// A diagnostic that points at `place`.
    pub(crate) fn diagnostic(
        &self,
        code: Code,
        message: impl Into<String>,
        place: Place,
    ) -> Diagnostic {
        let text = self.text(place.file);
        let offset = text.floor_char_boundary(place.offset);
        let place = Place { offset, ..place };
        let (line, column_bytes) = self.line_and_column(place);
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let left = before.get(offset - column_bytes..).unwrap_or_default();
        let right = after.lines().next().unwrap_or_default();
        let (snippet, caret) = snippet(left, right);
        Diagnostic {
            severity: code.severity(),
            code,
            message: message.into(),
            context: Vec::new(),
            context_snippet: String::new(),
            deprecated_field: None,
            file: self.name(place.file).to_owned(),
            line: line + 1,
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
