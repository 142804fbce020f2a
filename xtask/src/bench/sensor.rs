//! `cargo xtask bench sensor`: what watching costs the watched, and the watcher.
//!
//! Each workload runs without a sensor and under each setting, in turns, several rounds. What a
//! setting adds is told from the run without a sensor of the same round; printed is the median of
//! the rounds, of the added time of one operation and of the sensor's own processor time for it.

use std::time::Duration;

use super::{
    ground::{Ground, Promises, f64_of, median},
    watcher::{Memory, Setting, Totals, Watcher},
    workload::{Workload, in_own_process},
};

const SETTINGS: [Setting; 3] = [Setting::FILTER_OFF, Setting::FILTER_ON, Setting::TRACEPOINTS];

/// Where no rule asks for what is done, the kernel's filter leaves at most this of the operations as
/// events (the rest of the machine has some, too), and, where they are events without it, of the cost.
const FILTERED_EVENTS_MAX: f64 = 0.05;
const FILTERED_COST_MAX: f64 = 0.5;

/// What is resident beside the rings, of which it has each twice. With one ring of 8 MiB the aim,
/// 40 MiB, leaves 24.
const RESIDENT_MAX_MIB: f64 = 32.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value_t = super::ROUNDS, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,

    /// Only these workloads, and nothing else
    #[arg(value_enum)]
    pub(super) only: Vec<Workload>,
}

/// One measurement of one workload under one setting.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall_ns: f64,
    /// More than without a sensor, in the same round.
    added_ns: f64,
    cpu_ns: f64,
    totals: Totals,
    memory: Memory,
    start: Duration,
}

/// All measurements of one workload under one setting.
struct Samples(Vec<Sample>);

pub(super) fn measure(
    ground: &Ground,
    arguments: &Arguments,
    promises: &mut Promises,
) -> anyhow::Result<()> {
    println!(
        "{:<11} {:<11} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>7} {:>6} {:>6} {:>6} {:>8}",
        "workload",
        "sensor",
        "ns/op",
        "added",
        "its own",
        "both",
        "to bare",
        "events",
        "lost",
        "VmRSS",
        "rings",
        "maps",
        "start ms"
    );
    let only = &arguments.only;
    let chosen = |workload: &Workload| only.is_empty() || only.contains(workload);
    for workload in Workload::ALL.into_iter().filter(chosen) {
        let watched = watch(ground, workload, arguments.rounds)?;
        hold(workload, &watched, promises);
    }
    Ok(())
}

fn watch(ground: &Ground, workload: Workload, rounds: u32) -> anyhow::Result<Vec<Samples>> {
    let mut bare = Vec::new();
    let mut watched: Vec<Samples> = SETTINGS.iter().map(|_| Samples(Vec::new())).collect();
    for _ in 0..rounds {
        let took = in_own_process(workload, workload.times(), ground.folder())?;
        let bare_ns = per_operation(took, workload);
        bare.push(bare_ns);
        for (setting, samples) in SETTINGS.into_iter().zip(&mut watched) {
            samples.0.push(sample(ground, workload, setting, bare_ns)?);
        }
    }
    let bare_ns = median(&bare);
    println!("{:<11} {:<11} {bare_ns:>9.0}", workload.name(), "none");
    for (setting, samples) in SETTINGS.iter().zip(&watched) {
        samples.print(workload, *setting, bare_ns);
    }
    Ok(watched)
}

fn hold(workload: Workload, watched: &[Samples], promises: &mut Promises) {
    let Some((off, filtered)) = watched.split_first() else { return };
    for (samples, setting) in filtered.iter().zip(SETTINGS.iter().skip(1)) {
        let what = format!("{} with {}", workload.name(), setting.name);
        let lost = samples.lost();
        promises.hold(lost == 0, || format!("{what}: {lost} events lost"));
        let memory = samples.memory();
        let resident_max = RESIDENT_MAX_MIB + 2.0 * memory.rings;
        promises.hold(memory.resident <= resident_max, || {
            format!("{what}: {:.1} MiB resident, not {resident_max:.1}", memory.resident)
        });
        if !workload.is_of_no_rule() {
            continue;
        }
        let operations = f64_of(workload.times());
        let is_withheld = off.events() >= operations / 2.0;
        let (cost, off_cost) = (samples.both_ns(), off.both_ns());
        promises.hold(!is_withheld || cost <= FILTERED_COST_MAX * off_cost, || {
            format!("{what}: {cost:.0} ns, and without the filter {off_cost:.0}")
        });
        let events = samples.events();
        promises.hold(events <= FILTERED_EVENTS_MAX * operations, || {
            format!("{what}: {events} events of what no rule asks for")
        });
    }
}

impl Samples {
    fn median_of(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(&self.0.iter().map(value).collect::<Vec<_>>())
    }

    /// Added to the work, and the sensor's own.
    fn both_ns(&self) -> f64 {
        self.median_of(|sample| sample.added_ns + sample.cpu_ns)
    }

    fn events(&self) -> f64 {
        self.median_of(|sample| f64_of(sample.totals.events))
    }

    fn lost(&self) -> u64 {
        self.0.iter().map(|sample| sample.totals.lost).sum()
    }

    fn memory(&self) -> Memory {
        Memory {
            resident: self.median_of(|sample| sample.memory.resident),
            rings: self.median_of(|sample| sample.memory.rings),
            maps: self.median_of(|sample| sample.memory.maps),
        }
    }

    fn print(&self, workload: Workload, setting: Setting, bare_ns: f64) {
        let memory = self.memory();
        println!(
            "{:<11} {:<11} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>7.2}x {:>9.0} {:>7} {:>6.1} {:>6.1} {:>6.1} {:>8.0}",
            workload.name(),
            setting.name,
            self.median_of(|sample| sample.wall_ns),
            self.median_of(|sample| sample.added_ns),
            self.median_of(|sample| sample.cpu_ns),
            self.both_ns(),
            (bare_ns + self.both_ns()) / bare_ns,
            self.events(),
            self.lost(),
            memory.resident,
            memory.rings,
            memory.maps,
            self.median_of(|sample| sample.start.as_secs_f64() * 1e3),
        );
    }
}

fn sample(
    ground: &Ground,
    workload: Workload,
    setting: Setting,
    bare_ns: f64,
) -> anyhow::Result<Sample> {
    let watcher = Watcher::start(ground, setting)?;
    watcher.settle()?;
    let before = watcher.cpu_time()?;
    let took = in_own_process(workload, workload.times(), ground.folder())?;
    watcher.settle()?;
    let cpu = watcher.cpu_time()?.saturating_sub(before);
    let memory = watcher.memory()?;
    let start = watcher.start_time;
    let totals = watcher.stop()?;
    let wall_ns = per_operation(took, workload);
    Ok(Sample {
        wall_ns,
        added_ns: wall_ns - bare_ns,
        cpu_ns: per_operation(cpu, workload),
        totals,
        memory,
        start,
    })
}

fn per_operation(time: Duration, workload: Workload) -> f64 {
    time.as_secs_f64() * 1e9 / f64_of(workload.times())
}
