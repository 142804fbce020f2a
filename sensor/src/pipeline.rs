//! From records of the kernel to alerts: decode, enrich, evaluate, send.
//!
//! ```text
//! ring 1 ─▶ partition 1: decode ─▶ enrich ─▶ rules ─┬─────────────────▶ repetition ─▶ outputs
//! ring 2 ─▶ partition 2: ...                        └▶ held (≤ 500 ms) ─┘
//! answers of runtimes ─▶ node (shared) ─▶ wakes partitions
//! clock ─▶ losses, metrics, summaries of repeated alerts
//! ```
//!
//! Each partition is a thread that has all events of a process, in their order. An event that
//! is read before what its parent became waits until the other partition has read that far, 2 s
//! at most. Its ring is the only queue before the rules, and a thread that is too slow loses events
//! there, counted by the kernel side. What partitions share is in [`Common`].

mod early;
mod held;
mod losses;
mod metrics;
mod partition;
mod progress;
mod recorder;
mod status;
mod totals;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use lanner_alert::Priority;
use lanner_engine::RuleSet;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::{
    early::EARLY_MAX,
    held::HELD_MAX,
    losses::{Cause, LossCounts},
    metrics::{Fields, Metrics, STATUS_EVERY},
    recorder::Recorder,
    status::tell_rules,
    totals::{Totals, TotalsReader},
};
use self::{losses::LossReport, partition::Partition, progress::Progress};
use crate::{
    alerts::AlertMaker,
    enrich::{Node, metadata::Answer},
    output::AlertSender,
    repetition::Repetition,
    source::{Records, Wake},
};

/// How often losses are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Least time between two reports of losses.
const EVERY: Duration = Duration::from_secs(10);

/// What all partitions work with.
pub struct Common {
    pub node: Arc<Node>,
    pub maker: AlertMaker,
    /// The rules in use; what is in it at the start of an event is for all of that event.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    pub alerts: AlertSender,
    pub recorder: Option<Recorder>,
    pub losses: Arc<LossCounts>,
    pub repetition: Arc<Mutex<Repetition>>,
    /// How long an event waits for another partition: [`EARLY_MAX`].
    pub early_max: Duration,
    /// How long one waits for what the runtime knows of its container: [`HELD_MAX`].
    pub held_max: Duration,
    /// Matches by rule.
    pub matches: Mutex<BTreeMap<String, u64>>,
}

/// What is done beside the partitions, each second.
pub struct Upkeep {
    /// Brings the kernel's own counters up to date.
    pub recount: Box<dyn FnMut(&LossCounts) + Send>,
    pub metrics: Metrics,
}

/// Partitions at work.
pub struct Pipeline {
    common: Arc<Common>,
    wakes: Vec<Wake>,
    totals: Vec<TotalsReader>,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
    /// Ends when the last partition did.
    ended: mpsc::Receiver<()>,
}

