//! The responder: alerts in, plans made, checked, stored and carried out.
//!
//! ```text
//! playbook   *.rhai ─▶ Playbooks; alert ─▶ Plan     guard     what no plan may touch
//! cases      tests of playbooks, as data             explain   a plan for people
//! ```
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod cases;
pub mod explain;
pub mod guard;
pub mod playbook;
mod suggest;
