//! Where events come from: the running kernel, or a recording of one.

pub mod ebpf;
pub mod replay;
