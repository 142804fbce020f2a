//! A ring as a source of records, read where they are; and what did not fit into the rings.

use std::{
    collections::HashMap,
    io,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::{Loaded, pace::REST, ring::Ring};
use crate::{
    decode::Family,
    pipeline::{Cause, LossCounts},
    source::{Next, Records, Wake},
};

impl Records for Ring {
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> Next {
        let Some(record) = self.next_record() else { return Next::Empty };
        take(&record);
        drop(record);
        self.pace.took();
        Next::Taken
    }

    /// The kernel says that a ring can be read as long as anything in it is not taken, finished
    /// or not.
    fn is_drained(&self) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|readable| readable == 0)
    }

    /// A record that came just before the wait ends it: the kernel looks at the ring's fill.
    fn wait(&mut self, wake: &Wake, time: Duration) -> io::Result<()> {
        if self.pace.rests() {
            return wake.wait(None::<&Self>, time.min(REST));
        }
        self.ask_to_be_woken();
        let began = Instant::now();
        wake.wait(Some(&*self), time)?;
        self.pace.slept(began.elapsed());
        Ok(())
    }
}

/// Why an event did not leave the kernel, in the order of `enum loss_cause` in `bpf/output.h`.
const LOSS_CAUSES_COUNT: u32 = 2;
const LOSS_CAUSES: [Cause; LOSS_CAUSES_COUNT as usize] = [Cause::RingFull, Cause::Shed];

impl Loaded {
    /// The rings, one for each partition; the second time there are none.
    pub fn take_sources(&mut self) -> Vec<Box<dyn Records>> {
        self.take_rings().into_iter().map(|ring| Box::new(ring) as Box<dyn Records>).collect()
    }

    /// Brings the counts of what did not leave the kernel up to date.
    pub fn recount(&self, losses: &LossCounts) {
        for family in Family::ALL {
            let first = family as u32 * LOSS_CAUSES_COUNT;
            for (slot, cause) in (first..).zip(LOSS_CAUSES) {
                if let Ok(per_cpu) = self.lost.get(&slot, 0) {
                    losses.set(Some(family), cause, per_cpu.iter().sum());
                }
            }
        }
        // Several programs may be of one family.
        let mut missed = HashMap::new();
        for (family, count) in self.missed_runs() {
            *missed.entry(family).or_default() += count;
        }
        for (family, count) in missed {
            losses.set(family, Cause::NotRun, count);
        }
    }
}
