//! `cargo xtask bench forwarder`: alerts a second from the sensor's socket until JetStream has
//! acknowledged them over TLS, beside a bare `async-nats` publisher with the same window, messages
//! and server; how long one takes at a steady rate; what the forwarder weighs.

mod steady;
mod storm;

use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_bus::{
    Identity,
    layout::{Bounds, Layout},
};
use lanner_testkit::{SecuredBus, eventually, process::Process, programs::Program};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    START_MAX,
    ground::{Promises, median, release_build},
};
use crate::{
    run::run,
    test::cargo,
    tools::{self, Tool},
};

const NODE: &str = "bench";
const AIM_RATIO: f64 = 0.8;
/// Far below the aim: only a regression goes there, not a machine that does something else, too.
const RATIO_MIN: f64 = 0.3;
const AIM_RESIDENT_KIB: u64 = 30 << 10;
const RESIDENT_MAX_KIB: u64 = 60 << 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Alerts of one measurement
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1000..=200_000))]
    alerts: u32,

    /// How often each of the two is measured, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,

    /// `fast`, or `power-safe`
    #[arg(long, default_value = "fast")]
    durability: String,
}

pub(super) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    tools::get(&[Tool::Built(Program::NatsServer)])?;
    let build = ["build", "--locked", "--release"];
    run(cargo(&build).args(["-p", "lanner-bus-forwarder"]))?;
    run(cargo(&build).args(["-p", "lanner-bus", "--example", "bare_publisher"]))?;
    let stage = Stage::set(arguments)?;
    let mut promises = Promises::default();
    let (alerts, rounds) = (arguments.alerts, arguments.rounds);
    println!("\n{rounds} rounds of {alerts} alerts, one after the other, alerts/s:");
    println!("{:>10} {:>10} {:>7} {:>9}", "bare", "forwarder", "ratio", "KiB");
    let mut ratios = Vec::new();
    let mut heaviest = 0;
    for round in 0..rounds {
        let bare = f64::from(alerts) / storm::bare(&stage, alerts)?;
        let storm::Storm { seconds, resident_kib } = storm::forwarder(&stage, round, alerts)?;
        let through = f64::from(alerts) / seconds;
        println!("{bare:>10.0} {through:>10.0} {:>7.2} {resident_kib:>9}", through / bare);
        ratios.push(through / bare);
        heaviest = heaviest.max(resident_kib);
    }
    let ratio = median(&ratios);
    println!(
        "ratio of the medians {ratio:.2} (aim: {AIM_RATIO}); at most {heaviest} KiB resident (aim: {AIM_RESIDENT_KIB})"
    );
    promises
        .hold(ratio >= RATIO_MIN, || format!("the forwarder has {ratio:.2} of a bare publisher"));
    promises.hold(heaviest <= RESIDENT_MAX_KIB, || format!("the forwarder takes {heaviest} KiB"));
    steady::measure(&stage, &mut promises)?;
    promises.finish()
}

/// A bus with certificates, and a folder for all that is written.
struct Stage {
    folder: TempDir,
    bus: SecuredBus,
    runtime: Runtime,
    durability: String,
}

impl Stage {
    fn set(arguments: &Arguments) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let mut layout = Layout::default();
        let bounds = |mib: u64, bounds: Bounds| Bounds {
            size_bytes_max: NonZeroU64::new(mib << 20).unwrap_or(NonZeroU64::MIN),
            ..bounds
        };
        layout.alerts = bounds(1024, layout.alerts);
        layout.plans = bounds(16, layout.plans);
        layout.responses = bounds(16, layout.responses);
        let bus = runtime.block_on(SecuredBus::start_with_layout(&[NODE], layout));
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        Ok(Self { folder, bus, runtime, durability: arguments.durability.clone() })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("forwarder.sock")
    }

    fn identity() -> Identity {
        Identity::Forwarder { node: NODE.to_owned() }
    }

    /// A forwarder that listens and is connected to the bus.
    fn start_forwarder(&self) -> anyhow::Result<Process> {
        let text = format!(
            "node: {NODE}\nbus:\n{}inputs:\n  socket: {{ path: {} }}\nspool: {{ dir: {}, durability: {} }}\nstop_seconds_max: 120\n",
            self.bus.connection_yaml(&Self::identity(), "  "),
            self.socket().display(),
            self.folder().join("spool").display(),
            self.durability,
        );
        let config = self.folder().join("forwarder.yaml");
        fs::write(&config, text).context("cannot write the forwarder's configuration")?;
        let args = [Path::new("run"), Path::new("--config"), &config];
        let log = self.folder().join("forwarder.log");
        let _ = fs::remove_file(&log);
        let mut forwarder = Process::spawn(&release_build("lanner-forwarder"), args, &log);
        eventually("the forwarder is connected", START_MAX, || {
            forwarder.assert_running();
            forwarder.log_tail().contains("connected to the bus").then_some(())
        });
        Ok(forwarder)
    }
}

/// An alert of about a kilobyte.
fn alert(number: u32, tags: &[&str]) -> Vec<u8> {
    serde_json::json!({
        "id": lanner_alert::AlertId::new(), "schema": 1,
        "time": "2026-01-02T03:04:05.000000006Z", "node": NODE, "hostname": NODE,
        "rule": "Bench", "priority": "Notice", "source": "syscall", "tags": tags,
        "output": "A shell was spawned in a container with an attached terminal | evt_type=execve user=root user_uid=0 process=sh proc_exepath=/usr/bin/dash parent=runc command=sh -c id terminal=34816",
        "output_fields": {
            "bench.number": number, "container.id": "3ad7b26ded6d", "container.name": "cart",
            "container.image.repository": "registry.example.com/shop/cart", "evt.type": "execve",
            "proc.cmdline": "sh -c id", "proc.exepath": "/usr/bin/dash", "proc.name": "sh",
            "proc.pname": "runc", "proc.tty": 34816, "user.name": "root", "user.uid": 0,
            "k8s.ns.name": "shop", "k8s.pod.name": "cart-7d9c5b6f4-x2x7k",
        },
        "entity": {
            "boot_id": "8f0ce8a4-2f3e-4f0e-9a39-35d0f5c1b6d2", "pid": 4711,
            "container_id": "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e",
        },
    })
    .to_string()
    .into_bytes()
}
