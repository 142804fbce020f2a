//! A real Kubernetes cluster of one node on this machine, for the demo and the
//! end-to-end tests: etcd, API server, controller-manager, scheduler, kube-proxy,
//! containerd and kubelet.
//!
//! ```text
//! cargo xtask cluster up ──▶ supervisor, in namespaces of its own for
//!                            ├─ network: its addresses, rules and ports are not the machine's
//!                            ├─ mounts:  /run, /var/lib and /var/log are folders of the cluster
//!                            └─ cgroup:  all processes, pods too, can be found and killed
//! ```
//!
//! So nothing of it stays on the machine once its processes are killed, its
//! cgroup and its folder removed, which [`down`] does however it ended. Inside
//! the paths are those of any node, so manifests need no change.
//!
//! There is no cluster DNS, nothing enforces NetworkPolicies, and pods do not
//! reach the outside.

mod cgroup;
mod images;
mod launch;
mod namespaces;
mod node;
mod place;
mod supervisor;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_testkit::programs::{Program, cache_dir};
use rustix::process::{Signal, kill_process};

use self::place::Place;
pub(crate) use self::supervisor::{Arguments as SupervisorArguments, main as supervise};
use crate::{
    deploy::Lanner,
    run::{is_root, output_of, repository},
};

const STOP_MAX: Duration = Duration::from_secs(60);

/// The node's name.
pub(crate) const NODE_NAME: &str = "lanner-node";

/// The image of a small system with a shell, there from the start.
pub(crate) const BUSYBOX_IMAGE: &str = images::BUSYBOX;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,

    /// The cluster's folder [default: beside the tools' cache]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Start the cluster and wait until its node is ready
    Up,
    /// Stop it and remove all that is left of it, however it ended
    Down,
    /// Say whether it runs, and what runs on it
    Status,
    /// Give its node an image, as `cargo xtask image` writes it
    Load {
        /// The image's tar file
        tar: PathBuf,
    },
    /// Put Lanner on it, built from these sources
    Deploy {
        /// How to build the programs
        #[arg(long, default_value = "release")]
        profile: String,
        /// Let playbooks act, and not only say what they would do
        #[arg(long)]
        enforce: bool,
    },
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let dir = arguments.dir.clone().unwrap_or_else(default_dir);
    match &arguments.action {
        Action::Up => {
            let cluster = Cluster::up(&dir)?;
            println!("node {NODE_NAME} is ready");
            println!("export KUBECONFIG={}", cluster.kubeconfig().display());
            Ok(())
        }
        Action::Down => down(&dir),
        Action::Status => {
            let cluster = running(&dir)?;
            println!("export KUBECONFIG={}", cluster.kubeconfig().display());
            let place = Place::of(&dir);
            println!("cgroup {}, network link {}", place.cgroup(), place.link());
            print!("{}", output_of(cluster.kubectl().args(["get", "nodes", "-o", "wide"]))?);
            print!("{}", output_of(cluster.kubectl().args(["get", "pods", "-A", "-o", "wide"]))?);
            Ok(())
        }
        Action::Deploy { profile, enforce } => {
            let (rules, playbooks) = (repository().join("rules"), repository().join("playbooks"));
            let (rules, playbooks) = (rules.as_path(), playbooks.as_path());
            let lanner = Lanner { profile, rules, playbooks, enforce: *enforce };
            let deployed = lanner.deploy(&running(&dir)?)?;
            println!("certificates for the bus: {}", deployed.certificates.display());
            println!("the tool: {}", deployed.programs.tool().display());
            Ok(())
        }
        Action::Load { tar } => running(&dir)?.import_image(tar),
    }
}

fn running(dir: &Path) -> anyhow::Result<Cluster> {
    Cluster::running(dir).with_context(|| format!("no cluster runs in {}", dir.display()))
}

/// Where a cluster lives when nobody says: `lanner/cluster` in the user's cache.
pub(crate) fn default_dir() -> PathBuf {
    cache_dir().with_file_name("cluster")
}

/// A cluster that runs.
pub(crate) struct Cluster {
    dir: PathBuf,
    /// The supervisor, when it is to end with us.
    tied: Option<Child>,
}

impl Cluster {
    /// Starts a cluster in `dir` that goes when this value, or this process,
    /// goes; its ready node has the image `lanner.local/busybox:1`.
    ///
    /// # Errors
    /// With what is missing, or the end of the log of what did not start.
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Self> {
        let supervisor = launch::launch(dir)?;
        Ok(Self { dir: dir.to_owned(), tied: Some(supervisor) })
    }

    /// Starts a cluster in `dir` that stays until [`down`]; one that runs
    /// already is taken as it is.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) fn up(dir: &Path) -> anyhow::Result<Self> {
        if let Some(running) = Self::running(dir) {
            return Ok(running);
        }
        launch::untie(launch::launch(dir)?)?;
        Ok(Self { dir: dir.to_owned(), tied: None })
    }

    /// The cluster that runs in `dir` and is ready.
    pub(crate) fn running(dir: &Path) -> Option<Self> {
        let place = Place::of(dir);
        let runs = supervisor::find(&place).ok()?.is_some() && supervisor::is_ready(&place);
        runs.then(|| Self { dir: place.dir().to_owned(), tied: None })
    }

    /// Its folder, with the logs of all that runs for it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The kubeconfig file of a user who may do everything.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("pki/admin.kubeconfig")
    }

    /// A `kubectl` command with that user's rights.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = Command::new(Program::Kubectl.cached());
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command
    }

    /// Gives the node an image, so that pods with `imagePullPolicy: Never` or
    /// `IfNotPresent` find it.
    pub(crate) fn import_image(&self, tar: &Path) -> anyhow::Result<()> {
        node::import_image(&self.containerd_socket(), tar)
    }

    /// The container runtime's socket, as seen from outside of the cluster; on
    /// the node it is `/run/containerd/containerd.sock`.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.dir.join("run/containerd/containerd.sock")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut supervisor) = self.tied.take() else { return };
        // Its standard input ends, and so does it; what it leaves, `down` takes.
        drop(supervisor.stdin.take());
        let _ = supervisor.wait();
        if let Err(error) = down(&self.dir) {
            eprintln!("error: the local cluster is not gone: {error:#}");
        }
    }
}

/// Stops the cluster in `dir` and removes all that is left of it: also of one
/// that was killed half way.
///
/// # Errors
/// When something of it does not go away.
pub(crate) fn down(dir: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "only root may stop the local cluster");
    let place = Place::of(dir);
    let started = Instant::now();
    while let Some(supervisor) = supervisor::find(&place)?
        && started.elapsed() < STOP_MAX
    {
        // It may be gone by now, which is what we want.
        let _ = kill_process(supervisor, Signal::TERM);
        thread::sleep(Duration::from_millis(50));
    }
    cgroup::kill_and_remove(&place.cgroup())?;
    namespaces::disconnect(&place)?;
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
