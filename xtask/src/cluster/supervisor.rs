//! The process that is the cluster: it starts the rest, and takes it down when
//! told to, or when it is left alone.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::Pid;

use super::{cgroup, namespaces, node::Node, place::Place};

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

/// The supervisor of the cluster there, if it runs.
pub(super) fn find(place: &Place) -> anyhow::Result<Option<Pid>> {
    let is_supervisor = |pid: &Pid| {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(COMMAND.as_bytes())
    };
    Ok(cgroup::processes(&place.cgroup())?.into_iter().find(is_supervisor))
}

/// Whether the cluster there has come up.
pub(super) fn is_ready(place: &Place) -> bool {
    place.dir().join(READY).exists()
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

    let place = Place::of(&arguments.dir);
    let result = run(&place, &told);
    if let Err(error) = &result {
        eprintln!("error: {error:#}");
    }
    // All are killed: whatever state they are in, nothing of it is kept.
    cgroup::leave()?;
    cgroup::kill_and_remove(&place.cgroup())?;
    result.context("the cluster ended")
}

fn run(place: &Place, told: &mpsc::Receiver<Reason>) -> anyhow::Result<()> {
    cgroup::enter(&place.cgroup())?;
    namespaces::mount_folders(place.dir()).context("cannot make the node's folders")?;
    namespaces::set_up_node_network(place).context("cannot make the node's network")?;
    let mut node = Node::start(place)?;
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
            Err(_nothing_yet) => node.check_running()?,
        }
        if !is_ready(place) && node.is_ready() {
            fs::write(place.dir().join(READY), "")
                .context("cannot say that the cluster is ready")?;
            eprintln!("the cluster is ready");
        }
    }
}

/// Waits until standard input ends: whether that is fine.
fn may_stay() -> bool {
    let mut said = Vec::new();
    io::stdin().read_to_end(&mut said).is_ok() && said == STAY
}
