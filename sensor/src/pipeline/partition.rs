//! One thread: all events of its processes, from their records to their alerts.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_engine::{Matching, RuleSet, Scratch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Cause, Common,
    early::Early,
    held::{Held, Waiting},
    locked,
    progress::{Progress, now_since_boot_ns},
    recorder::RecordSender,
    totals::TotalsWriter,
};
use crate::{
    alerts::INCOMPLETE,
    decode::{EventHead, Family, KernelEvent, decode},
    enrich::{Enricher, metadata::Known},
    event::{CONTAINER_EVENT, SyscallEvent},
    repetition::Scope,
    rules::needing_runtime,
    source::{Next, Records},
};

/// Records that are read before anything else is looked at.
const BATCH: usize = 256;

/// The longest sleep: events that wake nobody wait no longer.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// How often held events and the clock are looked at under load.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often events are looked at that wait for another partition, which wakes this one too.
const LOOK_EARLY: Duration = Duration::from_millis(1);

/// How long a partition reads on when it is told to stop.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// The parent of all trees on the host.
const FIRST_PROCESS: u32 = 1;

pub(super) struct Partition {
    records: Box<dyn Records>,
    stop: CancellationToken,
    worker: Worker,
}

/// The rules that events are evaluated with.
pub(super) struct InUse {
    set: Arc<RuleSet>,
    /// Names of those whose alerts may need what the runtime knows.
    late: HashSet<String>,
}

impl InUse {
    fn of(set: Arc<RuleSet>) -> Arc<Self> {
        Arc::new(Self { late: needing_runtime(&set), set })
    }
}

/// What a record meets.
struct Worker {
    common: Arc<Common>,
    enricher: Enricher,
    progress: Progress,
    /// All records of before are read.
    read_ns: u64,
    rules: Arc<InUse>,
    new_rules: watch::Receiver<Arc<RuleSet>>,
    scratch: Scratch,
    early: Early,
    held: Held,
    recorder: Option<RecordSender>,
    totals: TotalsWriter,
}

impl Partition {
    /// `place` is its index, from 0, and how many there are.
    pub(super) fn new(
        common: Arc<Common>,
        (index, partitions): (u64, u64),
        progress: Progress,
        records: Box<dyn Records>,
        stop: CancellationToken,
        totals: TotalsWriter,
    ) -> Self {
        let mut new_rules = common.rules.clone();
        let rules = InUse::of(Arc::clone(&new_rules.borrow_and_update()));
        let worker = Worker {
            enricher: Enricher::of_partition(Arc::clone(&common.node), index, partitions),
            progress,
            read_ns: 0,
            rules,
            new_rules,
            scratch: Scratch::default(),
            early: Early::default(),
            held: Held::default(),
            recorder: common.recorder.as_ref().and_then(super::Recorder::sender),
            totals,
            common,
        };
        Self { records, stop, worker }
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let mut looked = Instant::now();
        let mut stop_by = None;
        loop {
            let is_stopping = self.stop.is_cancelled();
            let asked_ns = self.worker.progress.is_asked().then(now_since_boot_ns);
            let next = self.read_batch();
            let now = Instant::now();
            if is_stopping {
                // Under load there is always more: what came before the stop is enough.
                let stop_by = *stop_by.get_or_insert(now + FINISH_MAX);
                if next == Next::Empty || now >= stop_by {
                    break;
                }
            }
            if next == Next::Ended {
                break;
            }
            let look_every = if self.worker.early.is_empty() { LOOK_EVERY } else { LOOK_EARLY };
            if next == Next::Empty || now.duration_since(looked) >= look_every {
                self.worker.look_around(now);
                looked = now;
            }
            let is_drained = || next == Next::Empty && self.records.is_drained();
            self.worker.tell_progress(asked_ns.filter(|_| is_drained()));
            if next == Next::Empty {
                self.records.wait(self.worker.progress.own_wake(), self.worker.sleep_max())?;
            }
        }
        self.worker.finish();
        Ok(())
    }

    fn read_batch(&mut self) -> Next {
        for _ in 0..BATCH {
            let worker = &mut self.worker;
            let next = self.records.next(&mut |record| worker.take(record));
            if next != Next::Taken {
                return next;
            }
        }
        Next::Taken
    }
}

