//! One thread: all events of its processes, from their records to their alerts.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_engine::{RuleSet, Scratch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Cause, Common, early::Early, held::Held, locked, recorder::RecordSender, totals::TotalsWriter,
};
use crate::{
    decode::{Family, KernelEvent, decode},
    enrich::{Enricher, metadata::Known},
    event::SyscallEvent,
    repetition::Scope,
    source::{Next, Records, Wake},
};

/// Records that are read before anything else is looked at.
const BATCH: usize = 256;

/// The longest sleep: events that wake nobody wait no longer.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// How often held events and the clock are looked at under load.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often events are looked at that wait for another partition.
const LOOK_EARLY: Duration = Duration::from_millis(1);

/// How long a partition reads on when it is told to stop.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// The parent of all trees on the host.
const FIRST_PROCESS: u32 = 1;

pub(super) struct Partition {
    records: Box<dyn Records>,
    wake: Wake,
    stop: CancellationToken,
    worker: Worker,
}

/// What a record meets.
struct Worker {
    common: Arc<Common>,
    enricher: Enricher,
    rules: Arc<RuleSet>,
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
        records: Box<dyn Records>,
        (wake, stop): (Wake, CancellationToken),
        totals: TotalsWriter,
    ) -> Self {
        let mut new_rules = common.rules.clone();
        let rules = Arc::clone(&new_rules.borrow_and_update());
        let worker = Worker {
            enricher: Enricher::of_partition(Arc::clone(&common.node), index, partitions),
            rules,
            new_rules,
            scratch: Scratch::default(),
            early: Early::default(),
            held: Held::default(),
            recorder: common.recorder.as_ref().and_then(super::Recorder::sender),
            totals,
            common,
        };
        Self { records, wake, stop, worker }
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let mut looked = Instant::now();
        let mut stop_by = None;
        loop {
            let is_stopping = self.stop.is_cancelled();
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
            if next == Next::Empty {
                self.records.wait(&self.wake, self.worker.sleep_max())?;
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
        self.totals.own.count_record(event.head.family);
        let is_early = || self.enricher.is_early(&event.head);
        if self.early.has_of(event.head.tgid) || is_early() {
            self.totals.own.early += 1;
            // A full house means that it goes on with what is known.
            if let Some(event) = self.early.keep(event, Instant::now()) {
                self.go_on(event);
            }
        } else {
            self.go_on(event);
        }
    }

    fn go_on(&mut self, event: KernelEvent) {
        if self.new_rules.has_changed().unwrap_or(false) {
            self.rules = Arc::clone(&self.new_rules.borrow_and_update());
        }
        let (is_recording, rules) = (self.recorder.is_some(), &self.rules);
        let wants = |event_type: &str| is_recording || rules.wants(event_type);
        if let Some(event) = self.enricher.take(event, wants) {
            self.evaluate(event, true);
        }
    }

    /// `may_wait` for what the runtime knows, if a rule asks for it.
    fn evaluate(&mut self, event: SyscallEvent, may_wait: bool) {
        let about = || (event.entity(), event.is_incomplete());
        let maker = &self.common.maker;
        let alerts = maker.alerts(&self.rules, &mut self.scratch, &event, about);
        let must_wait = may_wait
            && (event.asked_too_early()
                || (!alerts.is_empty() && self.held.has_of(event.head.tgid)));
        // A full house means that the event goes on without its container's facts.
        let event = if must_wait {
            self.totals.own.held += 1;
            match self.held.hold(event, Instant::now()) {
                Some(event) => event,
                None => return,
            }
        } else {
            event
        };
        self.totals.own.evaluated += 1;
        if !alerts.is_empty() {
            self.send(&event, alerts);
        }
        if let Some(recorder) = &self.recorder {
            recorder.send(event, &self.rules, &self.common.losses);
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
            let is_over = until <= now;
            if !is_over
                && (self.early.has_of(event.head.tgid) || self.enricher.is_early(&event.head))
            {
                self.early.keep_on(until, event);
                continue;
            }
            if is_over {
                self.totals.own.early_given_up += 1;
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
            for event in self.held.take_ready(now, is_known) {
                self.release(event);
            }
        }
        self.enricher.look_at_clock();
        self.totals.show();
    }

    fn release(&mut self, mut event: SyscallEvent) {
        event.info.take();
        self.evaluate(event, false);
    }

    fn sleep_max(&self) -> Duration {
        match (self.early.is_empty(), self.held.is_empty()) {
            (false, _) => LOOK_EARLY,
            (true, false) => LOOK_EVERY,
            (true, true) => SLEEP_MAX,
        }
    }

    fn finish(mut self) {
        for (_, event) in self.early.take_all() {
            self.go_on(event);
        }
        for event in self.held.take_all() {
            self.release(event);
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
