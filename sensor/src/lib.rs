//! Kernel events in, alerts out.

pub mod decode;
pub mod source;
