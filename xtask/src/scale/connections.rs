//! `cargo xtask scale --connections N`: as many nodes, each with a certificate
//! and a TLS connection of its own, on one server.
//!
//! ```text
//! connect ─▶ steady: an alert of each node, spread ─▶ storm: all at once ─▶ server killed and
//! restarted, all come back with an alert in hand ─▶ count
//! ```
//!
//! Held: every alert is stored, once. Told: what the server takes at each step.

use std::{
    collections::BTreeMap,
    fmt, fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers, layout};
use lanner_testkit::{SecuredBus, scene::ScenePod};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// Handshakes under way at once, when nobody is in a hurry.
const CONNECTING_MAX: usize = 64;
/// An alert of each node in that time is steady traffic.
const STEADY: Duration = Duration::from_secs(20);
/// Alerts of each node in the storm.
const STORM_ALERTS: u32 = 5;
const STORE_MAX: Duration = Duration::from_secs(120);
/// Beside the connections: our own files, and the server's streams.
const FILES_BESIDE: u64 = 500;

/// Fails when an alert is missing, or there twice.
pub(super) async fn scale(nodes: u32) -> anyhow::Result<()> {
    make_room_for(nodes)?;
    let names: Vec<String> = (1..=nodes).map(|number| format!("node-{number}")).collect();
    let began = Instant::now();
    let mut bus = SecuredBus::start(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    println!("{nodes} certificates, and a server that knows them: {:.1} s", secs(began));
    let mut watch = Watch::of(&bus)?;
    watch.tell(&bus, "no node")?;

    let (fleet, times) = connect(&bus, &names).await?;
    println!("connected, {CONNECTING_MAX} at a time: {times}");
    watch.tell(&bus, "all connected")?;

    let times = steady(&fleet).await?;
    println!("steady, an alert a node in {STEADY:?}, acknowledged after: {times}");
    watch.tell(&bus, "steady")?;

    let times = publish(&fleet, "storm", STORM_ALERTS).await?;
    println!("storm, {STORM_ALERTS} alerts of every node at once, acknowledged after: {times}");
    watch.tell(&bus, "storm")?;

    bus.server.kill();
    let waiting = {
        let fleet = fleet.clone();
        tokio::spawn(async move { publish(&fleet, "return", 1).await })
    };
    let down = Instant::now();
    bus.server.restart();
    watch = Watch::of(&bus)?;
    println!("killed; it serves again after {:.1} s", secs(down));
    let times = waiting.await.context("the publishers died")??;
    println!("every node comes back with an alert, acknowledged after: {times}");
    watch.tell(&bus, "all came back")?;

    count(&bus, nodes).await
}

/// One node of many.
struct Node {
    name: String,
    publisher: Publisher,
    payload: bytes::Bytes,
}

async fn connect(
    bus: &SecuredBus,
    names: &[String],
) -> anyhow::Result<(Arc<Vec<Arc<Node>>>, Times)> {
    let turns = Arc::new(Semaphore::new(CONNECTING_MAX));
    let mut connecting = JoinSet::new();
    for name in names {
        let config = bus.connection(&Identity::Forwarder { node: name.clone() });
        let (turns, name) = (turns.clone(), name.clone());
        connecting.spawn(async move {
            // Never closed.
            let _turn = turns.acquire().await;
            let began = Instant::now();
            let connection = Connection::connect(&config).await?;
            let pod = ScenePod {
                namespace: "shop".to_owned(),
                name: "cart".to_owned(),
                node: name.clone(),
                container: "c0ffee".repeat(11).chars().take(64).collect(),
            };
            let payload = pod.shell_told_by_falco().into();
            let node = Node { name, publisher: Publisher::new(connection), payload };
            anyhow::Ok((Arc::new(node), began.elapsed()))
        });
    }
    let (fleet, times): (Vec<_>, Vec<_>) = all(connecting).await?.into_iter().unzip();
    Ok((Arc::new(fleet), Times(times)))
}

/// One alert of each node, evenly over the time.
async fn steady(fleet: &Arc<Vec<Arc<Node>>>) -> anyhow::Result<Times> {
    let pause = STEADY / u32::try_from(fleet.len()).context("so many nodes")?;
    let mut publishing = JoinSet::new();
    for (turn, node) in (0_u32..).zip(fleet.iter().cloned()) {
        publishing.spawn(async move {
            sleep(pause * turn).await;
            node.publish("steady", 0).await
        });
    }
    all(publishing).await.map(Times)
}

/// `alerts` of each node, all at once.
async fn publish(
    fleet: &Arc<Vec<Arc<Node>>>,
    what: &'static str,
    alerts: u32,
) -> anyhow::Result<Times> {
    let mut publishing = JoinSet::new();
    for node in fleet.iter() {
        for number in 0..alerts {
            let node = node.clone();
            publishing.spawn(async move { node.publish(what, number).await });
        }
    }
    all(publishing).await.map(Times)
}

impl Node {
    async fn publish(&self, what: &str, number: u32) -> anyhow::Result<Duration> {
        let message = Message {
            subject: format!("lanner.alerts.notice.shell.terminal_shell.{}", self.name),
            id: format!("{} {what} {number}", self.name),
            headers: Headers::default(),
            payload: self.payload.clone(),
        };
        let began = Instant::now();
        let stored = tokio::time::timeout(STORE_MAX, self.publisher.publish(&message)).await;
        stored.with_context(|| format!("{} is not stored after {STORE_MAX:?}", message.id))??;
        Ok(began.elapsed())
    }
}

async fn all<T: 'static>(mut tasks: JoinSet<anyhow::Result<T>>) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        done.push(result.context("a node died")??);
    }
    Ok(done)
}