impl Pipeline {
    /// Starts a thread for each of `sources`, which work until `stop`, and then until their
    /// source is empty. One that dies or cannot read any more cancels `stop`: the others do not see
    /// its share, and whoever starts the process again gets all of it back.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        common: Common,
        sources: Vec<Box<dyn Records>>,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let common = Arc::new(common);
        let (end, ended) = mpsc::channel(1);
        let mut pipeline =
            Self { common, wakes: Vec::new(), totals: Vec::new(), threads: Vec::new(), ended };
        let partitions = sources.len() as u64;
        for _ in &sources {
            pipeline.wakes.push(Wake::new()?);
        }
        let progress = Progress::of_all(&pipeline.wakes);
        for (index, (records, progress)) in (0..).zip(sources.into_iter().zip(progress)) {
            let (totals, totals_reader) = totals::shared();
            let partition = Partition::new(
                Arc::clone(&pipeline.common),
                (index, partitions),
                progress,
                records,
                stop.clone(),
                totals,
            );
            let share = Share { is_done: false, stop: stop.clone(), _end: end.clone() };
            let run = move || share.hold(|| partition.run());
            let name = format!("partition {index}");
            pipeline.threads.push(thread::Builder::new().name(name).spawn(run)?);
            pipeline.totals.push(totals_reader);
        }
        Ok(pipeline)
    }

    /// Takes answers of runtimes, and tells of losses and counters, until all partitions ended.
    ///
    /// # Errors
    /// When a partition cannot read its records, or died.
    pub async fn run(
        mut self,
        mut answers: mpsc::Receiver<Answer>,
        mut upkeep: Upkeep,
    ) -> io::Result<()> {
        let mut report = LossReport::default();
        let mut tick = tokio::time::interval(upkeep.metrics.every().min(TICK));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.ended.recv() => break,
                Some(answer) = answers.recv() => {
                    self.common.node.answer(answer);
                    self.wakes.iter().for_each(Wake::wake);
                }
                _ = tick.tick() => {
                    (upkeep.recount)(&self.common.losses);
                    self.common.node.end_missing();
                    self.tell_losses(&mut report, EVERY);
                    self.tell_repeated(Some(now_ns()));
                    let totals = self.totals();
                    upkeep.metrics.tell_status(Instant::now(), &self.common, &totals);
                    if let Some(snapshot) = upkeep.metrics.due(Instant::now()) {
                        self.tell_metrics(&upkeep.metrics, snapshot);
                    }
                }
            }
        }
        let ended = self.threads.drain(..).map(thread::JoinHandle::join).collect::<Vec<_>>();
        if let Some(recorder) = &self.common.recorder {
            recorder.finish();
        }
        (upkeep.recount)(&self.common.losses);
        self.tell_losses(&mut report, Duration::ZERO);
        self.tell_repeated(None);
        let node = &self.common.node;
        let totals = self.totals();
        info!(
            records = totals.records(),
            evaluated = totals.evaluated,
            alerts = totals.alerts,
            undecodable = self.common.losses.of_cause(Cause::Undecodable),
            processes = node.processes.len(),
            processes_refused = node.processes.refused(),
            look_ups_refused = node.look_ups_refused(),
            "pipeline stopped"
        );
        for (index, ended) in ended.into_iter().enumerate() {
            if let Err(error) = ended.unwrap_or_else(|_panicked| Err(io::Error::other("it died"))) {
                return Err(io::Error::other(format!("partition {index} ended: {error}")));
            }
        }
        Ok(())
    }

    fn totals(&self) -> Totals {
        self.totals.iter().map(TotalsReader::read).sum()
    }

    /// Reports of one kind are at least `every` apart.
    fn tell_losses(&self, report: &mut LossReport, every: Duration) {
        let not_told = self.common.node.starts_dropped();
        self.common.losses.set(None, Cause::NotTold, not_told);
        for (output, drops) in self.common.alerts.drops() {
            report.output(output, drops, every);
        }
        let Some((message, fields)) = report.events(&self.common.losses, every) else { return };
        warn!("{message}");
        let now = jiff::Timestamp::now();
        let mut alert =
            self.common.maker.own("Lanner lost events", Priority::Critical, &message, now);
        alert.output_fields = fields;
        self.common.alerts.send(&Arc::new(alert));
    }

    /// Sends the summaries that are due, or all of them.
    fn tell_repeated(&self, now_ns: Option<i64>) {
        let due = locked(&self.common.repetition).due(now_ns, &self.common.maker);
        for alert in due {
            self.common.alerts.send(&Arc::new(alert));
        }
    }

    fn tell_metrics(&self, metrics: &Metrics, mut fields: Fields) {
        metrics::add_common(&mut fields, &self.common, &self.totals());
        info!(snapshot = %serde_json::Value::Object(fields.clone()), "metrics");
        if !metrics.has_alert() {
            return;
        }
        let (rule, message) = ("Lanner internal: metrics snapshot", "Lanner metrics snapshot");
        let now = jiff::Timestamp::now();
        let mut alert = self.common.maker.own(rule, Priority::Informational, message, now);
        alert.output_fields = fields;
        self.common.alerts.send(&Arc::new(alert));
    }
}

/// A partition's share of the events, held by its thread.
struct Share {
    /// All of it was read.
    is_done: bool,
    stop: CancellationToken,
    /// The last one that is dropped ends [`Pipeline::run`].
    _end: mpsc::Sender<()>,
}

impl Share {
    fn hold(mut self, read: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let ended = read();
        self.is_done = ended.is_ok();
        ended
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.is_done {
            self.stop.cancel();
        }
    }
}

/// Nanoseconds since the epoch.
fn now_ns() -> i64 {
    jiff::Timestamp::now().as_nanosecond().try_into().unwrap_or(i64::MAX)
}

/// A thread that died left what is whole: no change here stops half way.
fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
