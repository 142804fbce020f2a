//! The forwarder: takes alerts from a sensor or from Falco on its node, and
//! publishes them to the bus.
//!
//! ```text
//! sensor ─socket─▶ ┐
//! Falco ──pipe───▶ ├ Intake ─▶ Queue ─▶ pump ─TLS─▶ JetStream: the alert, acknowledged
//!         stdin──▶ ┘ refuses,  bounded,        └─▶ live copies, one for each tag
//!                    counts    drops the least
//! ```
//!
//! Promises:
//! - What is not an alert is counted and told in the log, and stops nothing.
//! - An alert names this node or is refused: Falco's get the node from the
//!   configuration, and a sensor's has to say the same.
//! - An alert that was taken on is published once the bus is there, under the
//!   same id each time; or it was dropped and counted, the least urgent first.
//! - Nothing here waits without bound for a sensor, Falco or the bus.
//!
//! Not here yet: alerts on disk. What waits in memory is gone with the process.

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod config;
mod counters;
mod daemon;
mod forwarder;
mod input;
mod intake;
pub mod keeper;
mod lines;
mod pump;
mod queue;
mod redaction;
mod seldom;

pub use crate::{
    config::{Config, Inputs, PipeInput, QueueBounds, SocketInput},
    counters::{Counters, Input, Summary},
    daemon::ForwarderDaemon,
    forwarder::Forwarder,
    lines::{Line, LineSplitter},
    queue::{Pushed, Queue, Waiting},
    redaction::{RedactionConfig, RedactionRule, Redactor, With},
};
