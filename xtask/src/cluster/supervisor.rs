//! The process that is the cluster: it starts the rest, and takes it down when
//! told to, or when it is left alone.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::Pid;

use super::{cgroup, namespaces, node::Node};

/// The hidden subcommand that is this process.
pub(super) const COMMAND: &str = "cluster-supervisor";

/// Its log, in the cluster's folder.
pub(super) const LOG: &str = "supervisor.log";

/// What to say on its standard input for it to stay when that is closed.
pub(super) const STAY: &[u8] = b"stay";

const READY: &str = "ready";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    dir: PathBuf,
}

/// A supervisor that runs.
pub(super) struct Found {
    pub(super) pid: Pid,
    pub(super) dir: PathBuf,
}

/// The supervisor on this machine, wherever its cluster is.
pub(super) fn find_any() -> anyhow::Result<Option<Found>> {
    let found = cgroup::processes()?.into_iter().find_map(|pid| {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        match words.as_slice() {
            [_, command, b"--dir", dir, ..] if *command == COMMAND.as_bytes() => {
                Some(Found { pid, dir: PathBuf::from(OsStr::from_bytes(dir)) })
            }
            _ => None,
        }
    });
    Ok(found)
}

/// Whether the cluster in `dir` has come up.
pub(super) fn is_ready(dir: &Path) -> bool {
    dir.join(READY).exists()
}

/// Why the supervisor ends.
enum Reason {
    Signal,
    LeftAlone,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let (tell, told) = mpsc::sync_channel(1);
    let tell_signal = tell.clone();
    ctrlc::set_handler(move || {
        // Full means that it knows already.
        let _ = tell_signal.try_send(Reason::Signal);
    })
    .context("cannot handle signals")?;
    thread::spawn(move || {
        if !may_stay() {
            let _ = tell.try_send(Reason::LeftAlone);
        }
    });

    let result = run(&arguments.dir, &told);
    if let Err(error) = &result {
        eprintln!("error: {error:#}");
    }
    // All are killed: whatever state they are in, nothing of it is kept.
    cgroup::leave()?;
    cgroup::kill_and_remove()?;
    result.context("the cluster ended")
}

fn run(dir: &Path, told: &mpsc::Receiver<Reason>) -> anyhow::Result<()> {
    cgroup::enter()?;
    namespaces::mount_folders(dir).context("cannot make the node's folders")?;
    namespaces::set_up_node_network().context("cannot make the node's network")?;
    let mut starting = Node::start(dir)?;
    loop {
        match told.recv_timeout(Duration::from_millis(100)) {
            Ok(reason) => {
                let reason = match reason {
                    Reason::Signal => "it was told to",
                    Reason::LeftAlone => "the one who started it is gone",
                };
                eprintln!("stopping: {reason}");
                return Ok(());
            }
            Err(_nothing_yet) => starting.check_running()?,
        }
        if !is_ready(dir) && starting.is_ready() {
            fs::write(dir.join(READY), "").context("cannot say that the cluster is ready")?;
            eprintln!("the cluster is ready");
        }
    }
}

/// Waits until standard input ends: whether that is fine.
fn may_stay() -> bool {
    let mut said = Vec::new();
    io::stdin().read_to_end(&mut said).is_ok() && said == STAY
}
