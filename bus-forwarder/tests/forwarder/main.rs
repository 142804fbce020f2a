//! The forwarder against a real bus with mutual TLS: in this process, and as
//! the real program where signals and other processes matter.

mod bad_inputs;
mod config;
mod decoration;
mod gateway;
mod heartbeat;
mod hostile;
mod http;
mod injection;
mod lines;
mod loss;
mod metrics;
mod outage;
mod pipe;
mod program;
mod redaction;
mod rig;
mod socket;
mod spool;
mod stdin;
mod tags;
