//! What a watched program does, many times over, and how long it took.
//!
//! Runs in a process of its own: the sensor looks at each process but itself, and the time of
//! whoever measures must not be in it.

use std::{
    hint::black_box,
    io::{self, Read as _},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;
use lanner_testkit::process::Process;
use rustix::fs::{Mode, OFlags};

/// One kind of work, done a number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// open for reading and close, of a file that no rule cares for
    Open,
    /// open for writing and close, of a file that no rule cares for
    OpenWrite,
    /// a system call that nobody looks at
    Getppid,
    /// fork, exec and wait
    Exec,
    /// a datagram to the same address as the one before
    Udp,
    /// a connection over loopback, accepted and closed
    Connect,
    /// open for reading and close, of a file that rules ask for, now and then
    Secret,
    /// the same, but once standard input ends; prints the time before each
    TimedSecret,
}

impl Workload {
    /// Those whose cost is measured.
    pub(crate) const ALL: [Self; 6] =
        [Self::Open, Self::OpenWrite, Self::Getppid, Self::Exec, Self::Udp, Self::Connect];

    /// Whether it is what rules look at, and nothing that any of them asks for.
    pub(super) fn is_of_no_rule(self) -> bool {
        matches!(self, Self::Open | Self::OpenWrite | Self::Udp)
    }

    /// How often it is done in one measurement.
    pub(crate) fn times(self) -> u64 {
        match self {
            Self::Open | Self::Getppid => 1_000_000,
            Self::OpenWrite => 500_000,
            Self::Exec => 2_000,
            Self::Udp => 200_000,
            Self::Connect => 20_000,
            Self::Secret | Self::TimedSecret => 200,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OpenWrite => "open-write",
            Self::Getppid => "getppid",
            Self::Exec => "exec",
            Self::Udp => "udp",
            Self::Connect => "connect",
            Self::Secret => "secret",
            Self::TimedSecret => "timed-secret",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    workload: Workload,

    times: u64,

    /// An empty folder for its files
    folder: PathBuf,
}

/// Does the work and prints the nanoseconds it took.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let took = work(arguments)?;
    println!("{}", took.as_nanos());
    Ok(())
}

/// Starts the work in another process and waits for it.
pub(crate) fn in_own_process(
    workload: Workload,
    times: u64,
    folder: &Path,
) -> anyhow::Result<Duration> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(this)
        .args(["bench-workload", workload.name(), &times.to_string()])
        .arg(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the workload")?;
    anyhow::ensure!(output.status.success(), "workload {} failed", workload.name());
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds = text.trim().parse().context("the workload printed no number")?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// A process that is there and reads what rules ask for once it is told to.
pub(super) struct Reader(Child);

impl Reader {
    pub(super) fn start(times: u64, folder: &Path) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(this);
        command.args(["bench-workload", Workload::TimedSecret.name(), &times.to_string()]);
        command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn().context("cannot start the reader")?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Has it read; gives the time before each call.
    pub(super) fn go(self) -> anyhow::Result<Vec<Timestamp>> {
        // This closes its standard input.
        let output = self.0.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "the reader failed");
        let text = String::from_utf8(output.stdout)?;
        // The last line is how long it took.
        let lines: Vec<&str> = text.lines().collect();
        let times = lines.split_last().map(|(_, times)| times).unwrap_or_default();
        times.iter().map(|line| line.parse().context("the reader printed no time")).collect()
    }
}

/// Processes that open files which no rule asks for, as fast as they can, until this is dropped.
pub(super) struct Load {
    _processes: Vec<Process>,
}

impl Load {
    pub(super) fn start(processes: usize, folder: &Path) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this program")?;
        let start = |number: usize| {
            let folder = folder.join(format!("load-{number}"));
            std::fs::create_dir_all(&folder)?;
            let times = u64::MAX.to_string();
            let words = ["bench-workload", Workload::Open.name(), &times].map(Path::new);
            let log = folder.join("log");
            anyhow::Ok(Process::spawn(&this, words.into_iter().chain([&*folder]), &log))
        };
        Ok(Self { _processes: (0..processes).map(start).collect::<Result<_, _>>()? })
    }
}

fn work(arguments: &Arguments) -> anyhow::Result<Duration> {
    let times = arguments.times;
    match arguments.workload {
        Workload::Open => open(&arguments.folder.join("data"), OFlags::RDONLY, times),
        Workload::OpenWrite => open(&arguments.folder.join("data"), OFlags::WRONLY, times),
        Workload::Secret => measured(times, || {
            open_secret()?;
            // Spread over the time that others take.
            thread::sleep(Duration::from_millis(5));
            Ok(())
        }),
        Workload::TimedSecret => {
            io::stdin().read_to_end(&mut Vec::new())?;
            let mut read = Vec::new();
            let took = measured(times, || {
                // Each comes to a sensor that rests.
                thread::sleep(Duration::from_millis(10));
                read.push(Timestamp::now());
                open_secret()
            })?;
            read.iter().for_each(|at| println!("{at}"));
            Ok(took)
        }
        Workload::Getppid => Ok(measured(times, || {
            black_box(rustix::process::getppid());
            Ok(())
        })?),
        Workload::Exec => measured(times, || {
            Command::new("/bin/true").status()?;
            Ok(())
        }),
        Workload::Udp => {
            let receiver = UdpSocket::bind("127.0.0.1:0")?;
            let sender = UdpSocket::bind("127.0.0.1:0")?;
            let address = receiver.local_addr()?;
            measured(times, || {
                sender.send_to(b"lanner", address)?;
                Ok(())
            })
        }
        Workload::Connect => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            measured(times, || {
                let client = TcpStream::connect(address)?;
                let (server, _) = listener.accept()?;
                // The end that closes first keeps its port for a minute: not the client's,
                // of which there are only so many.
                drop(server);
                drop(client);
                Ok(())
            })
        }
    }
}

fn open_secret() -> io::Result<()> {
    rustix::fs::open("/etc/shadow", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(())
}

fn open(path: &Path, flags: OFlags, times: u64) -> anyhow::Result<Duration> {
    std::fs::write(path, "data").with_context(|| format!("cannot write {}", path.display()))?;
    measured(times, || {
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?;
        Ok(())
    })
}

fn measured(times: u64, mut once: impl FnMut() -> io::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..times {
        once()?;
    }
    Ok(start.elapsed())
}
