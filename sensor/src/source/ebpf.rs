//! The running kernel: loads and attaches the eBPF programs, reads their rings.
//!
//! ```text
//! programs ─▶ rings ─▶ partitions (read in place)
//!    └ lost (by family and cause)
//! ```
//!
//! The only place that knows `aya`.

mod attached;
mod calls;
mod filter;
#[cfg(test)]
mod floor;
mod leftover;
mod loader;
mod memory;
mod messages;
mod missed;
mod pace;
mod programs;
mod queued;
mod reader;
mod ring;
mod sleepers;

pub use self::{
    attached::has_tracepoints,
    filter::{FilterError, KernelFilter, PassCount, Places, TooMany},
    leftover::{LoadedIds, loaded_ids},
    loader::{
        LoadError, LoadOptions, Loaded, ProgramSet, RING_BYTES_DEFAULT, RINGS_MAX, SyscallHooks,
        kernel_has_btf, load,
    },
    memory::give_back,
    programs::{HANDLERS, Handler, Hook, LIFECYCLE, handled_calls},
    ring::Ring,
};
