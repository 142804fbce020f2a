//! One ring of events, and the flag that its reader sleeps.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
};

use aya::maps::{Map, MapData, MapError, RingBuf, ring_buf::RingBufItem};

use super::{pace::Pace, sleepers::Sleepers};

/// A ring. Its descriptor is readable when the kernel has woken the reader.
pub struct Ring {
    buffer: RingBuf<MapData>,
    index: u32,
    sleepers: Arc<Sleepers>,
    pub(super) pace: Pace,
}

impl Ring {
    pub(super) fn new(map: Map, index: u32, sleepers: Arc<Sleepers>) -> Result<Self, MapError> {
        Ok(Self { buffer: RingBuf::try_from(map)?, index, sleepers, pace: Pace::default() })
    }

    /// The next record, in the ring's own memory.
    pub fn next_record(&mut self) -> Option<RingBufItem<'_>> {
        self.buffer.next()
    }

    /// Asks the kernel for a wake-up. To be called before a wait; whoever calls it empties the
    /// ring once more afterwards, as a record may have come just before.
    pub fn ask_to_be_woken(&self) {
        self.sleepers.ask(self.index);
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.buffer.as_fd()
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.buffer.as_raw_fd()
    }
}
