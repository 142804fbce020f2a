//! A ring buffer as a source of records: read where it is, without a copy.

use std::{io, time::Duration};

use aya::maps::{MapData, PerCpuArray, RingBuf};

use super::Loaded;
use crate::{
    decode::Family,
    pipeline::{Cause, LossCounts},
    source::{Next, Records, Wake},
};

struct Ring(RingBuf<MapData>);

impl Records for Ring {
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> Next {
        match self.0.next() {
            Some(record) => {
                take(&record);
                Next::Taken
            }
            None => Next::Empty,
        }
    }

    fn wait(&mut self, wake: &Wake, time: Duration) -> io::Result<()> {
        wake.wait(Some(&self.0), time)
    }
}

/// The programs, which run until this is dropped, and their counters.
pub struct Attached {
    lost: PerCpuArray<MapData, u64>,
    _programs: aya::Ebpf,
}

impl Loaded {
    /// The rings, one for each partition, and what keeps them filled.
    pub fn into_sources(self) -> (Vec<Box<dyn Records>>, Attached) {
        let Self { ring, lost, _programs } = self;
        (vec![Box::new(Ring(ring))], Attached { lost, _programs })
    }
}

impl Attached {
    /// Brings the counts of what the kernel side lost up to date.
    pub fn recount(&self, losses: &LossCounts) {
        for family in Family::ALL {
            if let Ok(per_cpu) = self.lost.get(&(family as u32), 0) {
                losses.set(family, Cause::RingFull, per_cpu.iter().sum());
            }
        }
    }
}
