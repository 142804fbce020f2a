//! `cargo xtask loss`: many alerts through a real forwarder and a real bus while
//! a part of their way is taken away, again and again. Prints the numbers.

mod leaf;

use std::time::Duration;

use lanner_testkit::{
    loss::{self, Plan, Trouble},
    programs::Program,
};

use crate::{
    bench::ground::release_build,
    run::{is_root, run},
    test::cargo,
    tools::{self, Tool},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Alerts, for each kind of trouble
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=500_000))]
    alerts: u32,

    /// How often there is trouble of each kind
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    times: u32,

    /// How long the link stands still each time; from 20 to 30 seconds on the connection is given up
    #[arg(long, default_value_t = 8)]
    stall_seconds: u64,

    /// How long the link of an edge cluster to its hub is cut
    #[arg(long, default_value_t = 60)]
    cut_seconds: u64,
}

/// Fails when an alert is lost, or stored twice.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "a disk that fills takes a mount, and that takes root");
    tools::get(&[Tool::Built(Program::NatsServer)])?;
    run(&mut cargo(&["build", "--locked", "--release", "-p", "lanner-bus-forwarder"]))?;
    let Arguments { alerts, times, stall_seconds, cut_seconds } = *arguments;
    let stall = Duration::from_secs(stall_seconds);
    let plan = Plan { program: release_build("lanner-forwarder"), alerts, times, stall };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut good = true;
    for trouble in Trouble::ALL {
        let report = runtime.block_on(loss::run(trouble, &plan));
        println!("{report}");
        good &= report.is_good();
    }
    let leaf = runtime.block_on(leaf::run(Duration::from_secs(cut_seconds)))?;
    println!("{leaf}");
    good &= leaf.is_good();
    anyhow::ensure!(good, "alerts were lost or stored twice, or evicted where there was room");
    Ok(())
}
