//! One ring of events, and the flag that its reader sleeps.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::{Arc, Mutex, PoisonError},
};

use aya::maps::{Array, Map, MapData, MapError, RingBuf, ring_buf::RingBufItem};

/// A ring. Its descriptor is readable when the kernel has woken the reader.
pub struct Ring {
    buffer: RingBuf<MapData>,
    index: u32,
    sleepers: Arc<Mutex<Array<MapData, u32>>>,
}

impl Ring {
    pub(super) fn new(
        map: Map,
        index: u32,
        sleepers: Arc<Mutex<Array<MapData, u32>>>,
    ) -> Result<Self, MapError> {
        Ok(Self { buffer: RingBuf::try_from(map)?, index, sleepers })
    }

    /// The next record, in the ring's own memory.
    pub fn next_record(&mut self) -> Option<RingBufItem<'_>> {
        self.buffer.next()
    }

    /// Asks the kernel for a wake-up. To be called before a wait; whoever calls it empties the
    /// ring once more afterwards, as a record may have come just before.
    ///
    /// # Errors
    /// When the kernel refuses the map.
    pub fn ask_to_be_woken(&self) -> Result<(), MapError> {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.set(self.index, 1, 0)
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
