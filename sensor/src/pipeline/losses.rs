//! What was lost and why: counted, and told loudly the first time, then at intervals.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use serde_json::{Map, Value as Json};
use tracing::warn;

use crate::{decode::Family, output::DropCounts};

/// Why an event was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its ring was full: we read too slowly.
    RingFull,
    /// Its ring was nearly full, and what is left is for events that tell more.
    Shed,
    /// Its record cannot be read: the kernel side is not the one that we were built with.
    Undecodable,
    /// It is missing from the recording alone: the disk is too slow.
    NotRecorded,
    /// The kernel did not run the program that tells of it: it was running another one.
    NotRun,
    /// A container started, and too many others did at that moment.
    NotTold,
}

impl Cause {
    pub const ALL: [Self; 6] = [
        Self::RingFull,
        Self::Shed,
        Self::Undecodable,
        Self::NotRecorded,
        Self::NotRun,
        Self::NotTold,
    ];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::Shed => "shed",
            Self::Undecodable => "undecodable",
            Self::NotRecorded => "not_recorded",
            Self::NotRun => "not_run",
            Self::NotTold => "not_told",
        }
    }
}

const CAUSES: usize = Cause::ALL.len();

/// Events lost since the start, by family and cause.
#[derive(Debug, Default)]
pub struct LossCounts {
    by_family: [[AtomicU64; CAUSES]; Family::ALL.len()],
    /// Of no family that this build knows.
    unknown: [AtomicU64; CAUSES],
}

impl LossCounts {
    /// One more. `None` is a family that this build does not know.
    pub fn add(&self, family: Option<Family>, cause: Cause) {
        if let Some(count) = self.slot(family, cause) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// The count that somebody else keeps, the kernel side say.
    pub fn set(&self, family: Option<Family>, cause: Cause, count: u64) {
        if let Some(slot) = self.slot(family, cause) {
            slot.store(count, Relaxed);
        }
    }

    pub fn get(&self, family: Option<Family>, cause: Cause) -> u64 {
        self.slot(family, cause).map_or(0, |count| count.load(Relaxed))
    }

    pub fn of_cause(&self, cause: Cause) -> u64 {
        families().map(|family| self.get(family, cause)).sum()
    }

    /// Family, cause and count, of those that have one.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, Cause, u64)> {
        families().flat_map(move |family| {
            let name = family.map_or("unknown", Family::name);
            let counts = Cause::ALL.map(|cause| (name, cause, self.get(family, cause)));
            counts.into_iter().filter(|(_, _, count)| *count > 0)
        })
    }

    fn slot(&self, family: Option<Family>, cause: Cause) -> Option<&AtomicU64> {
        let causes = match family {
            Some(family) => self.by_family.get(family.index())?,
            None => &self.unknown,
        };
        causes.get(cause as usize)
    }
}

fn families() -> impl Iterator<Item = Option<Family>> {
    Family::ALL.into_iter().map(Some).chain([None])
}

#[derive(Default)]
pub(super) struct LossReport {
    events_told: u64,
    events_at: Option<Instant>,
    outputs: HashMap<&'static str, (u64, Instant)>,
}

impl LossReport {
    /// A sentence about events lost since the last report and the counts since the start, if
    /// there are new ones and the last report is not too near.
    pub(super) fn events(
        &mut self,
        losses: &LossCounts,
        every: Duration,
    ) -> Option<(String, Map<String, Json>)> {
        let total: u64 = losses.counts().map(|(_, _, count)| count).sum();
        if total <= self.events_told || !is_time(self.events_at, every) {
            return None;
        }
        let mut message =
            format!("Lanner lost {} events since the last report", total - self.events_told);
        let mut fields = Map::new();
        fields.insert("lost.new".to_owned(), (total - self.events_told).into());
        for (family, cause, count) in losses.counts() {
            // Writing to a String cannot fail.
            let _ = write!(message, " {family}.{}={count}", cause.name());
            fields.insert(format!("lost.{family}.{}", cause.name()), count.into());
        }
        message.push_str(" (by family and cause, since the start)");
        self.events_told = total;
        self.events_at = Some(Instant::now());
        Some((message, fields))
    }

    /// Logs alerts that an output lost.
    pub(super) fn output(&mut self, output: &'static str, drops: &DropCounts, every: Duration) {
        let total = drops.total();
        let (told, at) = match self.outputs.get(output) {
            Some((told, at)) => (*told, Some(*at)),
            None => (0, None),
        };
        if total <= told || !is_time(at, every) {
            return;
        }
        let counts = drops.counts().map(|(priority, count)| format!("{priority}={count}"));
        let by_priority = counts.collect::<Vec<_>>().join(" ");
        warn!(output, lost = total - told, by_priority, "alerts lost");
        self.outputs.insert(output, (total, Instant::now()));
    }
}

fn is_time(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}
