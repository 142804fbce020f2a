//! Starts the supervisor and watches it until the cluster is ready.

use std::{
    env,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{down, namespaces, place::Place, supervisor};
use crate::{
    run::is_root,
    tools::{self, Tool},
};

const READY_MAX: Duration = Duration::from_secs(180);

/// Starts a cluster in `dir` and waits until it is ready.
///
/// The supervisor ends when the pipe to its standard input closes, so with
/// us: whoever interrupts us half way leaves nothing behind.
pub(super) fn launch(dir: &Path) -> anyhow::Result<Child> {
    anyhow::ensure!(
        is_root(),
        "the local cluster needs root: it makes namespaces and cgroups and runs containers"
    );
    tools::get(&Tool::all())?;
    down(dir).context("cannot clear away the cluster that was here before")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let place = Place::of(dir);
    namespaces::check(&place)?;

    let mut supervisor = spawn(place.dir())?;
    let result = bring_up(&place, &mut supervisor);
    if result.is_err() {
        // What went wrong first is what the user has to know. The logs stay.
        drop(supervisor.stdin.take());
        let _ = supervisor.wait();
    }
    result.map(|()| supervisor)
}

/// Lets the supervisor live on without us.
pub(super) fn untie(mut supervisor: Child) -> anyhow::Result<()> {
    let mut stdin = supervisor.stdin.take().context("the supervisor's standard input")?;
    stdin.write_all(supervisor::STAY).context("cannot talk to the supervisor")
}

fn spawn(dir: &Path) -> anyhow::Result<Child> {
    let log = dir.join(supervisor::LOG);
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private", "--"])
        .arg(env::current_exe().context("cannot find our own program")?)
        .args([supervisor::COMMAND, "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(output.try_clone().context("cannot share the log")?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("cannot start unshare")
}

/// Connects the supervisor's network to ours, and shows what it says until the
/// cluster is ready.
fn bring_up(place: &Place, supervisor: &mut Child) -> anyhow::Result<()> {
    let dir = place.dir();
    let log = dir.join(supervisor::LOG);
    let mut log = File::open(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let started = Instant::now();
    let mut connected = false;
    loop {
        let ended = supervisor.try_wait().context("cannot watch the supervisor")?;
        show(&mut log).context("cannot read the supervisor's log")?;
        if let Some(status) = ended {
            anyhow::bail!(
                "the local cluster did not start ({status}); its logs are in {}",
                dir.display()
            );
        }
        if supervisor::is_ready(place) {
            return Ok(());
        }
        if !connected && namespaces::has_own_network(supervisor.id()) {
            namespaces::connect(place, supervisor.id())?;
            connected = true;
        }
        anyhow::ensure!(
            started.elapsed() < READY_MAX,
            "the local cluster is not ready after {READY_MAX:?}; its logs are in {}",
            dir.display()
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn show(log: &mut File) -> io::Result<()> {
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    io::stderr().write_all(&text)
}
