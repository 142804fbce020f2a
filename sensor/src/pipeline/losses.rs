//! Says what was lost: loudly the first time, then at intervals.

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use tracing::warn;

use crate::{decode::Family, output::DropCounts, source::ebpf::LossCounts};

#[derive(Default)]
pub(super) struct LossReport {
    events_told: u64,
    events_at: Option<Instant>,
    outputs: HashMap<&'static str, (u64, Instant)>,
}

impl LossReport {
    /// A sentence about kernel events lost since the last report, if there are
    /// any and the last report is not too near.
    pub(super) fn events(
        &mut self,
        losses: &LossCounts,
        undecodable: u64,
        every: Duration,
    ) -> Option<String> {
        let lost = |family| losses.in_ring(family) + losses.in_queue(family);
        let total = Family::ALL.into_iter().map(lost).sum::<u64>() + losses.unknown() + undecodable;
        if total <= self.events_told || !is_time(self.events_at, every) {
            return None;
        }
        let mut message =
            format!("Lanner lost {} kernel events since the last report", total - self.events_told);
        for family in Family::ALL {
            let (ring, queue) = (losses.in_ring(family), losses.in_queue(family));
            if ring + queue > 0 {
                // Writing to a String cannot fail.
                let _ = write!(message, " {}={ring}+{queue}", family.name());
            }
        }
        message.push_str(" (since the start: in the ring buffer + in the queue behind it)");
        self.events_told = total;
        self.events_at = Some(Instant::now());
        Some(message)
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
