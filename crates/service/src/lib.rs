//! What every Lanner daemon does alike: subcommands, configuration, logs,
//! signals, an ordered stop, an HTTP server for outside peers, and how an error
//! is told.
//!
//! ```text
//! fn main() -> ExitCode { lanner_service::main::<Forwarder>() }
//!
//! args ──▶ run      load config ▶ logs ▶ Daemon::run(config, stop) ▶ SIGTERM cancels `stop`
//!      ├─▶ check    load config ▶ Daemon::check
//!      ├─▶ doctor   load config ▶ Daemon::doctor ▶ what this host lacks
//!      └─▶ version
//! ```
//!
//! Exit codes: 0 good, 1 bad input or a failed run, 2 wrong usage.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod chain;
pub mod config;
mod daemon;
mod doctor;
pub mod http;
mod log;
mod node;
mod secret_file;
mod stop;

pub use crate::{
    chain::Chain,
    daemon::{Daemon, NoFlags, install_crypto, main},
    doctor::Finding,
    log::{LogFormat, start_log},
    node::node_of_environment,
    secret_file::{SecretFileError, read_secret},
};
pub use tokio_util::sync::CancellationToken;
