//! The responder: alerts in, plans made, checked, stored and carried out.
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod playbook;
mod suggest;
