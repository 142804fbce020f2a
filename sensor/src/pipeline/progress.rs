//! How far each partition has read, for those that wait for what is in another's ring.
//!
//! What an event depends on was in its ring before the event happened: a process is told of before
//! it does anything. So a partition that took a record of time `t`, or found its ring empty after
//! `t`, knows all that an event of time `t` depends on.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use rustix::time::ClockId;

use crate::source::Wake;

/// One partition's view of all.
pub(super) struct Progress {
    own: Arc<Mark>,
    all: Arc<[Arc<Mark>]>,
}

/// Times in nanoseconds since boot.
struct Mark {
    /// All that happened before is taken in.
    passed_ns: AtomicU64,
    /// Somebody waits until it has passed this.
    asked_ns: AtomicU64,
    wake: Wake,
}

impl Progress {
    /// For the partitions that `wakes` wake, in their order.
    pub(super) fn of_all(wakes: &[Wake]) -> Vec<Self> {
        let mark = |wake: &Wake| Mark {
            passed_ns: AtomicU64::new(0),
            asked_ns: AtomicU64::new(0),
            wake: wake.clone(),
        };
        let all: Arc<[Arc<Mark>]> = wakes.iter().map(|wake| Arc::new(mark(wake))).collect();
        all.iter().map(|own| Self { own: Arc::clone(own), all: Arc::clone(&all) }).collect()
    }

    /// What wakes this partition.
    pub(super) fn own_wake(&self) -> &Wake {
        &self.own.wake
    }

    /// Whether the partition of a process took in all that happened before a time. One that did
    /// not is woken.
    pub(super) fn has_passed(&self, pid: u32, time_ns: u64) -> bool {
        let index = pid as usize % self.all.len();
        let partition = self.all.get(index).filter(|mark| !Arc::ptr_eq(mark, &self.own));
        partition.is_none_or(|mark| mark.has_passed(time_ns))
    }

    /// The same of all others.
    pub(super) fn have_all_passed(&self, time_ns: u64) -> bool {
        // Each is woken, not just the first that is behind.
        self.others().filter(|mark| !mark.has_passed(time_ns)).count() == 0
    }

    /// Whether somebody waits for this partition.
    pub(super) fn is_asked(&self) -> bool {
        self.own.asked_ns.load(SeqCst) > self.own.passed_ns.load(SeqCst)
    }

    /// Tells the others how far this one is, and wakes them where one waits for it.
    pub(super) fn publish(&self, passed_ns: u64) {
        let before = self.own.passed_ns.swap(passed_ns, SeqCst);
        if self.own.asked_ns.load(SeqCst) > before && passed_ns > before {
            self.others().for_each(|mark| mark.wake.wake());
        }
    }

    fn others(&self) -> impl Iterator<Item = &Arc<Mark>> {
        self.all.iter().filter(|mark| !Arc::ptr_eq(mark, &self.own))
    }
}

/// Who is gone holds up nobody.
impl Drop for Progress {
    fn drop(&mut self) {
        self.publish(u64::MAX);
    }
}

impl Mark {
    fn has_passed(&self, time_ns: u64) -> bool {
        let has_passed = || self.passed_ns.load(SeqCst) >= time_ns;
        if has_passed() {
            return true;
        }
        if self.asked_ns.fetch_max(time_ns, SeqCst) < time_ns {
            self.wake.wake();
        }
        // It may have told before it could see that it was asked.
        has_passed()
    }
}

/// The clock of the kernel side.
pub(super) fn now_since_boot_ns() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Boottime);
    let ns = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    u64::try_from(ns).unwrap_or(0)
}
