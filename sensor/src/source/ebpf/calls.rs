//! The kernel's numbers of the calls that are wanted, as `bpf/syscall.h` looks them up.

use std::collections::BTreeSet;

use aya::{
    Ebpf,
    maps::{Array, MapData},
};

use super::loader::{LoadError, take};
use crate::decode::{Call, SOCKETCALL_NUMBER, SOCKETCALLS};

/// `CALL_SOCKETCALL` of `bpf/calls.h`: behind the last call and `CALLS`.
fn socketcall_id() -> u32 {
    // There are some fifty calls.
    u32::try_from(Call::ALL.len()).unwrap_or(u32::MAX).saturating_add(2)
}

/// The three maps.
pub(super) struct CallTables {
    native: Array<MapData, u32>,
    compat: Array<MapData, u32>,
    socket: Array<MapData, u32>,
}

impl CallTables {
    pub(super) fn take(programs: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            native: table(programs, "calls")?,
            compat: table(programs, "compat_calls")?,
            socket: table(programs, "socket_calls")?,
        })
    }

    /// Wants these calls and no other.
    pub(super) fn set(&mut self, wanted: &BTreeSet<Call>) -> Result<(), LoadError> {
        for call in Call::ALL {
            let id = if wanted.contains(call) { u32::from(call.id()) } else { 0 };
            let numbers = call.numbers();
            for number in numbers.native {
                put(&mut self.native, "calls", *number, id)?;
            }
            for number in numbers.compat {
                put(&mut self.compat, "compat_calls", *number, id)?;
            }
        }
        if cfg!(target_arch = "x86_64") {
            for (argument, call) in SOCKETCALLS {
                let id = if wanted.contains(&call) { u32::from(call.id()) } else { 0 };
                put(&mut self.socket, "socket_calls", argument, id)?;
            }
            put(&mut self.compat, "compat_calls", SOCKETCALL_NUMBER, socketcall_id())?;
        }
        Ok(())
    }
}

fn put(
    table: &mut Array<MapData, u32>,
    name: &'static str,
    number: u32,
    id: u32,
) -> Result<(), LoadError> {
    table.set(number, id, 0).map_err(|source| LoadError::Map { name, source })
}

fn table(programs: &mut Ebpf, name: &'static str) -> Result<Array<MapData, u32>, LoadError> {
    Array::try_from(take(programs, name)?).map_err(|source| LoadError::Map { name, source })
}
