use std::fmt;

/// Bytes of a bad line that the log shows.
const BEGINNING_BYTES: usize = 120;
/// Bytes of a line too long that are kept: as many as [`crate::bad_inputs`] keeps.
const KEPT_BYTES: usize = 4 << 10;

/// Splits a stream of bytes into lines, and keeps no more than one of them.
#[derive(Debug)]
pub struct LineSplitter {
    held: Vec<u8>,
    line_bytes_max: usize,
    /// Bytes of the line under way that were thrown away: it is too long.
    skipped: usize,
}

/// One line, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Within the bound.
    Whole(Vec<u8>),
    /// Longer than the bound.
    TooLong {
        /// Its first bytes.
        beginning: Vec<u8>,
        /// All of its bytes.
        len: usize,
    },
}

impl LineSplitter {
    /// For lines of at most `line_bytes_max` bytes.
    pub fn new(line_bytes_max: usize) -> Self {
        Self { held: Vec::new(), line_bytes_max, skipped: 0 }
    }

    /// Takes in what was read, and gives each line that ends in it to `each`.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Line)) {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.add(part);
            // Behind the last part there is no line feed yet.
            if parts.peek().is_some() {
                each(self.end());
            }
        }
    }

    /// What stands behind the last line feed, at the end of the stream.
    pub fn finish(&mut self) -> Option<Line> {
        (!self.held.is_empty()).then(|| self.end())
    }

    fn add(&mut self, part: &[u8]) {
        let room = self.line_bytes_max.saturating_sub(self.held.len());
        let (kept, skipped) = part.split_at(part.len().min(room));
        self.held.extend_from_slice(kept);
        self.skipped += skipped.len();
    }

    fn end(&mut self) -> Line {
        let mut held = std::mem::take(&mut self.held);
        let skipped = std::mem::take(&mut self.skipped);
        if skipped == 0 {
            return Line::Whole(held);
        }
        let len = held.len() + skipped;
        held.truncate(KEPT_BYTES);
        held.shrink_to_fit();
        Line::TooLong { beginning: held, len }
    }
}

/// The beginning of outside bytes, safe for a log: no control characters.
pub(crate) struct Beginning<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..BEGINNING_BYTES).unwrap_or(self.0);
        write!(f, "{}", shown.escape_ascii())?;
        if shown.len() < self.0.len() { f.write_str("...") } else { Ok(()) }
    }
}
