//! Lines of any file, of a bounded length each.

use std::io::{self, BufRead, Read as _};

/// The longest line that is read. An alert is far shorter; the sensor cuts its values.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Its text without the line break; what is not UTF-8 is U+FFFD.
    Text(std::borrow::Cow<'a, str>),
    /// It is longer than [`LINE_BYTES_MAX`] and was skipped.
    TooLong,
}

/// Reads line after line into one buffer.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// The bytes read so far.
    read_bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), read_bytes: 0 }
    }

    /// How many bytes were read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next line, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.input).take(most).read_until(b'\n', &mut self.buffer)?;
        self.read_bytes += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() > LINE_BYTES_MAX {
            self.read_bytes += skip_line(&mut self.input)?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Text(String::from_utf8_lossy(&self.buffer))))
    }
}

/// Skips to behind the next line break without keeping anything; gives how far that was.
fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(skipped);
        }
        let line_break = available.iter().position(|byte| *byte == b'\n');
        let used = line_break.map_or(available.len(), |index| index + 1);
        input.consume(used);
        skipped += used as u64;
        if line_break.is_some() {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let text = format!("a\n\n{long}\n{long}y\nlast");
        let mut lines = Lines::new(text.as_bytes());
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(match line {
                Line::Text(text) => Some(text.len()),
                Line::TooLong => None,
            });
        }
        assert_eq!(lengths, [Some(1), Some(0), Some(LINE_BYTES_MAX), None, Some(4)]);
        assert_eq!(lines.read_bytes(), text.len() as u64);
    }

    #[test]
    fn what_is_not_text_does_not_end_the_reading() {
        let mut lines = Lines::new(&b"\xff\nb"[..]);
        assert_eq!(lines.next().unwrap(), Some(Line::Text("\u{fffd}".into())));
        assert_eq!(lines.next().unwrap(), Some(Line::Text("b".into())));
        assert_eq!(lines.next().unwrap(), None);
    }
}
