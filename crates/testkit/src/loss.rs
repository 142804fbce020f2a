//! What becomes of alerts while a part of their way is taken away, again and
//! again.
//!
//! ```text
//! writer ─socket─▶ forwarder ─spool─▶ link ─TLS─▶ nats-server ─▶ stream
//!    │                                                             │
//!    └──────── how many were acknowledged ──▶ report ◀── what is in it, in which order
//! ```

mod link;
mod tally;
mod writer;

use std::{
    fmt, fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use lanner_bus::{
    Identity,
    certs::Authority,
    layout::{Bounds, Layout},
};
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

use self::{link::Link, writer::Writer};
use crate::{SecuredBus, eventually, process::Process};

const NODE: &str = "node-1";
const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take until all that was accepted is in the stream.
const SETTLE_MAX: Duration = Duration::from_secs(240);

/// What is done to the way of the alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// nats-server is killed with `kill -9` and started again.
    BusKilled,
    /// The forwarder is.
    ForwarderKilled,
    /// The spool's disk fills while the bus is away. Takes root.
    DiskFull,
    /// The link to the bus stops, and goes on.
    LinkStalls,
    /// The certificates of both sides are made anew.
    CertificatesRotated,
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The forwarder's program.
    pub program: PathBuf,
    /// Alerts that are written.
    pub alerts: u32,
    /// How often there is trouble.
    pub times: u32,
    /// How long the link stands still each time.
    pub stall: Duration,
}

/// The numbers at the end.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done.
    pub trouble: Trouble,
    /// How often.
    pub times: u32,
    /// Alerts that the forwarder acknowledged to their writer.
    pub accepted: u32,
    /// Of them, in the stream.
    pub stored: u32,
    /// Of them, evicted from the full spool, by the forwarder's own count.
    pub evicted: u32,
    /// Copies in the stream beyond the first.
    pub doubled: u32,
    /// Alerts that stand behind a later one of their node and priority.
    pub disordered: u32,
    /// From the first alert to the last in the stream.
    pub took: Duration,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BusKilled,
        Self::ForwarderKilled,
        Self::DiskFull,
        Self::LinkStalls,
        Self::CertificatesRotated,
    ];
}

impl Report {
    /// Whether each alert is where it has to be, once.
    pub fn is_good(&self) -> bool {
        let may_evict = self.trouble == Trouble::DiskFull;
        self.accepted == self.stored + self.evicted
            && self.doubled == 0
            && (self.evicted > 0) == may_evict
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trouble, times, accepted, stored, evicted, doubled, disordered, took } = self;
        let lost = i64::from(*accepted) - i64::from(*stored) - i64::from(*evicted);
        write!(
            f,
            "{:<20} {times} times: accepted {accepted}, stored {stored}, evicted {evicted}, lost {lost}, doubled {doubled}, out of order {disordered}; {:.1} s",
            format!("{trouble:?}"),
            took.as_secs_f64()
        )
    }
}

/// Writes alerts through a forwarder while there is trouble, and counts.
///
/// # Panics
/// When a part does not start, or the alerts do not arrive in time.
pub async fn run(trouble: Trouble, plan: &Plan) -> Report {
    let mut layout = crate::bus::small_layout();
    // Room for all of them.
    let size_bytes = NonZeroU64::new(512 << 20).expect("512 MiB is not zero");
    layout.alerts = Bounds { size_bytes_max: size_bytes, ..layout.alerts };
    let mut way = Way::start(trouble, plan, layout).await;
    let (acknowledged, mut progress) = watch::channel(0);
    let writer =
        Writer { node: NODE.to_owned(), socket: way.socket(), total: plan.alerts, acknowledged };
    let started = Instant::now();
    let writing = tokio::spawn(writer.run());
    for time in 1..=plan.times {
        let at = plan.alerts * time / (plan.times + 1);
        timeout(SETTLE_MAX, progress.wait_for(|count| *count >= at))
            .await
            .expect("alerts are acknowledged")
            .expect("the writer works");
        way.trouble(trouble, plan, &mut progress).await;
    }
    timeout(SETTLE_MAX, writing).await.expect("all are acknowledged").expect("the writer works");
    way.settle();
    let took = started.elapsed();
    let evicted = way.evicted();
    let tally = tally::of(&way.bus, plan.alerts).await;
    Report {
        trouble,
        times: plan.times,
        accepted: plan.alerts,
        stored: tally.stored,
        evicted,
        doubled: tally.doubled,
        disordered: tally.disordered,
        took,
    }
}

/// All that is between the writer and the stream.
struct Way {
    forwarder: Process,
    bus: SecuredBus,
    link: Link,
    program: PathBuf,
    dir: TempDir,
    _disk: Option<SmallDisk>,
}

