//! The running kernel: loads and attaches the eBPF programs, reads their ring.
//!
//! ```text
//! programs ─▶ ring buffers ─▶ partitions (read in place)
//!    └ lost (by family)
//! ```
//!
//! The only place that knows `aya`.

mod loader;
mod reader;

pub use self::{
    loader::{LoadError, Loaded, Program, RING_BYTES_DEFAULT, kernel_has_btf, load},
    reader::Attached,
};