impl Worker {
    fn take(&mut self, record: &[u8]) {
        let event = match decode(record) {
            Ok(event) => event,
            Err(error) => {
                let losses = &self.common.losses;
                if losses.of_cause(Cause::Undecodable) == 0 {
                    warn!(%error, "a record of the kernel side cannot be read; more are only counted");
                }
                losses.add(Family::of_record(record), Cause::Undecodable);
                return;
            }
        };
        self.read_ns = self.read_ns.max(event.head.time_ns);
        self.totals.own.count_record(event.head.family);
        if self.early.holds_up(&event.head) || self.is_early(&event) {
            self.totals.own.early += 1;
            // A full house means that it goes on with what is known.
            let until = Instant::now() + self.common.early_max;
            if let Some(event) = self.early.keep(event, until) {
                self.totals.own.early_refused += 1;
                self.go_on(event);
            }
        } else {
            self.go_on(event);
        }
    }

    /// Whether another partition did not take in yet what the event tells of. What will not come
    /// any more is looked up.
    fn is_early(&mut self, event: &KernelEvent) -> bool {
        let head = &event.head;
        if self.enricher.is_early(head) {
            if !self.progress.has_passed(head.ppid, head.time_ns) {
                return true;
            }
            // Once more: it may have come since it was first looked at.
            if self.enricher.is_early(head) {
                self.stop_waiting(head);
            }
        }
        event.names_another() && !self.progress.have_all_passed(head.time_ns)
    }

    fn stop_waiting(&mut self, head: &EventHead) {
        if self.enricher.stop_waiting(head) {
            self.totals.own.early_given_up += 1;
        }
    }

    /// `drained_ns` is when the source was seen empty, if somebody wants to know.
    fn tell_progress(&mut self, drained_ns: Option<u64>) {
        self.read_ns = self.read_ns.max(drained_ns.unwrap_or_default());
        let waits_ns = self.early.oldest_ns().unwrap_or(u64::MAX);
        self.progress.publish(self.read_ns.min(waits_ns));
    }

    fn go_on(&mut self, event: KernelEvent) {
        if self.new_rules.has_changed().unwrap_or(false) {
            self.rules = InUse::of(Arc::clone(&self.new_rules.borrow_and_update()));
        }
        let (is_recording, rules) = (self.recorder.is_some(), &self.rules);
        let wants = |event_type: &str| is_recording || rules.set.wants(event_type);
        if let Some(event) = self.enricher.take(event, wants) {
            self.evaluate(event);
        }
    }

    /// Evaluates an event for the first time. What a rule asked of the runtime too early is
    /// waited for, by the alerts that need it.
    fn evaluate(&mut self, event: SyscallEvent) {
        let rules = Arc::clone(&self.rules);
        let mut alerts = self.alerts(&rules, &event);
        let is_behind = !alerts.is_empty() && self.held.has_of(event.head.tgid);
        if !event.asked_too_early() && !is_behind {
            self.finish_event(&rules, event, alerts);
            return;
        }
        // Where only the first rule that matches counts, which one that is is not known yet.
        let is_begun = !is_behind && rules.set.matching() == Matching::All;
        if is_begun {
            let late: Vec<_> =
                alerts.extract_if(.., |alert| rules.late.contains(&alert.rule)).collect();
            self.send(&event, std::mem::replace(&mut alerts, late));
        }
        self.totals.own.held += 1;
        // From files that nobody finds once the container's process is gone.
        let _ = event.names();
        // A full house means that the event goes on without its container's facts.
        let until = Instant::now() + self.common.held_max;
        let waiting = Waiting::new(event, rules, is_begun, until);
        if let Some(full) = self.held.hold(waiting) {
            self.totals.own.held_refused += 1;
            self.finish_event(&full.rules, full.event, alerts);
        }
    }

    fn alerts(&mut self, rules: &InUse, event: &SyscallEvent) -> Vec<Alert> {
        let about = || (event.entity(), event.is_incomplete());
        let maker = &self.common.maker;
        let mut alerts = maker.alerts(&rules.set, &mut self.scratch, event, about);
        // What a rule did not ask for is not missing from its alert.
        for alert in alerts.iter_mut().filter(|alert| !rules.late.contains(&alert.rule)) {
            alert.output_fields.remove(INCOMPLETE);
        }
        alerts
    }

