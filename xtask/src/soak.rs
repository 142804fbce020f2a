//! `cargo xtask soak`: the chain under load, while its parts go and come back.
//!
//! ```text
//! writer ─pipe─▶ forwarder ─TLS─▶ nats-server ─▶ responder ─▶ kube-apiserver
//!    │           stopped          killed         killed
//!    └─ numbers ─▶ tally ◀─ every message of LANNER_ALERTS and LANNER_RESPONSES
//! ```
//!
//! Held: each alert that was written is stored once, and each that a playbook
//! is for is answered, whatever is killed meanwhile.
//!
//! The forwarder is stopped (SIGTERM) and not killed: of what it has read from a
//! pipe and not yet spooled nobody has a copy. What it has taken on survives its
//! death as well, which `cargo xtask loss` shows over the sensor's socket.

mod outages;
mod tally;
mod writer;

use std::time::{Duration, Instant};

use lanner_bus::{Identity, layout};
use lanner_testkit::{KubeApiserver, Stack, scene::ScenePod};

use self::{outages::Outages, tally::Tally, writer::Writer};
use crate::tools::{self, Tool};

const NODE: &str = "node-1";
const CONTAINER: &str = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e";

/// How long the chain may take to finish what was written. A message that a
/// killed responder held comes again after half a minute.
const SETTLE_MAX: Duration = Duration::from_secs(180);
const LOOK_PAUSE: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long alerts are written
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,

    /// Alerts a second; one of them is for a playbook
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
}

/// Fails when an alert was lost, stored twice, or not answered.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    tools::get(&Tool::FOR_TESTS)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            soaked = soak(arguments) => soaked,
            signal = tokio::signal::ctrl_c() => {
                println!("\nstopped; cleaning up");
                Ok(signal?)
            }
        }
    })
}

async fn soak(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { minutes, rate } = *arguments;
    let stack = Stack::start(NODE).await;
    let apiserver = KubeApiserver::start();
    let pod = ScenePod {
        namespace: "shop".to_owned(),
        name: "cart".to_owned(),
        node: NODE.to_owned(),
        container: CONTAINER.to_owned(),
    };
    pod.create(&apiserver);
    let total = minutes * 60 * rate;
    println!("{total} alerts in {minutes} min; forwarder, bus and responder go and come back");

    let tally = Tally::of(total, rate);
    let reader = stack.bus.connection(&Identity::Subscriber);
    let readers = [layout::ALERTS, layout::RESPONSES]
        .map(|stream| tokio::spawn(tally.clone().read(reader.clone(), stream)));

    let pipe = stack.falco_pipe();
    let mut outages = Outages::begin(stack, apiserver);
    let writer = Writer { pod, rate, total };
    let mut writing = tokio::spawn(async move { writer.run(&pipe).await });
    let written = loop {
        tokio::select! {
            written = &mut writing => break written??,
            next = outages.next() => next?,
        }
    };
    // One may have been under way.
    outages.mend()?;

    let settling = Instant::now();
    while !tally.is_complete(written) && settling.elapsed() < SETTLE_MAX {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    for reader in &readers {
        reader.abort();
    }
    let report = tally.report(written);
    println!("\n{report}\n{outages}");
    println!("settled {:.1} s after the last alert", settling.elapsed().as_secs_f64());
    if !report.is_good() {
        println!("{}", outages.logs());
        anyhow::bail!("alerts were lost, stored twice or not answered");
    }
    Ok(())
}
