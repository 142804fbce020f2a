//! The running kernel: loads and attaches the eBPF programs, reads their ring.
//!
//! ```text
//! programs ─▶ ring buffer ─▶ Reader (copies, never waits) ─▶ bounded queue ─▶ pipeline
//!    └ lost (by family)            └ dropped (by family)
//! ```
//!
//! The only place that knows `aya`.

mod attached;
mod calls;
mod loader;
mod messages;
mod programs;
mod reader;
mod ring;

pub use self::{
    loader::{
        LoadError, LoadOptions, Loaded, ProgramSet, RING_BYTES_DEFAULT, RINGS_MAX, SyscallHooks,
        kernel_has_btf, load,
    },
    programs::{HANDLERS, Handler, LIFECYCLE, Lifecycle, handled_calls},
    reader::{LossCounts, read_until},
    ring::Ring,
};
