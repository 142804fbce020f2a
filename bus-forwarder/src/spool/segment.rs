//! A segment: a file of records, all of one priority.
//!
//! ```text
//! notice-000000000000002a.seg
//! 8 bytes "LNRSPOOL" │ u16 version │ 2 bytes 0 │ u32 CRC of these │ records
//! ```

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use lanner_alert::Priority;

use super::record::{self, Found};

/// Bytes in front of a segment's first record.
pub const HEADER_BYTES: usize = 16;
/// The same, as a place in a file.
pub(super) const BEGIN: u64 = 16;

const MAGIC: [u8; 8] = *b"LNRSPOOL";
const VERSION: u16 = 1;
const READ_BYTES: usize = 64 << 10;

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Records as this build reads them follow.
    Ours,
    /// A newer forwarder wrote it.
    Newer(u16),
    /// Not a segment, or not any more.
    Damaged,
}

/// The header of a segment that this build writes.
pub fn header() -> [u8; HEADER_BYTES] {
    header_of(VERSION)
}

fn header_of(version: u16) -> [u8; HEADER_BYTES] {
    let [v0, v1] = version.to_le_bytes();
    let [m0, m1, m2, m3, m4, m5, m6, m7] = MAGIC;
    let named = [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, 0, 0];
    let [c0, c1, c2, c3] = crc32fast::hash(&named).to_le_bytes();
    [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, 0, 0, c0, c1, c2, c3]
}

/// Looks at the first bytes of a file.
pub fn read_header(bytes: &[u8]) -> Header {
    let Some(found) = bytes.first_chunk::<HEADER_BYTES>() else { return Header::Damaged };
    let [.., v0, v1, _, _, _, _, _, _] = *found;
    let version = u16::from_le_bytes([v0, v1]);
    match *found == header_of(version) {
        true if version == VERSION => Header::Ours,
        true => Header::Newer(version),
        false => Header::Damaged,
    }
}

/// Whether there is a whole record in a file, whatever its header says.
pub(super) fn has_record(path: &Path) -> bool {
    let look = || -> io::Result<bool> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut reader = Reader::new(file, BEGIN);
        loop {
            match reader.next(len)? {
                Item::Record { .. } => return Ok(true),
                Item::Damaged(_) => {}
                Item::End => return Ok(false),
            }
        }
    };
    look().unwrap_or(false)
}

pub(super) fn path(dir: &Path, priority: Priority, id: u64) -> PathBuf {
    dir.join(format!("{}-{id:016x}.seg", priority.as_token()))
}

/// The priority and number in a segment's name.
pub(super) fn of_name(name: &OsStr) -> Option<(Priority, u64)> {
    let (token, number) = name.to_str()?.strip_suffix(".seg")?.split_once('-')?;
    let priority = Priority::ALL.into_iter().find(|known| known.as_token() == token)?;
    let id = u64::from_str_radix(number, 16).ok().filter(|_| number.len() == 16)?;
    Some((priority, id))
}

/// Makes a segment with nothing but its header.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
    match file.write_all(&header()) {
        Ok(()) => Ok(file),
        Err(error) => {
            // An empty file is in nobody's way, and goes at the next start.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// Reads a segment's records one after the other, whatever became of the file.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    /// Where in the file the first byte of `held` from `start` on is.
    offset: u64,
    held: Vec<u8>,
    start: usize,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Record {
        body: &'a [u8],
        /// Where the next one begins.
        end: u64,
    },
    /// Bytes of the file that hold no whole record.
    Damaged(Range<u64>),
    End,
}

impl Reader {
    pub(super) fn new(file: File, offset: u64) -> Self {
        Self { file, offset: offset.max(BEGIN), held: Vec::new(), start: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next thing in the first `len` bytes of the file.
    pub(super) fn next(&mut self, len: u64) -> io::Result<Item<'_>> {
        let begun = self.offset;
        let mut damaged = false;
        let body_bytes = loop {
            let held = self.held.get(self.start..).unwrap_or_default();
            let nothing = held.is_empty();
            let needed = match record::find(held) {
                Found::Whole { .. } if damaged => return Ok(Item::Damaged(begun..self.offset)),
                Found::Whole { body } => break body.len(),
                Found::Partial { needed } => Some(needed),
                Found::Damaged => None,
            };
            if let Some(needed) = needed
                && self.fill(needed, len)?
            {
                continue;
            }
            // Too few bytes, and no more to come.
            if nothing {
                return Ok(if damaged { Item::Damaged(begun..self.offset) } else { Item::End });
            }
            damaged = true;
            let held = self.held.get(self.start..).unwrap_or_default();
            self.consume(record::skip(held).min(held.len()));
        };
        let body = self.start + record::HEAD_BYTES;
        self.consume(record::HEAD_BYTES + body_bytes);
        let body = self.held.get(body..body + body_bytes).unwrap_or_default();
        Ok(Item::Record { body, end: self.offset })
    }

    /// Goes on behind so many bytes that cannot be read, but not behind `len`.
    pub(super) fn pass_over(&mut self, bytes: u64, len: u64) {
        let held = self.held.len().saturating_sub(self.start);
        let unreadable = self.offset + u64_of(held);
        // A disk loses whole blocks.
        let end = (unreadable + bytes) / bytes * bytes;
        self.offset = end.min(len).max(self.offset);
        self.held.clear();
        self.start = 0;
    }

    /// Reads on, up to `len`; whether there is more than before.
    fn fill(&mut self, needed: usize, len: u64) -> io::Result<bool> {
        self.held.drain(..self.start);
        self.start = 0;
        let before = self.held.len();
        let at = self.offset + u64_of(before);
        let left = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = needed.max(READ_BYTES).saturating_sub(before).min(left);
        self.held.resize(before + wanted, 0);
        let read = self.file.read_at(self.held.get_mut(before..).unwrap_or_default(), at);
        self.held.truncate(before + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += u64_of(bytes);
    }
}

pub(super) fn u64_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