    fn finish_event(&mut self, rules: &InUse, event: SyscallEvent, alerts: Vec<Alert>) {
        self.totals.own.evaluated += 1;
        if !alerts.is_empty() {
            self.send(&event, alerts);
        }
        if let Some(recorder) = &self.recorder {
            recorder.send(event, &rules.set, &self.common.losses);
        }
    }

    fn send(&mut self, event: &SyscallEvent, alerts: Vec<Alert>) {
        let common = &self.common;
        for alert in alerts {
            self.totals.own.alerts += 1;
            count_match(&mut locked(&common.matches), &alert.rule);
            let mut repetition = locked(&common.repetition);
            let admitted = repetition.admit(alert, || scope_of(event));
            let summaries = match repetition.is_full() {
                true => repetition.due(Some(event.time_ns), &common.maker),
                false => Vec::new(),
            };
            drop(repetition);
            for alert in admitted.into_iter().chain(summaries) {
                common.alerts.send(&Arc::new(alert));
            }
        }
    }

    /// Lets events go that need not wait any more. One that goes may be what the next one
    /// waits for.
    fn release_early(&mut self, now: Instant) {
        for (until, event) in self.early.take_all() {
            let is_late = until <= now;
            if !is_late && (self.early.holds_up(&event.head) || self.is_early(&event)) {
                self.early.keep_on(until, event);
                continue;
            }
            if is_late && self.enricher.is_early(&event.head) {
                self.stop_waiting(&event.head);
            }
            self.go_on(event);
        }
    }

    /// What is to be done now and then.
    fn look_around(&mut self, now: Instant) {
        self.release_early(now);
        if !self.held.is_empty() {
            let node = Arc::clone(self.enricher.node());
            let is_known = |event: &SyscallEvent| match &event.container {
                Some(container) => !matches!(node.container_info(&container.full), Known::Pending),
                None => true,
            };
            for waiting in self.held.take_ready(now, is_known) {
                self.release(waiting);
            }
        }
        for event in self.enricher.take_starts() {
            let rules = Arc::clone(&self.rules);
            if self.recorder.is_some() || rules.set.wants(CONTAINER_EVENT) {
                let alerts = self.alerts(&rules, &event);
                self.finish_event(&rules, event, alerts);
            }
        }
        self.enricher.look_at_clock();
        self.totals.show();
    }

    /// With what is known now, which may be nothing.
    fn release(&mut self, waiting: Waiting) {
        let Waiting { mut event, rules, is_begun, .. } = waiting;
        event.info.take();
        let mut alerts = self.alerts(&rules, &event);
        if is_begun {
            alerts.retain(|alert| rules.late.contains(&alert.rule));
        }
        self.finish_event(&rules, event, alerts);
    }

    fn sleep_max(&self) -> Duration {
        match (self.early.is_empty(), self.held.is_empty()) {
            (false, _) => LOOK_EARLY,
            (true, false) => LOOK_EVERY,
            (true, true) => SLEEP_MAX,
        }
    }

    fn finish(mut self) {
        // What they wait for may be read right now.
        while !self.early.is_empty() {
            self.release_early(Instant::now());
            // No more will come: only what waits here may hold up the others.
            self.tell_progress(Some(u64::MAX));
            thread::sleep(LOOK_EARLY);
        }
        for waiting in self.held.take_all() {
            self.release(waiting);
        }
        self.totals.show();
    }
}

fn count_match(matches: &mut BTreeMap<String, u64>, rule: &str) {
    match matches.get_mut(rule) {
        Some(count) => *count += 1,
        None => {
            matches.insert(rule.to_owned(), 1);
        }
    }
}

/// On the host, the outermost ancestor below the first process names a tree.
fn scope_of(event: &SyscallEvent) -> Scope {
    if let Some(container) = &event.container {
        return Scope::Container(container.full.clone());
    }
    let root = event.ancestors().iter().rfind(|ancestor| ancestor.key.pid != FIRST_PROCESS);
    Scope::Tree(root.map_or(event.process.key, |root| root.key))
}
