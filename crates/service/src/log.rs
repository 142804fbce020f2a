use std::{
    env,
    io::{self, IsTerminal as _},
};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

const FILTER_DEFAULT: &str = "info,async_nats=warn";

/// How log lines are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error.
///
/// `LANNER_LOG` chooses what is logged, in `tracing`'s form: `debug`,
/// `info,lanner_bus=debug`. Unset or empty, it is `info,async_nats=warn`: what
/// the NATS client tells of its connections, `lanner_bus` tells as well.
///
/// # Errors
/// When `LANNER_LOG` cannot be read as such, or logging has started already.
pub fn start_log(format: LogFormat) -> anyhow::Result<()> {
    let chosen = env::var_os("LANNER_LOG").unwrap_or_default();
    let chosen = chosen.to_str().ok_or_else(|| anyhow::anyhow!("LANNER_LOG: not UTF-8"))?;
    let filter = EnvFilter::builder()
        .parse(if chosen.is_empty() { FILTER_DEFAULT } else { chosen })
        .map_err(|error| anyhow::anyhow!("LANNER_LOG: {error}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
