//! What the kernel holds of eBPF, whoever loaded it.
#![allow(unsafe_code, reason = "no safe form lists ids without opening what they name")]

use std::{collections::BTreeSet, io};

/// Ids of all programs and of all maps in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedIds {
    pub programs: BTreeSet<u32>,
    pub maps: BTreeSet<u32>,
}

/// `enum bpf_cmd`, in the kernel's `include/uapi/linux/bpf.h`.
const PROG_GET_NEXT_ID: libc::c_long = 11;
const MAP_GET_NEXT_ID: libc::c_long = 12;

/// What is loaded now. Needs CAP_SYS_ADMIN.
///
/// Nothing is opened for it: whoever opens and closes a map of programs just when its last owner
/// goes makes the kernel (6.18) keep it for ever, as it then counts two of its clearings and does
/// one (`prog_array_map_clear` in `kernel/bpf/arraymap.c`).
///
/// # Errors
/// When the kernel does not tell us.
pub fn loaded_ids() -> io::Result<LoadedIds> {
    Ok(LoadedIds { programs: ids(PROG_GET_NEXT_ID)?, maps: ids(MAP_GET_NEXT_ID)? })
}

/// The part of `union bpf_attr` that the two commands read and write.
#[repr(C)]
#[derive(Default)]
struct NextId {
    start_id: u32,
    next_id: u32,
    open_flags: u32,
}

fn ids(command: libc::c_long) -> io::Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    let mut attributes = NextId::default();
    loop {
        // SAFETY: the kernel reads and writes no more than the size that it is given.
        let result = unsafe {
            libc::syscall(libc::SYS_bpf, command, &raw mut attributes, size_of::<NextId>())
        };
        if result < 0 {
            let error = io::Error::last_os_error();
            // The end of the list.
            return if error.raw_os_error() == Some(libc::ENOENT) { Ok(ids) } else { Err(error) };
        }
        ids.insert(attributes.next_id);
        attributes.start_id = attributes.next_id;
    }
}
