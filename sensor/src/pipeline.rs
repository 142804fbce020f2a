//! From records of the kernel to alerts: decode, enrich, evaluate, send.
//!
//! ```text
//! queue of records ─▶ decode ─▶ enrich ─┬───────────────────▶ rules ─▶ outputs
//! answers of runtimes ─▶ containers     └▶ held (≤ 500 ms) ─┘
//! ```
//!
//! An event of a container that the runtime was just asked about is held: the
//! rules may look at its image or namespace, and whoever acts on the alert
//! needs the pod. Nothing else waits.

mod held;
mod losses;
mod recorder;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_alert::Priority;
use lanner_engine::Scratch;
use tokio::sync::mpsc;
use tracing::{info, warn};

pub use self::recorder::Recorder;
use self::{held::Held, losses::LossReport};
use crate::{
    alerts::AlertMaker,
    decode::decode,
    enrich::{
        Enriched, Enricher,
        metadata::{Answer, Known},
    },
    event::SyscallEvent,
    output::Outputs,
    source::ebpf::LossCounts,
};

/// How often held events, losses and the recording are looked after.
const TICK: Duration = Duration::from_millis(50);

/// Least time between two reports of losses.
const EVERY: Duration = Duration::from_secs(10);

/// What the pipeline works with.
pub struct Pipeline {
    pub enricher: Enricher,
    pub maker: Arc<AlertMaker>,
    pub outputs: Outputs,
    pub recorder: Option<Recorder>,
    pub losses: Arc<LossCounts>,
    pub scratch: Scratch,
}

/// What went by, for the log line at the end.
#[derive(Debug, Default)]
struct Totals {
    records: u64,
    evaluated: u64,
    alerts: u64,
    undecodable: u64,
}

impl Pipeline {
    /// Works until the queue of records ends, as it does when its reader stops.
    pub async fn run(
        mut self,
        mut records: mpsc::Receiver<Vec<u8>>,
        mut answers: mpsc::Receiver<Answer>,
    ) {
        let mut held = Held::default();
        let mut report = LossReport::default();
        let mut totals = Totals::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                record = records.recv() => {
                    let Some(record) = record else { break };
                    self.take(&record, &mut held, &mut totals);
                }
                Some(answer) = answers.recv() => {
                    let now = Instant::now();
                    let id = answer.0.clone();
                    self.enricher.containers.answer(answer, now);
                    for event in held.take_of(&id) {
                        self.release(event, now, &mut totals);
                    }
                }
                _ = tick.tick() => {
                    let now = Instant::now();
                    for event in held.take_late(now) {
                        self.release(event, now, &mut totals);
                    }
                    self.tell_losses(&mut report, &totals, EVERY);
                }
            }
        }
        for event in held.take_all() {
            self.release(event, Instant::now(), &mut totals);
        }
        self.tell_losses(&mut report, &totals, Duration::ZERO);
        if let Some(recorder) = self.recorder.take() {
            recorder.finish();
        }
        info!(
            records = totals.records,
            evaluated = totals.evaluated,
            alerts = totals.alerts,
            undecodable = totals.undecodable,
            processes = self.enricher.processes.len(),
            processes_refused = self.enricher.processes.refused(),
            look_ups_refused = self.enricher.containers.refused(),
            "pipeline stopped"
        );
        self.outputs.finish().await;
    }

    fn take(&mut self, record: &[u8], held: &mut Held, totals: &mut Totals) {
        totals.records += 1;
        let event = match decode(record) {
            Ok(event) => event,
            Err(error) => {
                if totals.undecodable == 0 {
                    warn!(%error, "a record of the kernel side cannot be read; more are only counted");
                }
                totals.undecodable += 1;
                return;
            }
        };
        let is_recording = self.recorder.is_some();
        let rules = self.maker.rules();
        let wants = |event_type: &str| is_recording || rules.wants(event_type);
        let now = Instant::now();
        let Some(Enriched { event, is_waiting }) = self.enricher.take(event, wants, now) else {
            return;
        };
        // A full house means that the event goes on without its container's facts.
        let not_held = if is_waiting { held.hold(event, now) } else { Some(event) };
        if let Some(event) = not_held {
            self.evaluate(&event, totals);
        }
    }

    fn release(&mut self, mut event: SyscallEvent, now: Instant, totals: &mut Totals) {
        if let Some(container) = &event.container
            && let Known::Info(info) = self.enricher.containers.look_up(&container.full, now)
        {
            event.info = Some(info);
        }
        self.evaluate(&event, totals);
    }

    fn evaluate(&mut self, event: &SyscallEvent, totals: &mut Totals) {
        totals.evaluated += 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.write(event, self.maker.rules().fields());
        }
        let found =
            self.maker.alerts(&mut self.scratch, event, || event.entity(), event.is_incomplete());
        for alert in found {
            totals.alerts += 1;
            self.outputs.send(&alert);
        }
    }

    /// Reports of one kind are at least `every` apart.
    fn tell_losses(&self, report: &mut LossReport, totals: &Totals, every: Duration) {
        for (output, drops) in self.outputs.drops() {
            report.output(output, drops, every);
        }
        let lost = report.events(&self.losses, totals.undecodable, every);
        let Some(message) = lost else { return };
        warn!("{message}");
        let now = jiff::Timestamp::now();
        let alert = self.maker.own("Lanner lost events", Priority::Critical, &message, now);
        self.outputs.send(&Arc::new(alert));
    }
}
