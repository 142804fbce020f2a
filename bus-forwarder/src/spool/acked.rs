//! How far each log is acknowledged: a small file, written in place.
//!
//! Two slots take turns, each with a number and a CRC, so that a write that is
//! torn leaves the other one. It is not synced: after a power cut an older
//! slot may come back, and alerts are sent again under the same id.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use lanner_alert::Priority;

use super::segment::u64_of;

const LOGS: usize = Priority::ALL.len();
/// A number, a segment and a place for each log, a CRC.
const SLOT_BYTES: usize = 8 + LOGS * 16 + 4;

/// A place in a log: all before it is acknowledged, or read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// One place for each priority, in the order of [`Priority::ALL`].
pub(super) type Places = [Place; LOGS];

#[derive(Debug)]
pub(super) struct AckedFile {
    file: File,
    number: u64,
}

impl AckedFile {
    /// Opens it, and gives the places it holds: the start of everything when
    /// there is no whole slot.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Places)> {
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options
        };
        let file = options().open(path)?;
        let mut bytes = [0; 2 * SLOT_BYTES];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, u64_of(filled))? {
                0 => break,
                read => filled += read,
            }
        }
        let slots = bytes.chunks_exact(SLOT_BYTES).filter_map(read_slot);
        let (number, places) = slots.max_by_key(|(number, _)| *number).unwrap_or_default();
        let mut acked = Self { file, number };
        // Both slots, so that their blocks are there when the disk is full.
        acked.save(&places)?;
        acked.save(&places)?;
        Ok((acked, places))
    }

    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub(super) fn save(&mut self, places: &Places) -> io::Result<()> {
        self.number += 1;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&self.number.to_le_bytes());
        for Place { segment, offset } in places {
            slot.extend_from_slice(&segment.to_le_bytes());
            slot.extend_from_slice(&offset.to_le_bytes());
        }
        let sum = crc32fast::hash(&slot);
        slot.extend_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&slot, (self.number % 2) * u64_of(SLOT_BYTES))
    }
}

fn read_slot(slot: &[u8]) -> Option<(u64, Places)> {
    let (rest, sum) = slot.split_last_chunk::<4>()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (numbers, _) = rest.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let number = numbers.next().filter(|number| *number > 0)?;
    let mut places = Places::default();
    for place in &mut places {
        *place = Place { segment: numbers.next()?, offset: numbers.next()? };
    }
    Some((number, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acked");
        let (mut acked, places) = AckedFile::open(&path).unwrap();
        assert_eq!(places, Places::default());
        let at = |offset| [Place { segment: 3, offset }; LOGS];
        for offset in 1..=3 {
            acked.save(&at(offset)).unwrap();
        }
        drop(acked);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(AckedFile::open(&path).unwrap().1, at(3));
        for torn in 0..2 * SLOT_BYTES {
            let mut bytes = whole.clone();
            *bytes.get_mut(torn).unwrap() ^= 0x55;
            std::fs::write(&path, &bytes).unwrap();
            let found = AckedFile::open(&path).unwrap().1;
            assert!(found == at(3) || found == at(2), "byte {torn}: {found:?}");
            std::fs::write(&path, whole.get(..torn).unwrap()).unwrap();
            AckedFile::open(&path).unwrap();
        }
    }
}
