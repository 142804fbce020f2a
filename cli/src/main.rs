//! `lanner`: the tool people type.
//!
//! One file or folder per subcommand. Only this crate prints to standard output.

mod alerts;
mod bus;
mod connection;
mod event;
mod explanation;
mod filter;
mod generate;
mod nodes;
mod plan;
mod playbook;
mod printable;
mod rules;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runtime security that responds.
#[derive(Debug, Parser)]
#[command(name = "lanner", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Certificates, permissions and streams of the bus
    #[command(subcommand)]
    Bus(bus::Command),
    /// Check, explain, evaluate and test rule files
    #[command(subcommand)]
    Rules(rules::Command),
    /// Check and evaluate a single condition
    #[command(subcommand)]
    Filter(filter::Command),
    /// Write, check, test and explain playbooks
    #[command(subcommand)]
    Playbook(playbook::Command),
    /// Read alerts
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Print what is on the bus as JSON Schema and AsyncAPI
    #[command(subcommand)]
    Schema(schema::Command),
    /// Do harmless things that rules should notice, and see whether they did
    #[command(subcommand)]
    Generate(generate::Command),
    /// See how each node is, and which fell silent
    Nodes(nodes::NodesArgs),
    /// See what the responders did, and have it taken back
    #[command(subcommand)]
    Plan(plan::Command),
}

/// What a command found out. (Wrong usage ends in exit code 2, by clap.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    BadInput,
}

fn main() -> ExitCode {
    // A process of an action: our own program under another's name.
    if let Some(orders) = generate::orders() {
        return generate::run_process(&orders);
    }
    let verdict = match Cli::parse().command {
        Command::Bus(command) => bus::run(command),
        Command::Rules(command) => rules::run(command),
        Command::Filter(command) => filter::run(command),
        Command::Playbook(command) => playbook::run(command),
        Command::Alerts(command) => alerts::run(command),
        Command::Schema(command) => Ok(schema::run(command)),
        Command::Generate(command) => generate::run(command),
        Command::Nodes(args) => nodes::run(args),
        Command::Plan(command) => plan::run(command),
    };
    match verdict {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::BadInput) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
