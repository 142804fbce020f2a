//! `cargo xtask bench`: what the hot paths cost, as ratios measured side by side in one run.

mod saturation;
mod sensor;
mod soak;
mod watcher;
pub(crate) mod workload;

use clap::Subcommand;

use crate::{run::run, test::cargo};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    of: Of,
}

#[derive(Subcommand)]
enum Of {
    /// The rule engine over recorded events, with the field's stable rules (LANNER_FALCO_RULES)
    Engine,

    /// The sensor under fixed workloads: without it, with the kernel's filter off, and on (root)
    Sensor(sensor::Arguments),

    /// The sensor while every processor opens files: what is lost, and that it is counted (root)
    Saturation,

    /// The sensor beside a machine that builds software (root)
    Soak(soak::Arguments),
}

/// Fails when a ratio is worse than what is promised.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.of {
        Of::Sensor(arguments) => sensor::main(arguments),
        Of::Saturation => saturation::main(),
        Of::Soak(arguments) => soak::main(arguments),
        Of::Engine => {
            run(&mut cargo(&["bench", "--locked", "-p", "lanner-engine", "--bench", "evaluation"]))
        }
    }
}
