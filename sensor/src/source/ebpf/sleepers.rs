//! Which readers want to be woken: a word for each ring, in memory that both sides see.
#![allow(unsafe_code, reason = "memory that is shared with the kernel")]

use std::{
    io,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicU32, Ordering::SeqCst, fence},
};

use aya::maps::Map;
use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

use super::loader::RINGS_MAX;

/// The elements of a map's array are eight bytes apart (`kernel/bpf/arraymap.c`).
const STRIDE: usize = 8 / size_of::<AtomicU32>();

/// The array `sleepers` of `bpf/output.h`, mapped: a system call for each sleep would cost more
/// than most events.
pub(super) struct Sleepers {
    memory: NonNull<AtomicU32>,
    len_bytes: usize,
    /// The mapping holds the map by itself; this is for whoever looks for it.
    _map: Map,
}

// SAFETY: the memory is this value's alone until it is dropped, and is only used as atomics.
unsafe impl Send for Sleepers {}
// SAFETY: as above.
unsafe impl Sync for Sleepers {}

impl Sleepers {
    /// # Errors
    /// When the map is of another kind, or the kernel does not map it (`BPF_F_MMAPABLE`, 5.5).
    pub(super) fn new(map: Map) -> io::Result<Self> {
        let Map::Array(data) = &map else {
            return Err(io::Error::other("not an array"));
        };
        let len_bytes = page_size();
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at a place of the kernel's choice. It has a whole page, as any
        // map's memory does.
        let memory = unsafe { mmap(null_mut(), len_bytes, protection, flags, data.fd(), 0)? };
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, len_bytes, _map: map })
    }

    /// Asks for the reader of this ring to be woken by the next record.
    pub(super) fn ask(&self, ring: u32) {
        debug_assert!(ring < RINGS_MAX);
        let index = ring.min(RINGS_MAX - 1) as usize * STRIDE;
        // SAFETY: within the page, and the kernel uses it as whole words too.
        let flag = unsafe { self.memory.add(index).as_ref() };
        flag.store(1, SeqCst);
        // The ring is looked at after this, or else the record's writer sees the flag.
        fence(SeqCst);
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody holds a reference into it any more.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast(), self.len_bytes) };
        debug_assert!(unmapped.is_ok());
    }
}
