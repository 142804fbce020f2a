//! `cargo xtask demo`: the whole chain at work, told for a person.
//!
//! ```text
//! stage   host     every part a process here; the pod is an object of a real API server
//!         cluster  every part a pod of a real node, and so is the pod it happens in
//! watch   what the bus carries, read as any subscriber reads it
//! story   alert, plan and outcome of one event, with the time from the system call to each
//! ```
//!
//! Whatever way it ends, Ctrl-C too, what it started is gone.

mod cluster;
mod container;
mod host;
mod story;
mod watch;

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use lanner_bus::ConnectionConfig;

use self::{cluster::ClusterStage, host::HostStage, story::Story, watch::Watch};
use crate::tools::{self, Tool};

/// How long the chain may take to answer, on a slow machine too.
const ANSWER_MAX: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A real cluster of one node on this machine, Lanner's manifests on it and
    /// a shell in one of its pods. Takes root
    #[arg(long)]
    cluster: bool,

    /// End after the first answer; else watch on until Ctrl-C
    #[arg(long)]
    once: bool,

    /// Let playbooks act on the cluster of $KUBECONFIG; on clusters of our own
    /// they always may
    #[arg(long)]
    enforce: bool,

    /// The image of the pod in the cluster of $KUBECONFIG; it needs a shell
    #[arg(long, default_value = "docker.io/library/busybox:1.37")]
    image: String,
}

/// Where the chain runs, and how something happens there.
enum Stage {
    Host(Box<HostStage>),
    Cluster(ClusterStage),
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            shown = show(arguments) => shown,
            signal = tokio::signal::ctrl_c() => {
                println!("\nstopped; cleaning up");
                Ok(signal?)
            }
        }
    })
}

async fn show(arguments: &Arguments) -> anyhow::Result<()> {
    tools::get(&if arguments.cluster { Tool::all() } else { Tool::FOR_TESTS.to_vec() })?;
    println!("\nLanner: from a system call in a pod to that pod's end\n");
    let mut stage = Stage::set(arguments).await?;
    let mut watch = Watch::start(&stage.reader()).await?;
    let deed = stage.act().await?;
    let mut story = Story::begin(&deed);
    let told = tokio::time::timeout(ANSWER_MAX, async {
        while !story.is_over() {
            story.tell(watch.next().await?);
        }
        anyhow::Ok(())
    });
    match told.await {
        Ok(told) => told?,
        Err(_late) => anyhow::bail!("no answer within {ANSWER_MAX:?}\n{}", stage.logs()),
    }
    println!("{}", stage.aftermath()?);
    if arguments.once {
        return Ok(());
    }
    println!("\nwatching on, Ctrl-C ends it; {}", stage.hint());
    loop {
        story.tell(watch.next().await?);
    }
}

impl Stage {
    async fn set(arguments: &Arguments) -> anyhow::Result<Self> {
        if arguments.cluster {
            return Ok(Self::Cluster(ClusterStage::set().await?));
        }
        let kubeconfig = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
        let stage = match kubeconfig.map(PathBuf::from) {
            Some(path) => HostStage::set_beside(path, &arguments.image, arguments.enforce).await,
            None => HostStage::set().await,
        };
        Ok(Self::Host(Box::new(stage.context("cannot set the stage")?)))
    }

    fn reader(&self) -> ConnectionConfig {
        match self {
            Self::Host(stage) => stage.reader(),
            Self::Cluster(stage) => stage.reader(),
        }
    }

    /// Lets it happen; returns what happened, for people.
    async fn act(&mut self) -> anyhow::Result<String> {
        match self {
            Self::Host(stage) => stage.act(),
            Self::Cluster(stage) => stage.act().await,
        }
    }

    /// What is left of the pod.
    fn aftermath(&self) -> anyhow::Result<String> {
        match self {
            Self::Host(stage) => stage.aftermath(),
            Self::Cluster(stage) => stage.aftermath(),
        }
    }

    fn logs(&self) -> String {
        match self {
            Self::Host(stage) => stage.logs(),
            Self::Cluster(stage) => stage.logs(),
        }
    }

    /// What else a person may try.
    fn hint(&self) -> String {
        match self {
            Self::Host(stage) => stage.hint(),
            Self::Cluster(stage) => stage.hint(),
        }
    }
}

/// One line of what the stage is made of.
fn part(name: &str, text: &str) {
    println!("  {name:<11} {text}");
}
