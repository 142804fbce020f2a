//! Events of all rings in the order in which they happened: a ring that is read later may hold what
//! came before.

use std::collections::BTreeMap;

use lanner_sensor::{
    decode::{KernelEvent, decode},
    pipeline::LossCounts,
    source::{Next, Records, ebpf::Loaded},
};

pub(crate) struct InOrder {
    pub(crate) sources: Vec<Box<dyn Records>>,
    /// Read, but of a time when another ring may hold more.
    read: BTreeMap<(u64, u64), KernelEvent>,
    /// Records that were read.
    pub(crate) count: u64,
}

impl InOrder {
    pub(crate) fn new(sources: Vec<Box<dyn Records>>) -> Self {
        Self { sources, read: BTreeMap::new(), count: 0 }
    }

    /// Empties all rings; returns the time of the kernel until which nothing is missing.
    pub(crate) fn read_all(&mut self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let passed_ns = u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap();
        for source in &mut self.sources {
            let mut take = |record: &[u8]| {
                let event = decode(record).expect("the kernel side sends whole records");
                self.count += 1;
                // Those of one process stay in their order.
                self.read.insert((event.head.time_ns, self.count), event);
            };
            while source.next(&mut take) == Next::Taken {}
        }
        passed_ns
    }

    /// The next event of until then.
    pub(crate) fn next_until(&mut self, passed_ns: u64) -> Option<KernelEvent> {
        let first = self.read.first_entry()?;
        (first.key().0 <= passed_ns).then(|| first.remove())
    }
}

/// What was lost since the load, in words. A machine that is too busy must not look like a mistake
/// of ours.
pub(crate) fn lost(loaded: &Loaded) -> Option<String> {
    let losses = LossCounts::default();
    loaded.recount(&losses);
    let counts = losses.counts();
    let told: Vec<_> =
        counts.map(|(family, cause, count)| format!("{family}.{}={count}", cause.name())).collect();
    (!told.is_empty()).then(|| format!("the ring lost {}", told.join(" ")))
}
