//! `cargo xtask scale`: many nodes on one bus, each with its own forwarder and
//! its own certificate, all writing at once; or with `--connections` many more
//! nodes, of which there is no more than the connection.
//!
//! Held: what each node wrote is stored, each alert once, under that node's
//! name. Told: how long it took, and what a forwarder and the bus weigh then.

mod connections;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_alert::SubjectRoot;
use lanner_bus::{Connection, Identity, layout};
use lanner_testkit::{SecuredBus, eventually, process::Process, product::Binary, scene::ScenePod};

use crate::{
    run::output_of,
    tools::{self, Tool},
};

/// The bus of the tests keeps 64 MiB of alerts, the oldest go first.
const ALERTS_MAX: u32 = 40_000;
const START_MAX: Duration = Duration::from_secs(120);
const SETTLE_MAX: Duration = Duration::from_secs(300);
const LOOK_PAUSE: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Nodes, each with a forwarder
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    nodes: u32,

    /// Alerts that each of them writes
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    alerts: u32,

    /// Instead: as many connections, each with its own certificate, in one process
    #[arg(long, value_name = "N", conflicts_with_all = ["nodes", "alerts"],
          value_parser = clap::value_parser!(u32).range(1..=5000))]
    connections: Option<u32>,
}

/// Fails when an alert is missing, or there under another name.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let total = arguments.nodes * arguments.alerts;
    anyhow::ensure!(total <= ALERTS_MAX, "{total} alerts are more than {ALERTS_MAX}");
    tools::get(&Tool::FOR_TESTS)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            scaled = async {
                match arguments.connections {
                    Some(nodes) => connections::scale(nodes).await,
                    None => scale(arguments, total).await,
                }
            } => scaled,
            signal = tokio::signal::ctrl_c() => {
                println!("\nstopped; cleaning up");
                Ok(signal?)
            }
        }
    })
}

async fn scale(arguments: &Arguments, total: u32) -> anyhow::Result<()> {
    let names: Vec<String> = (1..=arguments.nodes).map(|number| format!("node-{number}")).collect();
    let bus = SecuredBus::start(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let nodes: Vec<Node> =
        names.iter().map(|name| Node::start(name, &bus, folder.path())).collect();
    for node in &nodes {
        eventually("the forwarder listens", START_MAX, || node.pipe.exists().then_some(()));
    }
    println!("{} forwarders; each gets {} alerts", nodes.len(), arguments.alerts);

    let began = Instant::now();
    let writers = nodes.iter().map(|node| node.write(arguments.alerts));
    let writers: Vec<_> = writers.collect::<anyhow::Result<_>>()?;
    let stored = count(&bus, total, began).await?;
    let took = began.elapsed().as_secs_f64();
    for writer in writers {
        writer.join().map_err(|_panic| anyhow::anyhow!("a writer died"))??;
    }

    println!(
        "{total} alerts stored, and read back one by one, in {took:.1} s: {:.0} a second",
        f64::from(total) / took
    );
    let weights: Vec<u64> = nodes.iter().map(Node::resident_kib).collect::<anyhow::Result<_>>()?;
    let most = weights.iter().max().copied().unwrap_or_default();
    println!("a forwarder's resident memory: at most {most} KiB");
    let wrong: Vec<_> =
        names.iter().filter(|name| stored.get(*name) != Some(&arguments.alerts)).collect();
    anyhow::ensure!(wrong.is_empty(), "another number than written of {wrong:?}: {stored:?}");
    Ok(())
}

/// Stored alerts by node, once as many are there as were written.
async fn count(
    bus: &SecuredBus,
    total: u32,
    began: Instant,
) -> anyhow::Result<BTreeMap<String, u32>> {
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await?;
    let mut archive = reader.archive(layout::ALERTS).await?;
    let root = SubjectRoot::default();
    let mut stored = BTreeMap::new();
    let mut seen = 0;
    while seen < total {
        match archive.next().await? {
            Some(message) => {
                let subject = root.parse_alert(&message.subject).context("not an alert")?;
                *stored.entry(subject.node.to_owned()).or_default() += 1;
                seen += 1;
            }
            None if began.elapsed() < SETTLE_MAX => tokio::time::sleep(LOOK_PAUSE).await,
            None => anyhow::bail!("{seen} of {total} alerts after {SETTLE_MAX:?}: {stored:?}"),
        }
    }
    Ok(stored)
}

/// One node's forwarder, fed as by a stock Falco.
struct Node {
    pod: ScenePod,
    pipe: PathBuf,
    forwarder: Process,
}

impl Node {
    fn start(name: &str, bus: &SecuredBus, folder: &Path) -> Self {
        let identity = Identity::Forwarder { node: name.to_owned() };
        let pipe = folder.join(format!("{name}.pipe"));
        let config = format!(
            "node: {name}\nbus:\n{}inputs:\n  pipe: {{ path: {} }}\nspool: {{ dir: {} }}\n",
            bus.connection_yaml(&identity, "  "),
            pipe.display(),
            folder.join(format!("{name}.spool")).display(),
        );
        let file = folder.join(format!("{name}.yaml"));
        fs::write(&file, config).expect("write a configuration");
        let args = [Path::new("run"), Path::new("--config"), &file];
        let log = folder.join(format!("{name}.log"));
        let forwarder = Process::spawn(&Binary::Forwarder.path(), args, &log);
        let pod = ScenePod {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
            node: name.to_owned(),
            container: "c0ffee".repeat(11).chars().take(64).collect(),
        };
        Self { pod, pipe, forwarder }
    }

    /// Writes in a thread of its own; the pipe slows it down, as it does Falco.
    fn write(&self, alerts: u32) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<()>>> {
        let (pipe, pod) = (self.pipe.clone(), self.pod.clone());
        let write = move || {
            let lines: String =
                (0..alerts).map(|_number| pod.shell_told_by_falco() + "\n").collect();
            fs::write(&pipe, lines).with_context(|| format!("cannot write {}", pipe.display()))
        };
        std::thread::Builder::new().spawn(write).context("cannot start a writer")
    }

    fn resident_kib(&self) -> anyhow::Result<u64> {
        let pid = self.forwarder.id().to_string();
        let text = output_of(Command::new("ps").args(["-o", "rss=", "-p", &pid]))?;
        text.trim().parse().context("ps prints no number")
    }
}
