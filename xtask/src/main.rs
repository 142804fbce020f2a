//! Automation of this repository: `cargo xtask help`.

mod bench;
mod ci;
mod cluster;
mod demo;
mod deploy;
mod fuzz;
mod image;
mod loss;
mod oci;
mod run;
mod scale;
mod soak;
mod test;
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
    /// Show the whole chain at work: an alert, a plan, an action
    Demo(demo::Arguments),
    /// Get the programs that building and testing need
    Tools(tools::Arguments),
    /// Run all tests, after getting what they need
    Test,
    /// Check all that has to hold before a change is taken
    Ci,
    /// Measure hot paths, as ratios of one interleaved run
    Bench(bench::Arguments),
    /// Feed every parser of outside bytes with bytes that try to break it
    Fuzz(fuzz::Arguments),
    /// Run the chain under load while its parts go and come back, and count what is lost
    Soak(soak::Arguments),
    /// Many alerts while a part of their way is taken away, again and again: what is lost (root)
    Loss(loss::Arguments),
    /// Many nodes on one bus, all writing at once
    Scale(scale::Arguments),
    /// Build our programs as an OCI image
    Image(image::Arguments),
    /// A real cluster of one node on this machine
    Cluster(cluster::Arguments),
    #[command(hide = true)]
    ClusterSupervisor(cluster::SupervisorArguments),
    #[command(hide = true)]
    BenchWorkload(bench::workload::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(arguments) => demo::main(&arguments),
        Command::Tools(arguments) => tools::main(&arguments),
        Command::Test => test::main(),
        Command::Ci => ci::main(),
        Command::Bench(arguments) => bench::main(&arguments),
        Command::Fuzz(arguments) => fuzz::main(&arguments),
        Command::Soak(arguments) => soak::main(&arguments),
        Command::Loss(arguments) => loss::main(&arguments),
        Command::Scale(arguments) => scale::main(&arguments),
        Command::Image(arguments) => image::main(&arguments),
        Command::Cluster(arguments) => cluster::main(&arguments),
        Command::ClusterSupervisor(arguments) => cluster::supervise(&arguments),
        Command::BenchWorkload(arguments) => bench::workload::main(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
