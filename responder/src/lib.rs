//! The responder: alerts in, plans made, checked, stored and carried out.
//!
//! ```text
//! bus ─▶ intake ─▶ playbook ─▶ guard ─▶ plan_store ─▶ worker ─▶ executor ─▶ action ─▶ Kubernetes
//!                                                                  └▶ outcomes ─▶ bus
//! heartbeats ─▶ fleet ─▶ alerts about nodes ─▶ bus
//! cases: tests of playbooks, as data      explain: a plan for people      daemon: the parts together
//! ```
//!
//! Promises:
//! - A playbook only plans; nothing is touched before its plan is checked and stored.
//! - A message is acknowledged after its plans are stored; a plan is finished by
//!   one replica, whichever it is, and a killed one's plan by another.
//! - Every decision is an outcome with its reason, on the bus and in the log.

#![warn(clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod action;
pub mod cases;
pub mod config;
pub mod daemon;
pub mod executor;
pub mod explain;
pub mod fleet;
pub mod guard;
pub mod intake;
pub mod outcomes;
pub mod plan_store;
pub mod playbook;
pub mod scaffold;
mod suggest;
pub mod tally;
pub mod worker;
