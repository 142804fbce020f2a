//! Automation of this repository: `cargo xtask help`.

mod run;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Automation of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get the programs that building and testing need
    Tools(tools::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Tools(arguments) => tools::main(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
