//! What the rules look for, in the kernel: an event that can match none of them is not reported.
//!
//! ```text
//! Projection ─▶ program (clauses as bits) ─▶ image ─▶ one of two places in a map
//!               paths   (lookups)                         ▲ a word says which counts
//! ```
//!
//! Promises:
//! - An event is tested by one image as a whole. While a new one is written the old one counts.
//! - What the kernel does not know passes, and so does everything if the rules do not fit.

mod image;
#[cfg(test)]
mod model;
mod paths;
mod program;

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray},
};
use lanner_engine::projection::Projection;

pub use self::image::TooMany;
use self::image::{IMAGE_LEN, Parts};
use crate::{decode::Call, enrich::Side};

/// One image, as the kernel has it.
type Image = [u8; IMAGE_LEN];

/// The kernel's filter: what it tests, and how much that keeps away.
pub struct KernelFilter {
    images: Array<MapData, Image>,
    slot: Array<MapData, u32>,
    counts: PerCpuArray<MapData, [u64; 2]>,
    /// Until then nobody can read the place that is written next.
    was_written: bool,
}

/// What user space tells the kernel of control groups. A group that it has not told of passes.
pub struct Places(Mutex<HashMap<MapData, u64, u32>>);

/// Why the filter is not what the rules ask for. Everything passes then.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("cannot use map {name} of the kernel filter")]
    Map { name: &'static str, source: MapError },

    #[error("the eBPF object lacks {name}")]
    Missing { name: &'static str },

    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// Events of one type since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassCount {
    /// `evt.type`.
    pub event_type: &'static str,
    /// Tested in the kernel.
    pub seen: u64,
    /// Reported to user space.
    pub passed: u64,
}

impl KernelFilter {
    /// Takes the filter's maps out of the loaded object. It lets everything pass.
    ///
    /// # Errors
    /// When the object has no such maps.
    pub(super) fn take(programs: &mut Ebpf) -> Result<Self, FilterError> {
        Ok(Self {
            images: take(programs, "filter_images")?,
            slot: take(programs, "filter_slot")?,
            counts: take(programs, "filter_counts")?,
            was_written: false,
        })
    }

    /// Tests events by these rules from now on. Returns how many checks of the projection are left
    /// out, as there is no room for them: their clauses pass more.
    ///
    /// # Errors
    /// When they ask for more than fits, or the kernel refuses the image. Then everything passes.
    pub fn install(&mut self, projection: &Projection) -> Result<u32, FilterError> {
        let parts = program::parts(projection, filtered_calls());
        match parts.image() {
            Ok(image) => self.write(image).map(|()| parts.left_out),
            Err(too_many) => {
                self.remove()?;
                Err(too_many.into())
            }
        }
    }

    /// Lets everything pass from now on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&mut self) -> Result<(), FilterError> {
        self.write(Parts::off().image()?)
    }

    fn write(&mut self, image: Vec<u8>) -> Result<(), FilterError> {
        let map = |name| move |source| FilterError::Map { name, source };
        let image: Box<Image> =
            image.into_boxed_slice().try_into().map_err(|_too_short| TooMany { what: "bytes" })?;
        let now = self.slot.get(&0, 0).map_err(map("filter_slot"))?;
        let next = 1 - now.min(1);
        // Who still reads the place began before the last change: let them end.
        if std::mem::replace(&mut self.was_written, true) {
            wait_for_running_programs();
        }
        // In its box: 1.6 MB on the stack would leave no room for much else.
        self.images.set(next, image, 0).map_err(map("filter_images"))?;
        self.slot.set(0, next, 0).map_err(map("filter_slot"))
    }

    /// What was tested and what passed since the start, for each event type that was seen.
    pub fn pass_counts(&self) -> Vec<PassCount> {
        let mut counts: Vec<PassCount> = Vec::new();
        for (call, event_type) in filtered_calls() {
            let Ok(per_cpu) = self.counts.get(&u32::from(call), 0) else { continue };
            let (mut seen, mut passed) = (0, 0);
            for [seen_there, passed_there] in per_cpu.iter() {
                seen += seen_there;
                passed += passed_there;
            }
            match counts.iter_mut().find(|count| count.event_type == event_type) {
                Some(count) => {
                    count.seen += seen;
                    count.passed += passed;
                }
                None => counts.push(PassCount { event_type, seen, passed }),
            }
        }
        counts.retain(|count| count.seen > 0);
        counts
    }
}

impl Places {
    pub(super) fn take(programs: &mut Ebpf) -> Result<Self, FilterError> {
        Ok(Self(Mutex::new(take(programs, "cgroup_places")?)))
    }

    /// Says where the processes of a control group run, by the number that events have.
    pub fn tell(&self, cgroup_id: u64, side: Side) {
        /// `FILTER_HOST` and `FILTER_PLACE_BY_PID` of `bpf/filter_image.h`.
        const HOST: u32 = 0;
        const HOST_BY_PID: u32 = 2;
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a group that cannot be remembered the kernel knows nothing, nor of one that is not there.
        let _ = match side {
            Side::Host => places.insert(cgroup_id, HOST, 0),
            Side::HostByPid => places.insert(cgroup_id, HOST_BY_PID, 0),
            Side::Unknown => places.remove(&cgroup_id),
        };
    }
}

/// Numbers and event types of the calls whose events may be withheld. Of programs that start that is
/// only where the call failed: all others are needed to know the processes.
fn filtered_calls() -> impl Iterator<Item = (u16, &'static str)> {
    Call::ALL.iter().map(|call| (call.id(), call.name()))
}

/// Returns once no program runs that ran at the call.
fn wait_for_running_programs() {
    /// A program takes microseconds.
    const FAR_LONGER: Duration = Duration::from_millis(250);
    // Programs run inside of RCU's read sections, and this barrier waits for these. A kernel with
    // processors without a tick (`nohz_full`) refuses it, and others may be built without it.
    if rustix::thread::membarrier(rustix::thread::MembarrierCommand::Global).is_err() {
        thread::sleep(FAR_LONGER);
    }
}

fn take<M: TryFrom<aya::maps::Map, Error = MapError>>(
    programs: &mut Ebpf,
    name: &'static str,
) -> Result<M, FilterError> {
    let map = programs.take_map(name).ok_or(FilterError::Missing { name })?;
    M::try_from(map).map_err(|source| FilterError::Map { name, source })
}
