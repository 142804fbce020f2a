//! `lanner alerts`: what the bus carries, for people and programs.
//!
//! ```text
//! which      which alerts: subjects for the server, the rest is looked at here
//! condition  --where, in the rules' language, over what an alert says
//! moment     --since and --until
//! stored     what the stream keeps         query    reads it to its end
//! recent     each alert once               tail     what is published from now on
//! printer    a line for people, or JSON    durable  what a reader was granted
//! reader     all of these, for each
//! ```

mod condition;
mod durable;
mod moment;
mod printer;
mod query;
mod reader;
mod recent;
mod stored;
mod tail;
mod which;

use clap::{Args, Subcommand};
use lanner_bus::Durable;

use self::{
    moment::Moment,
    printer::{Color, Printer},
    reader::Reader,
    which::Which,
};
use crate::{Verdict, connection::ConnectionArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print alerts as they are published, until Ctrl-C
    ///
    /// What is published while the connection is away is read from the stream
    /// afterwards; if that may not be read, the time of the gap is told.
    Tail {
        #[command(flatten)]
        bus: ConnectionArgs,
        #[command(flatten)]
        which: Which,
        /// Begin with those that the stream keeps since then: 15m, 2h, 7d, or 2026-01-02T03:04:05Z
        #[arg(long, value_name = "TIME")]
        since: Option<Moment>,
        /// Take them from a durable consumer, such as LANNER_ALERTS/reader_soc; once for each
        ///
        /// For readers with a grant: `lanner bus grant` shows the consumers. What was
        /// printed is acknowledged and does not come again, also not to another
        /// program that reads the same consumer.
        #[arg(
            long = "consumer",
            value_name = "STREAM/CONSUMER",
            conflicts_with_all = ["Which", "since"]
        )]
        consumers: Vec<Durable>,
        #[command(flatten)]
        how: How,
    },
    /// Print the alerts that the stream keeps, the oldest first
    Query {
        #[command(flatten)]
        bus: ConnectionArgs,
        #[command(flatten)]
        which: Which,
        /// Stored since then, by the server's clock: 15m, 2h, 7d, or 2026-01-02T03:04:05Z
        #[arg(long, value_name = "TIME")]
        since: Moment,
        /// Stored until then, as in --since; to the end unless given
        #[arg(long, value_name = "TIME")]
        until: Option<Moment>,
        /// End after that many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        #[command(flatten)]
        how: How,
    },
}

/// How alerts are printed.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Print one JSON object a line: `subject` and `alert`, of stored ones `sequence` and `stored` too
    #[arg(long)]
    json: bool,
    /// Color the priorities; `auto` does on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", conflicts_with = "json")]
    color: Color,
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Tail { bus, which, since, consumers, how } => {
            with(bus, which, how, async |reader| match consumers.as_slice() {
                [] => tail::tail(reader, since.map(Moment::time)).await,
                consumers => durable::tail(reader, consumers).await,
            })
        }
        Command::Query { bus, which, since, until, limit, how } => {
            let span = query::Span {
                since: since.time(),
                until: until.map(Moment::time),
                limit: limit.unwrap_or(u64::MAX),
            };
            with(bus, which, how, async |reader| query::query(reader, &span).await)
        }
    }
}

fn with(
    bus: ConnectionArgs,
    which: Which,
    how: How,
    read: impl AsyncFnOnce(Reader) -> anyhow::Result<()>,
) -> anyhow::Result<Verdict> {
    let condition = match which.condition() {
        Ok(condition) => condition,
        Err(error) => {
            eprintln!("--where: {error}");
            return Ok(Verdict::BadInput);
        }
    };
    bus.on_bus(async |connection| {
        let printer = Printer::new(how.json, how.color);
        read(Reader::new(connection, which, condition, printer)).await
    })?;
    Ok(Verdict::Good)
}
