//! Where alerts go. Any number of outputs at once, each with its own bounded
//! queue and task: one that is slow or gone costs the others nothing.
//!
//! ```text
//! alert ─┬▶ queue ▶ socket   (the forwarder, acknowledged)
//!        ├▶ queue ▶ stdout
//!        └▶ queue ▶ file, syslog, fifo
//! ```

mod fifo;
mod file;
mod format;
mod socket;
mod stdout;
mod syslog;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lanner_alert::{Alert, Priority};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::warn;

pub use self::{format::Format, socket::LossAlert};
use crate::config::OutputsConfig;

/// Alerts that wait for one output.
const QUEUE_ALERTS_MAX: usize = 8192;

/// How long the outputs may take for their last alerts. Longer than a forwarder
/// that is away is tried for.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// Alerts that an output did not take, by priority.
#[derive(Debug, Default)]
pub struct DropCounts([AtomicU64; Priority::ALL.len()]);

impl DropCounts {
    pub fn add(&self, priority: Priority) {
        if let Some(count) = self.0.get(priority as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The count of each priority that has one, the most urgent first.
    pub fn counts(&self) -> impl Iterator<Item = (Priority, u64)> {
        Priority::ALL.into_iter().filter_map(|priority| {
            let count = self.0.get(priority as usize)?.load(Ordering::Relaxed);
            (count > 0).then_some((priority, count))
        })
    }

    pub fn total(&self) -> u64 {
        self.counts().map(|(_, count)| count).sum()
    }
}

/// One output as the pipeline sees it.
struct Handle {
    name: &'static str,
    queue: mpsc::Sender<Arc<Alert>>,
    drops: Arc<DropCounts>,
}

/// All outputs.
pub struct Outputs {
    handles: Vec<Handle>,
    tasks: JoinSet<()>,
}

impl Outputs {
    /// Starts what the configuration names. `loss_alert` makes the alert that
    /// tells the forwarder what it missed.
    pub fn start(config: &OutputsConfig, loss_alert: LossAlert) -> Self {
        let mut outputs = Self { handles: Vec::new(), tasks: JoinSet::new() };
        if let Some(config) = &config.socket {
            let (queue, drops) = outputs.add("socket");
            let path = config.path.clone();
            outputs.tasks.spawn(socket::run(path, queue, drops, loss_alert));
        }
        if let Some(config) = &config.stdout {
            let (queue, drops) = outputs.add("stdout");
            outputs.tasks.spawn(stdout::run(config.format, queue, drops));
        }
        if let Some(config) = &config.file {
            let (queue, drops) = outputs.add("file");
            outputs.tasks.spawn(file::run(config.path.clone(), config.format, queue, drops));
        }
        if let Some(config) = &config.syslog {
            let (queue, drops) = outputs.add("syslog");
            outputs.tasks.spawn(syslog::run(config.path.clone(), config.format, queue, drops));
        }
        if let Some(config) = &config.fifo {
            let (queue, drops) = outputs.add("fifo");
            outputs.tasks.spawn(fifo::run(config.path.clone(), config.format, queue, drops));
        }
        outputs
    }

    /// Gives an alert to every output; never waits.
    pub fn send(&self, alert: &Arc<Alert>) {
        for handle in &self.handles {
            if handle.queue.try_send(Arc::clone(alert)).is_err() {
                handle.drops.add(alert.priority);
            }
        }
    }

    /// What each output lost so far.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, &DropCounts)> {
        self.handles.iter().map(|handle| (handle.name, &*handle.drops))
    }

    /// Closes the queues and waits until what is in them is written, but not for an
    /// other end that takes nothing.
    pub async fn finish(mut self) {
        let drops: Vec<_> =
            self.handles.drain(..).map(|handle| (handle.name, handle.drops)).collect();
        let written = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(FINISH_MAX, written).await.is_err() {
            warn!(outputs = self.tasks.len(), "outputs hang; what they hold is lost");
        }
        for (output, drops) in drops {
            let lost = drops.total();
            if lost > 0 {
                warn!(output, lost, "alerts lost since the start");
            }
        }
    }

    fn add(&mut self, name: &'static str) -> (mpsc::Receiver<Arc<Alert>>, Arc<DropCounts>) {
        let (queue, taken) = mpsc::channel(QUEUE_ALERTS_MAX);
        let drops = Arc::new(DropCounts::default());
        self.handles.push(Handle { name, queue, drops: Arc::clone(&drops) });
        (taken, drops)
    }
}

/// Logs the first success and the first failure of an output, and then each
/// change from one to the other, but not every single one.
struct Health {
    output: &'static str,
    is_good: Option<bool>,
}

impl Health {
    fn new(output: &'static str) -> Self {
        Self { output, is_good: None }
    }

    fn good(&mut self) {
        if self.is_good != Some(true) {
            tracing::info!(output = self.output, "output works");
            self.is_good = Some(true);
        }
    }

    fn bad(&mut self, error: &dyn std::fmt::Display) {
        if self.is_good != Some(false) {
            tracing::warn!(output = self.output, %error, "output fails; its alerts are lost and counted");
            self.is_good = Some(false);
        }
    }
}
