//! Where alerts come from. Each input works until it is told to stop; nothing
//! that a writer sends ends it.

pub(crate) mod http;
pub(crate) mod pipe;
pub(crate) mod socket;
pub(crate) mod stdin;
