//! What a watched program does, many times over, and how long it took.
//!
//! Runs in a process of its own: the sensor looks at each process but itself, and the time of
//! whoever measures must not be in it.

use std::{
    hint::black_box,
    net::{TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::ValueEnum;
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
}

impl Workload {
    /// Those whose cost is measured.
    pub(crate) const ALL: [Self; 6] =
        [Self::Open, Self::OpenWrite, Self::Getppid, Self::Exec, Self::Udp, Self::Connect];

    /// How often it is done in one measurement.
    pub(crate) fn times(self) -> u64 {
        match self {
            Self::Open | Self::Getppid => 1_000_000,
            Self::OpenWrite => 500_000,
            Self::Exec => 2_000,
            Self::Udp => 200_000,
            Self::Connect => 20_000,
            Self::Secret => 200,
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
    folder: &std::path::Path,
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

fn work(arguments: &Arguments) -> anyhow::Result<Duration> {
    let times = arguments.times;
    match arguments.workload {
        Workload::Open => open(&arguments.folder.join("data"), OFlags::RDONLY, times),
        Workload::OpenWrite => open(&arguments.folder.join("data"), OFlags::WRONLY, times),
        Workload::Secret => measured(times, || {
            rustix::fs::open("/etc/shadow", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            // Spread over the time that others take.
            thread::sleep(Duration::from_millis(5));
            Ok(())
        }),
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

fn open(path: &std::path::Path, flags: OFlags, times: u64) -> anyhow::Result<Duration> {
    std::fs::write(path, "data").with_context(|| format!("cannot write {}", path.display()))?;
    measured(times, || {
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?;
        Ok(())
    })
}

fn measured(times: u64, mut once: impl FnMut() -> std::io::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..times {
        once()?;
    }
    Ok(start.elapsed())
}