impl Way {
    async fn start(trouble: Trouble, plan: &Plan, layout: Layout) -> Self {
        let bus = SecuredBus::start_with_layout(&[NODE], layout).await;
        let link = Link::to(bus.server.port()).await;
        let dir = tempfile::tempdir().expect("make a temporary folder");
        let spool = dir.path().join("spool");
        let disk = (trouble == Trouble::DiskFull).then(|| SmallDisk::mount(&spool));
        let identity = Identity::Forwarder { node: NODE.to_owned() };
        let bus_yaml = bus.connection_yaml(&identity, "  ");
        let direct = format!("127.0.0.1:{}", bus.server.port());
        let config = format!(
            "node: {NODE}\nbus:\n{}inputs:\n  socket: {{ path: {} }}\nspool: {{ dir: {} }}\nstop_seconds_max: 240\n",
            bus_yaml.replace(&direct, &format!("127.0.0.1:{}", link.port())),
            dir.path().join("forwarder.sock").display(),
            spool.display(),
        );
        fs::write(dir.path().join("forwarder.yaml"), config).expect("write a configuration");
        let program = plan.program.clone();
        let forwarder = start_forwarder(&program, dir.path());
        Self { forwarder, bus, link, program, dir, _disk: disk }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("forwarder.sock")
    }

    async fn trouble(
        &mut self,
        trouble: Trouble,
        plan: &Plan,
        progress: &mut watch::Receiver<u32>,
    ) {
        match trouble {
            Trouble::BusKilled => {
                self.bus.server.kill();
                self.bus.server.restart();
            }
            Trouble::ForwarderKilled => {
                self.forwarder.kill();
                self.forwarder = start_forwarder(&self.program, self.dir.path());
            }
            Trouble::DiskFull => {
                // Away until as much is written as would fill it many times.
                self.bus.server.kill();
                // A writer that was quicker than the server's restart may be at its end.
                let until = *progress.borrow() + plan.alerts / (plan.times + 2);
                let until = until.min(plan.alerts);
                timeout(SETTLE_MAX, progress.wait_for(|count| *count >= until))
                    .await
                    .expect("a full disk stops nobody")
                    .expect("the writer works");
                self.bus.server.restart();
            }
            Trouble::LinkStalls => {
                self.link.stall(true);
                // Nothing tells its end: this is the trouble itself.
                tokio::time::sleep(plan.stall).await;
                self.link.stall(false);
            }
            Trouble::CertificatesRotated => {
                let authority = Authority::open(self.bus.pki()).expect("open the authority");
                let stem = Identity::Forwarder { node: NODE.to_owned() }.file_stem();
                for name in [stem.as_str(), "server"] {
                    let file = self.bus.pki().join(format!("{name}.crt"));
                    authority.renew(&file).expect("renew a certificate");
                }
                self.bus.server.reload();
                // The next connection uses the new ones.
                self.bus.server.kill();
                self.bus.server.restart();
            }
        }
    }

    /// Stops the forwarder once it has published all.
    fn settle(&mut self) {
        self.forwarder.signal("TERM");
        let status = eventually("all is published", SETTLE_MAX, || self.forwarder.exit_status());
        assert!(status.success(), "{status}: {}", self.forwarder.log_tail());
        let log = self.forwarder.log_tail();
        assert!(log.contains("every alert that was taken on is published"), "{log}");
    }

    /// The evictions of the last report in the forwarder's log.
    fn evicted(&self) -> u32 {
        let log = self.forwarder.log_tail();
        let report = log.rsplit(" evicted=").next().expect("a report");
        let counts = report.split(" waiting=").next().expect("what waits");
        let numbers = counts.split([' ', ',']).filter_map(|word| word.parse::<u32>().ok());
        numbers.sum()
    }
}

fn start_forwarder(program: &Path, dir: &Path) -> Process {
    let config = dir.join("forwarder.yaml");
    let args = [Path::new("run"), Path::new("--config"), &config];
    // Left behind by one that was killed.
    let _ = fs::remove_file(dir.join("forwarder.sock"));
    let mut forwarder = Process::spawn(program, args, &dir.join("forwarder.log"));
    eventually("the forwarder listens", START_MAX, || {
        forwarder.assert_running();
        dir.join("forwarder.sock").exists().then_some(())
    });
    forwarder
}

/// A file system that is full soon, gone on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir(at).expect("make a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at);
        let status = mount.status().expect("run mount");
        assert!(status.success(), "a small disk takes root: mount ended with {status}");
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A folder that stays mounted is in nobody's way.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
