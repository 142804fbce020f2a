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
mod queue;
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
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tracing::warn;

pub use self::{format::Format, socket::LossAlert};
use crate::config::OutputsConfig;

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
    queue: queue::Sender,
    drops: Arc<DropCounts>,
}

/// The way to all outputs, for any thread.
#[derive(Clone)]
pub struct AlertSender(Arc<[Handle]>);

/// The way to whoever wants to know how the sensor is, as the JSON of its status.
pub type StatusSender = watch::Sender<Option<Arc<[u8]>>>;

/// All outputs.
pub struct Outputs {
    sender: AlertSender,
    status: StatusSender,
    tasks: JoinSet<()>,
}

impl AlertSender {
    /// Gives an alert to every output; never waits. An output that has too many takes
    /// the more urgent ones.
    pub fn send(&self, alert: &Arc<Alert>) {
        for handle in &*self.0 {
            handle.queue.send(alert);
        }
    }

    /// As [`AlertSender::send`], but waits for outputs that have too many, unless they take
    /// none at all. Blocks the thread.
    pub fn send_patiently(&self, alert: &Arc<Alert>) {
        for handle in &*self.0 {
            handle.queue.send_patiently(alert);
        }
    }

    /// What each output lost so far.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, &DropCounts)> {
        self.0.iter().map(|handle| (handle.name, &*handle.drops))
    }
}

impl Outputs {
    /// Starts what the configuration names. `loss_alert` makes the alert that
    /// tells the forwarder what it missed.
    pub fn start(config: &OutputsConfig, loss_alert: LossAlert) -> Self {
        let mut handles = Vec::new();
        let mut tasks = JoinSet::new();
        let status = StatusSender::default();
        let mut add = |name| {
            let drops = Arc::new(DropCounts::default());
            let (queue, taken) = queue::queue(Arc::clone(&drops));
            handles.push(Handle { name, queue, drops: Arc::clone(&drops) });
            (taken, drops)
        };
        if let Some(config) = &config.socket {
            let (queue, drops) = add("socket");
            let status = status.clone();
            tasks.spawn(socket::run(config.path.clone(), queue, drops, loss_alert, status));
        }
        if let Some(config) = &config.stdout {
            let (queue, drops) = add("stdout");
            tasks.spawn(stdout::run(config.format, queue, drops));
        }
        if let Some(config) = &config.file {
            let (queue, drops) = add("file");
            tasks.spawn(file::run(config.path.clone(), config.format, queue, drops));
        }
        if let Some(config) = &config.syslog {
            let (queue, drops) = add("syslog");
            tasks.spawn(syslog::run(config.path.clone(), config.format, queue, drops));
        }
        if let Some(config) = &config.fifo {
            let (queue, drops) = add("fifo");
            tasks.spawn(fifo::run(config.path.clone(), config.format, queue, drops));
        }
        Self { sender: AlertSender(handles.into()), status, tasks }
    }

    /// For whoever knows how the sensor is.
    pub fn status(&self) -> &StatusSender {
        &self.status
    }

    /// For whoever has alerts.
    pub fn sender(&self) -> &AlertSender {
        &self.sender
    }

    /// Closes the queues and waits until what is in them is written, but not for an
    /// other end that takes nothing.
    pub async fn finish(mut self) {
        for handle in &*self.sender.0 {
            handle.queue.close();
        }
        let written = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(FINISH_MAX, written).await.is_err() {
            warn!(outputs = self.tasks.len(), "outputs hang; what they hold is lost");
        }
        for (output, drops) in self.sender.drops() {
            let lost = drops.total();
            if lost > 0 {
                warn!(output, lost, "alerts lost since the start");
            }
        }
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
