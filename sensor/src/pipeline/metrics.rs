//! The sensor's counters, as Falco tells its own: an alert and a log line at intervals.
//!
//! Names are `lanner.<part>.<what>`; all but those that say a unit are counts since the start.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::time::ClockId;
use serde_json::{Map, Value as Json};

use super::{Cause, Common, Totals, locked, status::Teller};
use crate::{
    config::MetricsConfig,
    decode::Family,
    output::{DropCounts, StatusSender},
};

/// Values by name.
pub type Fields = Map<String, Json>;

/// A part of the sensor that has counters of its own.
type Contributor = Box<dyn Fn(&mut Fields) + Send>;

/// Knows when a snapshot is due and what goes into it.
pub struct Metrics {
    every: Option<Duration>,
    has_alert: bool,
    started: Instant,
    last: Instant,
    /// Processor time at the last snapshot.
    last_cpu: Duration,
    contributors: Vec<Contributor>,
    teller: Option<Teller>,
}

/// How often the forwarder is told, whether metrics are enabled or not: what
/// they cost is theirs who read them.
pub const STATUS_EVERY: Duration = Duration::from_secs(10);

impl Metrics {
    pub fn new(config: &MetricsConfig) -> Self {
        let interval = Duration::try_from(config.interval).unwrap_or(Duration::MAX);
        Self {
            every: config.enabled.then_some(interval),
            has_alert: config.output_rule,
            started: Instant::now(),
            last: Instant::now(),
            last_cpu: cpu_time(),
            contributors: Vec::new(),
            teller: None,
        }
    }

    /// The forwarder is told now and then how the sensor is.
    pub fn tell(&mut self, status: StatusSender, every: Duration) {
        self.teller = Some(Teller::new(status, every));
    }

    /// Tells it, if it is time.
    pub(super) fn tell_status(&mut self, now: Instant, common: &Common, totals: &Totals) {
        let Some(teller) = self.teller.as_mut().filter(|teller| teller.is_due(now)) else { return };
        let mut parts = Map::new();
        for contributor in &self.contributors {
            contributor(&mut parts);
        }
        teller.tell(now, common, totals, &parts);
    }

    /// `contributor` is asked for its values at each snapshot.
    pub fn add(&mut self, contributor: impl Fn(&mut Fields) + Send + 'static) {
        self.contributors.push(Box::new(contributor));
    }

    /// How often it may be time.
    pub(super) fn every(&self) -> Duration {
        self.every.unwrap_or(Duration::MAX)
    }

    pub(super) fn has_alert(&self) -> bool {
        self.has_alert
    }

    /// What the process takes, and what the contributors have, if it is time.
    pub(super) fn due(&mut self, now: Instant) -> Option<Fields> {
        let passed = now.duration_since(self.last);
        if self.every.is_none_or(|every| passed < every) {
            return None;
        }
        let cpu = cpu_time();
        let used = cpu.saturating_sub(self.last_cpu).as_secs_f64() / passed.as_secs_f64() * 100.0;
        (self.last, self.last_cpu) = (now, cpu);
        let mut fields = Map::new();
        let mut add = |name: &str, value: Json| fields.insert(name.to_owned(), value);
        add("lanner.version", env!("CARGO_PKG_VERSION").into());
        add("lanner.duration_seconds", now.duration_since(self.started).as_secs().into());
        add("lanner.cpu_seconds", cpu.as_secs_f64().into());
        // Of one processor, since the snapshot before.
        add("lanner.cpu_usage_percent", ((used * 10.0).round() / 10.0).into());
        if let Some(resident) = resident_kib() {
            add("lanner.memory_rss_kib", resident.into());
        }
        for contributor in &self.contributors {
            contributor(&mut fields);
        }
        Some(fields)
    }
}

/// What the partitions and the outputs count.
pub(super) fn add_common(fields: &mut Fields, common: &Common, totals: &Totals) {
    let mut add = |name: String, value: u64| fields.insert(name, value.into());
    for (family, read) in Family::ALL.into_iter().zip(totals.read) {
        add(format!("lanner.events.{}.read", family.name()), read);
    }
    for (family, cause, count) in common.losses.counts() {
        add(format!("lanner.events.{family}.lost.{}", cause.name()), count);
    }
    for cause in Cause::ALL {
        add(format!("lanner.events.lost.{}", cause.name()), common.losses.of_cause(cause));
    }
    add("lanner.events.evaluated".to_owned(), totals.evaluated);
    add("lanner.events.held".to_owned(), totals.held);
    add("lanner.events.held_refused".to_owned(), totals.held_refused);
    add("lanner.events.early".to_owned(), totals.early);
    add("lanner.events.early_given_up".to_owned(), totals.early_given_up);
    add("lanner.events.early_refused".to_owned(), totals.early_refused);
    add("lanner.alerts.made".to_owned(), totals.alerts);
    {
        let repetition = locked(&common.repetition);
        add("lanner.alerts.kept_back".to_owned(), repetition.kept_back());
        add("lanner.repetition.buckets_evicted".to_owned(), repetition.evicted());
    }
    for (output, drops) in common.alerts.drops() {
        add(format!("lanner.alerts.lost.{output}"), DropCounts::total(drops));
        for (priority, count) in drops.counts() {
            add(format!("lanner.alerts.lost.{output}.{priority}"), count);
        }
    }
    let node = &common.node;
    add("lanner.processes.known".to_owned(), node.processes.len() as u64);
    add("lanner.processes.size_bytes".to_owned(), node.processes.size_bytes() as u64);
    add("lanner.processes.refused".to_owned(), node.processes.refused());
    add("lanner.processes.cut".to_owned(), node.processes.cut());
    add("lanner.processes.read_from_proc".to_owned(), node.processes_read());
    add("lanner.slow_reads.given_up".to_owned(), node.slow_reads_given_up());
    add("lanner.containers.look_ups_refused".to_owned(), node.look_ups_refused());
    for (rule, count) in &*locked(&common.matches) {
        add(format!("lanner.rules.{}", rule.replace(|c: char| !c.is_alphanumeric(), "_")), *count);
    }
}

/// Of all threads so far.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    time.try_into().unwrap_or_default()
}

pub(super) fn resident_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
