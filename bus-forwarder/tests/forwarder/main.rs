//! The forwarder against a real bus with mutual TLS: in this process, and as
//! the real program where signals and other processes matter.

mod config;
mod lines;
mod outage;
mod pipe;
mod program;
mod rig;
mod socket;
mod spool;
mod stdin;
