//! Kernel events in, alerts out.
//!
//! ```text
//! source ─▶ decode ─▶ enrich ─▶ rules (lanner_engine) ─▶ alerts ─▶ output
//! ```
//!
//! Read [`sensor`] first: it puts the parts together.

#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing))]

pub mod alerts;
pub mod config;
pub mod decode;
pub mod doctor;
pub mod enrich;
pub mod event;
pub mod features;
pub mod message_needs;
pub mod output;
pub mod pipeline;
pub mod reload;
pub mod repetition;
pub mod rules;
pub mod sensor;
pub mod source;
