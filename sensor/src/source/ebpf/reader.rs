//! Empties the ring buffer and never waits for anybody.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{io::unix::AsyncFd, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{Loaded, ring::Ring};
use crate::decode::Family;

/// Events lost since the start, by family.
#[derive(Debug, Default)]
pub struct LossCounts {
    ring: [AtomicU64; Family::ALL.len()],
    queue: [AtomicU64; Family::ALL.len()],
    unknown: AtomicU64,
}

impl LossCounts {
    /// Lost because the ring buffer was full: we read too slowly.
    pub fn in_ring(&self, family: Family) -> u64 {
        load(&self.ring, family)
    }

    /// Lost because the queue behind the reader was full: rules take too long.
    pub fn in_queue(&self, family: Family) -> u64 {
        load(&self.queue, family)
    }

    /// Records of a kind that this build does not know.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

fn load(counts: &[AtomicU64], family: Family) -> u64 {
    slot(counts, family).map_or(0, |count| count.load(Ordering::Relaxed))
}

fn slot(counts: &[AtomicU64], family: Family) -> Option<&AtomicU64> {
    counts.get((family as usize).checked_sub(1)?)
}

/// Why an event did not leave the kernel, as in `bpf/output.h`: no room, or shed.
const LOSS_CAUSES: u32 = 2;

/// Moves records from the rings to `queue` until `stop`.
///
/// # Errors
/// When a ring cannot be polled.
pub async fn read_until(
    stop: CancellationToken,
    mut loaded: Loaded,
    queue: mpsc::Sender<Vec<u8>>,
    losses: Arc<LossCounts>,
) -> io::Result<()> {
    let mut readers = tokio::task::JoinSet::new();
    for ring in loaded.take_rings() {
        readers.spawn(read_ring(stop.clone(), ring, queue.clone(), Arc::clone(&losses)));
    }
    drop(queue);
    let mut recount = tokio::time::interval(RECOUNT_EVERY);
    loop {
        tokio::select! {
            _ = recount.tick() => count_lost(&loaded.lost, &losses),
            ended = readers.join_next() => {
                count_lost(&loaded.lost, &losses);
                match ended {
                    Some(ended) => ended.map_err(io::Error::other)??,
                    None => return Ok(()),
                }
            }
        }
    }
}

async fn read_ring(
    stop: CancellationToken,
    ring: Ring,
    queue: mpsc::Sender<Vec<u8>>,
    losses: Arc<LossCounts>,
) -> io::Result<()> {
    // SAFETY: the ring owns its map's descriptor, gives the same one each time,
    // and is not taken apart before the AsyncFd is dropped.
    #[expect(unsafe_code, reason = "the descriptor's life is aya's promise, not a type's")]
    let mut ring = unsafe { AsyncFd::register(ring) }?;
    loop {
        ring.get_ref().ask_to_be_woken().map_err(io::Error::other)?;
        while let Some(record) = ring.get_mut().next_record() {
            hand_over(&queue, &losses, &record);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            // Fork and exit wake nobody.
            () = tokio::time::sleep(SLEEP_MAX) => {}
            ready = ring.readable_mut() => ready?.clear_ready(),
        }
    }
}

/// No record waits longer in a ring that is nearly empty.
const SLEEP_MAX: std::time::Duration = std::time::Duration::from_millis(100);

/// How often the kernel's loss counters are looked at.
const RECOUNT_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// The last quarter of the queue is for exec, fork and exit alone: without them
/// nothing that comes later can be attributed.
fn hand_over(queue: &mpsc::Sender<Vec<u8>>, losses: &LossCounts, record: &[u8]) {
    let Some(family) = Family::of_record(record) else {
        losses.unknown.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let has_room = family.is_lifecycle() || queue.capacity() > queue.max_capacity() / 4;
    if has_room && queue.try_send(record.to_vec()).is_ok() {
        return;
    }
    if let Some(count) = slot(&losses.queue, family) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn count_lost(lost: &aya::maps::PerCpuArray<aya::maps::MapData, u64>, losses: &LossCounts) {
    for family in Family::ALL {
        let of_cause = |cause: u32| {
            let per_cpu = lost.get(&(family as u32 * LOSS_CAUSES + cause), 0);
            per_cpu.map_or(0, |counts| counts.iter().sum())
        };
        let count: u64 = (0..LOSS_CAUSES).map(of_cause).sum();
        if let Some(total) = slot(&losses.ring, family) {
            total.store(count, Ordering::Relaxed);
        }
    }
}
