//! The forwarder: takes alerts from a sensor or from Falco on its node, and
//! publishes them to the bus.
//!
//! ```text
//! sensor ─socket─▶ ┐
//! Falco ──pipe───▶ │ Intake ─▶ Spool ─▶ pump ─TLS─▶ JetStream: the alert and its stored
//!         stdin──▶ ├ decorates, on disk,      │      copies, acknowledged
//!         HTTP───▶ ┘ redacts,   bounded       └────▶ live copies, one for each tag
//!                    refuses
//! Vitals, what is known of all that ─▶ heartbeat on the bus; /metrics, /healthz, /readyz
//! ```
//!
//! Promises:
//! - What is not an alert is counted and told in the log, and stops nothing.
//! - Secrets that a pattern knows are gone before the alert is on the disk.
//! - An alert is of this node, or of one that a gateway lists, or is refused: Falco's
//!   get the node from the
//!   configuration, and a sensor's has to say the same.
//! - An alert that was taken on is on the disk, and is published once the bus
//!   is there, under the same id each time, also after this process was killed;
//!   or it was evicted and counted, the least urgent first; or the bus will
//!   never take it, and it is counted and kept aside.
//! - Nothing here waits without bound for a sensor, Falco or the bus. Only who
//!   brings alerts waits while the disk is full.

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bad_inputs;
mod config;
mod counters;
mod daemon;
mod decoration;
mod forwarder;
mod gateway;
mod heartbeat;
mod input;
mod intake;
pub mod keeper;
mod lines;
mod metrics;
mod missing;
mod outgoing;
mod pulse;
mod pump;
mod redaction;
mod seldom;
mod sensors;
pub mod spool;
mod vitals;

pub use crate::{
    bad_inputs::BadInputsConfig,
    config::{Config, Inputs, PipeInput, SocketInput},
    counters::{Counters, Input, Summary},
    daemon::ForwarderDaemon,
    forwarder::Forwarder,
    gateway::Gateway,
    lines::{Line, LineSplitter},
    outgoing::{Outgoing, TagCopy},
    redaction::{RedactionConfig, RedactionRule, Redactor, With},
    spool::{Durability, Spool, SpoolConfig},
};