/// Every alert of every node, each once: by the number of messages, and by how
/// many of each node.
async fn count(bus: &SecuredBus, nodes: u32) -> anyhow::Result<()> {
    let each = 1 + STORM_ALERTS + 1;
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await?;
    let mut archive = reader.archive(layout::ALERTS).await?;
    let mut by_node: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(seen) = archive.next().await? {
        let node = seen.subject.rsplit('.').next().unwrap_or_default();
        *by_node.entry(node.to_owned()).or_default() += 1;
    }
    let stored: u32 = by_node.values().sum();
    println!(
        "{stored} of {} alerts are stored, {each} of each of {} nodes",
        nodes * each,
        by_node.len()
    );
    let wrong = by_node.iter().find(|(_, count)| **count != each);
    anyhow::ensure!(wrong.is_none(), "another number than {each} of a node: {wrong:?}");
    anyhow::ensure!(stored == nodes * each, "alerts are lost");
    Ok(())
}

/// As many open files as connections, here and in the server, which inherits it.
fn make_room_for(nodes: u32) -> anyhow::Result<()> {
    let needed = u64::from(nodes) + FILES_BESIDE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    anyhow::ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "{nodes} connections take {needed} open files, and this process may have {maximum:?}: \
         raise `ulimit -Hn`"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .with_context(|| format!("cannot have {needed} open files"))
}

/// How long it took for each.
struct Times(Vec<Duration>);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.0.clone();
        times.sort();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        write!(f, "median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms", at(50), at(99), at(100))
    }
}

/// What the server takes, since it was looked at last.
struct Watch {
    ticks: u64,
    at: Instant,
}

impl Watch {
    fn of(bus: &SecuredBus) -> anyhow::Result<Self> {
        Ok(Self { ticks: ticks_of(bus.server.process_id())?, at: Instant::now() })
    }

    fn tell(&mut self, bus: &SecuredBus, when: &str) -> anyhow::Result<()> {
        let now = Self::of(bus)?;
        let used = ticks_to_secs(now.ticks.saturating_sub(self.ticks));
        let passed = now.at.duration_since(self.at).as_secs_f64();
        let memory = resident_mib(bus.server.process_id())?;
        println!(
            "  server, {when}: {memory} MiB, {used:.1} s of processor in {passed:.1} s ({:.0} %)",
            100.0 * used / passed.max(0.001)
        );
        *self = now;
        Ok(())
    }
}

fn ticks_to_secs(ticks: u64) -> f64 {
    let per_second = rustix::param::clock_ticks_per_second();
    // Neither is so large that it would matter.
    #[expect(clippy::cast_precision_loss, reason = "times to be shown")]
    let secs = ticks as f64 / per_second as f64;
    secs
}

/// Processor time of a process, in clock ticks.
fn ticks_of(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    // The name, in brackets, may hold blanks.
    let (_, rest) = stat.rsplit_once(')').context("no process")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| -> anyhow::Result<u64> {
        Ok(fields.get(number).context("no times of the process")?.parse()?)
    };
    Ok(field(11)? + field(12)?)
}

fn resident_mib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("the process has no memory")?
        .parse()?;
    Ok(kib / 1024)
}

fn secs(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}
