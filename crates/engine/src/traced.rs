//! Text that remembers which file and byte each part of it came from.
//!
//! A condition is cut out of YAML (indentation and escapes gone), joined with what other files
//! append to it, and has lists put in place of their names, all before it is parsed. Errors must
//! still point into the file that a person edits.

use std::ops::Range;

/// A byte of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) offset: usize,
}

/// Text with the origin of each byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct TracedText {
    text: String,
    /// Sorted by `start`; each reaches to the next one's start.
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    place: Place,
    /// Whether the file holds the same bytes, so that each has a place of its own.
    verbatim: bool,
}

impl TracedText {
    /// Text that stands in its file as it is, from `place` on.
    pub(crate) fn verbatim(text: &str, place: Place) -> Self {
        Self { text: text.to_owned(), runs: vec![Run { start: 0, place, verbatim: true }] }
    }

    /// Text that came to be at `place` but does not stand there.
    pub(crate) fn made_at(text: &str, place: Place) -> Self {
        Self { text: text.to_owned(), runs: vec![Run { start: 0, place, verbatim: false }] }
    }

    /// The text of a YAML scalar, found again in `source`, the file's text from the scalar on.
    ///
    /// YAML drops indentation, folds lines and resolves escapes: what the file has more than the
    /// text is skipped. Where the two cannot be matched the last matching place is used.
    pub(crate) fn scalar(text: &str, source: &str, place: Place) -> Self {
        let mut traced = Self::default();
        let mut rest = source.char_indices().peekable();
        let mut last = place;
        let mut matched = false;
        for (start, wanted) in text.char_indices() {
            let found = find(&mut rest, wanted);
            match found {
                Some(offset) => {
                    last = Place { file: place.file, offset: place.offset + offset };
                    if !matched || traced.place(start) != last {
                        traced.runs.push(Run { start, place: last, verbatim: true });
                    }
                }
                None if matched || start == 0 => {
                    traced.runs.push(Run { start, place: last, verbatim: false });
                }
                None => {}
            }
            matched = found.is_some();
        }
        traced.text.push_str(text);
        traced
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the byte at `offset` came from; past the end, where the text ends.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let Some(run) = self.run_at(offset) else { return Place { file: 0, offset: 0 } };
        let inside = if run.verbatim { offset.saturating_sub(run.start) } else { 0 };
        Place { file: run.place.file, offset: run.place.offset + inside }
    }

    /// The text without the white space around it.
    pub(crate) fn trimmed(&self) -> Self {
        let start = self.text.len() - self.text.trim_ascii_start().len();
        let mut trimmed = Self::default();
        trimmed.copy(self, start..start + self.text.trim_ascii().len());
        trimmed
    }

    /// Adds `other` at the end.
    pub(crate) fn push(&mut self, other: &Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.runs.extend(other.runs.iter().map(|run| Run { start: run.start + shift, ..*run }));
    }

    /// Adds text that stands in no file, at the place of what is there already.
    pub(crate) fn push_str(&mut self, text: &str) {
        let place = self.place(self.text.len());
        self.push(&Self::made_at(text, place));
    }

    /// Adds text that stands in no file but came to be at `place`.
    pub(crate) fn push_made_at(&mut self, text: &str, place: Place) {
        if !text.is_empty() {
            self.runs.push(Run { start: self.text.len(), place, verbatim: false });
            self.text.push_str(text);
        }
    }

    /// Drops the blanks at the end.
    pub(crate) fn trim_end(&mut self, blanks: &[char]) {
        self.text.truncate(self.text.trim_end_matches(blanks).len());
        while self.runs.last().is_some_and(|run| run.start >= self.text.len()) {
            self.runs.pop();
        }
    }

    /// Drops a last character.
    pub(crate) fn pop(&mut self, last: char) -> bool {
        let found = self.text.ends_with(last);
        if found {
            self.text.pop();
            while self.runs.last().is_some_and(|run| run.start >= self.text.len()) {
                self.runs.pop();
            }
        }
        found
    }

    /// Adds a part of another text.
    pub(crate) fn copy(&mut self, from: &Self, range: Range<usize>) {
        let text = from.text.get(range.clone()).unwrap_or_default();
        let Some(head) = from.run_at(range.start).filter(|_| !text.is_empty()) else { return };
        let shift = self.text.len();
        self.runs.push(Run { start: shift, place: from.place(range.start), ..*head });
        let next = from.runs.partition_point(|run| run.start <= range.start);
        let inside = from.runs.iter().skip(next).take_while(|run| run.start < range.end);
        self.runs.extend(inside.map(|run| Run { start: run.start - range.start + shift, ..*run }));
        self.text.push_str(text);
    }

    /// The run that a byte is in; past the end, the last one.
    fn run_at(&self, offset: usize) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.start <= offset);
        self.runs.get(after.saturating_sub(1))
    }
}

/// The offset of the next `wanted` in the source, past only what YAML itself may have dropped.
fn find(rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>, wanted: char) -> Option<usize> {
    loop {
        let &(offset, found) = rest.peek()?;
        let folded = wanted.is_whitespace() && found.is_whitespace();
        if found == wanted || folded {
            rest.next();
            return Some(offset);
        }
        let dropped = found.is_whitespace() || matches!(found, '\\' | '"' | '\'' | '>' | '|' | '-');
        if !dropped {
            return None;
        }
        rest.next();
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, TracedText};

    /// Checks that the place of `needle` in the scalar is that of the same word in the file.
    #[track_caller]
    fn check(scalar: &str, source: &str, needle: &str) {
        let traced = TracedText::scalar(scalar, source, Place { file: 0, offset: 100 });
        let place = traced.place(scalar.find(needle).unwrap());
        assert_eq!(place.offset - 100, source.find(needle).unwrap(), "{needle:?} in {source:?}");
    }

    #[test]
    fn words_are_found_again_through_folding_indentation_and_escapes() {
        check("a and b\n", "a\n     and b\n", "b");
        check("say \"hi\" now", "\"say \\\"hi\\\" now\"", "now");
        check("it's here", "'it''s here'", "here");
        check("über x", "über\n    x", "x");
    }

    #[test]
    fn parts_keep_their_places() {
        let file = TracedText::verbatim("in (shells) and x ", Place { file: 3, offset: 10 });
        let mut text = TracedText::default();
        text.copy(&file, 0..4);
        text.push_made_at("sh, bash", file.place(4));
        text.copy(&file, 10..17);
        assert_eq!(text.as_str(), "in (sh, bash) and x");
        assert_eq!(text.place(8), Place { file: 3, offset: 14 });
        assert_eq!(text.place(text.as_str().find("and").unwrap()), Place { file: 3, offset: 22 });
        assert_eq!(text.place(text.as_str().len()), Place { file: 3, offset: 27 });
        assert!(text.pop('x') && !text.pop('x'));
        text.trim_end(&[' ']);
        assert_eq!(text.as_str(), "in (sh, bash) and");
        text.push_made_at(" y", Place { file: 4, offset: 1 });
        assert_eq!(text.place(text.as_str().find('y').unwrap()), Place { file: 4, offset: 1 });
    }

    #[test]
    fn white_space_around_is_dropped() {
        let text = TracedText::verbatim("\n ab \t", Place { file: 0, offset: 5 }).trimmed();
        assert_eq!((text.as_str(), text.place(0).offset), ("ab", 7));
        assert_eq!(TracedText::verbatim(" ", Place { file: 0, offset: 5 }).trimmed().as_str(), "");
    }
}
