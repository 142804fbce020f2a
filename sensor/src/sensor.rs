//! The sensor as a daemon: puts source, pipeline and outputs together.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::Priority;
use lanner_engine::Scratch;
use lanner_service::{CancellationToken, Daemon, Finding};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::{
    alerts::AlertMaker,
    config::Config,
    doctor,
    enrich::{Enricher, cri, metadata::Containers, procfs::Procfs},
    output::{LossAlert, Outputs},
    pipeline::{Pipeline, Recorder},
    rules,
    source::{
        ebpf::{self, LossCounts},
        replay,
    },
};

/// Records between the reader of the ring and the rules.
const RECORDS_MAX: usize = 16_384;

/// Questions to the runtimes, and their answers.
const LOOK_UPS_MAX: usize = 1024;

/// Flags of `run`.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// Evaluate the recorded events of this file and end, without eBPF
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,

    /// Write every event that is evaluated to this file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
}

/// `lanner-sensor`.
pub struct Sensor;

impl Daemon for Sensor {
    const NAME: &'static str = "lanner-sensor";
    const ABOUT: &'static str = "Kernel events in, alerts out";
    const CONFIG_FILE: &'static str = "/etc/lanner/sensor.yaml";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;
    type Flags = Flags;

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()?;
        let (_, diagnostics) = rules::read(&config.rule_files()?, &config.rule_options())?;
        let errors = rules::count_errors(&diagnostics);
        anyhow::ensure!(
            errors == 0,
            "{errors} errors in the rules\n{}",
            diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
        Ok(())
    }

    /// One bad rule is told and left out; the others are evaluated.
    fn check_to_run(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn doctor(config: &Config) -> Vec<Finding> {
        doctor::examine(config).await
    }

    async fn run(config: Config, flags: Flags, stop: CancellationToken) -> anyhow::Result<()> {
        let maker = Arc::new(alert_maker(&config)?);
        let outputs = Outputs::start(&config.outputs, loss_alert(&maker));
        for (output, _) in outputs.drops() {
            info!(output, "output enabled");
        }
        match &flags.replay {
            Some(recording) => replay_file(recording, &maker, outputs).await,
            None => watch_kernel(config, flags, maker, outputs, stop).await,
        }
    }
}

/// Reads the rules and says what is in them.
fn alert_maker(config: &Config) -> anyhow::Result<AlertMaker> {
    let files = config.rule_files()?;
    let (set, diagnostics) = rules::read(&files, &config.rule_options())?;
    for diagnostic in &diagnostics {
        warn!("{diagnostic}");
    }
    let enabled = set.rules().filter(|rule| rule.enabled).count();
    info!(
        files = files.len(),
        rules = set.rules().count(),
        enabled,
        errors = rules::count_errors(&diagnostics),
        "rules loaded"
    );
    Ok(AlertMaker::new(set, &config.node(), config.cluster.as_deref()))
}

fn loss_alert(maker: &Arc<AlertMaker>) -> LossAlert {
    let maker = Arc::clone(maker);
    Box::new(move |message| {
        maker.own("Lanner lost alerts", Priority::Critical, message, Timestamp::now())
    })
}

async fn replay_file(
    recording: &std::path::Path,
    maker: &AlertMaker,
    outputs: Outputs,
) -> anyhow::Result<()> {
    let (mut events, mut alerts) = (0_u64, 0_u64);
    let mut scratch = Scratch::default();
    let read = replay::read(recording, |replayed| {
        events += 1;
        let entity = || replay::entity(&replayed);
        for alert in maker.alerts(&mut scratch, &replayed, entity, false) {
            alerts += 1;
            outputs.send(&alert);
        }
    });
    info!(events, alerts, "replay finished");
    outputs.finish().await;
    read
}

async fn watch_kernel(
    config: Config,
    flags: Flags,
    maker: Arc<AlertMaker>,
    outputs: Outputs,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let recorder = flags.record.as_deref().map(Recorder::create).transpose()?;
    let node = config.node();
    let loaded = ebpf::load(&config.ebpf.load_options())
        .context("no kernel events (`lanner-sensor doctor` says what is missing)")?;
    info!(
        hooks = loaded.hooks(),
        programs = loaded.program_set(),
        calls = loaded.delivered().count(),
        sees_compat_calls = loaded.sees_compat_calls(),
        "kernel programs attached"
    );
    for (handler, error) in loaded.missing() {
        warn!(handler = handler.name, %error, "the kernel refuses a program; its calls are not seen");
    }

    let sockets = config.runtimes.cri_sockets;
    list_runtimes(&sockets);
    let (requests, asked) = mpsc::channel(LOOK_UPS_MAX);
    let (answers, answered) = mpsc::channel(LOOK_UPS_MAX);
    let containers = Containers::new((!sockets.is_empty()).then_some(requests));
    let mut enricher = Enricher::new(&node, Procfs::default(), containers);
    match enricher.add_running() {
        Ok(processes) => info!(node, processes, "watching"),
        Err(error) => warn!(%error, "cannot read /proc; older processes stay unknown"),
    }

    let losses = Arc::new(LossCounts::default());
    let (queue, records) = mpsc::channel(RECORDS_MAX);
    let reader = tokio::spawn(ebpf::read_until(stop.clone(), loaded, queue, Arc::clone(&losses)));
    let runtimes = tokio::spawn(cri::run(sockets, asked, answers, stop));

    Pipeline { enricher, maker, outputs, recorder, losses, scratch: Scratch::default() }
        .run(records, answered)
        .await;
    runtimes.abort();
    match reader.await {
        Ok(ended) => ended.context("cannot read the ring buffer"),
        Err(error) => {
            error!(%error, "the reader of the ring buffer died");
            Err(error.into())
        }
    }
}

/// Says which runtimes are there. The others may come later.
fn list_runtimes(sockets: &[PathBuf]) {
    let (there, missing): (Vec<_>, Vec<_>) = sockets.iter().partition(|socket| socket.exists());
    for socket in &missing {
        info!(socket = %socket.display(), "no container runtime at this socket");
    }
    if there.is_empty() {
        warn!("no container runtime's socket is there; alerts lack pod and image");
    }
}
