//! `cargo xtask bench`: what the hot paths cost, as ratios measured side by side in one run.

mod forwarder;
pub(crate) mod ground;
mod latency;
mod replay;
mod saturation;
mod sensor;
mod soak;
mod start;
mod subscriber;
mod watcher;
pub(crate) mod workload;

use clap::Subcommand;

use self::ground::{Ground, Promises};
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

    /// The sensor under fixed workloads: without it, with the kernel's filter off, and on; then all
    /// of the next four (root)
    Sensor(sensor::Arguments),

    /// From the sensor's socket until the bus has acknowledged, beside a bare publisher
    Forwarder(forwarder::Arguments),

    /// From a system call to its alert at a subscriber, of the sensor and of the bus (root)
    Latency,

    /// Until a sensor that is started sees something, also after kill -9 under load (root)
    Start,

    /// A recording replayed: the whole time of an event, and the rules' part of it (root)
    Replay,

    /// The sensor while every processor opens files: what is lost, and that it is counted (root)
    Saturation,

    /// The sensor beside a machine that builds software (root)
    Soak(soak::Arguments),
}

/// How long a program may take until it works.
const START_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// How often what takes seconds is measured.
const ROUNDS: u32 = 5;

/// Fails when a ratio is worse than what is promised.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.of {
        Of::Engine => {
            run(&mut cargo(&["bench", "--locked", "-p", "lanner-engine", "--bench", "evaluation"]))
        }
        Of::Sensor(arguments) => of_sensor(|ground, promises| {
            sensor::measure(ground, arguments, promises)?;
            if !arguments.only.is_empty() {
                return Ok(());
            }
            latency::measure(ground, promises)?;
            start::measure(ground, ROUNDS, promises)?;
            replay::measure(ground, ROUNDS, promises)?;
            saturation::measure(ground, promises)
        }),
        Of::Forwarder(arguments) => forwarder::main(arguments),
        Of::Latency => of_sensor(latency::measure),
        Of::Start => of_sensor(|ground, promises| start::measure(ground, ROUNDS, promises)),
        Of::Replay => of_sensor(|ground, promises| replay::measure(ground, ROUNDS, promises)),
        Of::Saturation => of_sensor(saturation::measure),
        Of::Soak(arguments) => soak::main(arguments),
    }
}

fn of_sensor(
    measure: impl FnOnce(&Ground, &mut Promises) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ground = Ground::prepare()?;
    let mut promises = Promises::default();
    measure(&ground, &mut promises)?;
    promises.finish()
}
