//! `lanner schema`: what is on the bus, for programs in other languages.

use clap::Subcommand;
use lanner_alert::schema;

use crate::Verdict;

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// JSON Schema (2020-12) of an alert
    Alert,
    /// JSON Schema (2020-12) of a response
    Response,
    /// AsyncAPI 3.0 of the subjects, messages and headers
    ///
    /// It refers to the other two as `alert.schema.json` and `response.schema.json`.
    Asyncapi,
}

pub(crate) fn run(command: Command) -> Verdict {
    print!(
        "{}",
        match command {
            Command::Alert => schema::ALERT,
            Command::Response => schema::RESPONSE,
            Command::Asyncapi => schema::ASYNCAPI,
        }
    );
    Verdict::Good
}
