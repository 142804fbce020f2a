//! `cargo xtask bench sensor`: what watching costs the watched, and the watcher.
//!
//! Each workload runs without a sensor and under each setting, in turns, several rounds; what is
//! printed is the median over the rounds of the added time of one operation, and of the sensor's
//! own processor time for it.

use std::{path::Path, time::Duration};

use anyhow::Context as _;

use super::{
    saturation,
    watcher::{Setting, Totals, Watcher},
    workload::{Workload, in_own_process},
};
use crate::{
    run::{is_root, repository, run},
    test::cargo,
};

const SETTINGS: [Setting; 3] = [
    Setting { name: "filter-off", ebpf: "syscall_hooks: tp_btf, kernel_filter: false" },
    Setting { name: "filter-on", ebpf: "syscall_hooks: tp_btf" },
    Setting { name: "tracepoints", ebpf: "syscall_hooks: tracepoints" },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,

    /// Only these workloads
    #[arg(value_enum)]
    only: Vec<Workload>,
}

/// One measurement of one workload under one setting.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall_ns: f64,
    cpu_ns: f64,
    totals: Totals,
    memory_mib: f64,
    start: Duration,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "kernel events need root");
    run(&mut cargo(&["build", "--locked", "--release", "-p", "lanner-sensor"]))?;
    let rules = rules()?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let chosen =
        |workload: &Workload| arguments.only.is_empty() || arguments.only.contains(workload);
    println!(
        "{:<11} {:<11} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9} {:>7} {:>6} {:>8}",
        "workload",
        "sensor",
        "ns/op",
        "added",
        "its own",
        "both",
        "to bare",
        "events",
        "lost",
        "MiB",
        "start ms"
    );
    for workload in Workload::ALL.into_iter().filter(chosen) {
        measure(workload, arguments.rounds, folder.path(), &rules)?;
    }
    match arguments.only.is_empty() {
        true => saturation::measure(folder.path(), &rules),
        false => Ok(()),
    }
}

fn measure(workload: Workload, rounds: u32, folder: &Path, rules: &[String]) -> anyhow::Result<()> {
    let mut bare = Vec::new();
    let mut watched: Vec<Vec<Sample>> = vec![Vec::new(); SETTINGS.len()];
    for _ in 0..rounds {
        bare.push(per_operation(in_own_process(workload, workload.times(), folder)?, workload));
        for (setting, samples) in SETTINGS.into_iter().zip(&mut watched) {
            samples.push(sample(workload, setting, folder, rules)?);
        }
    }
    let bare = median(&bare);
    println!("{:<11} {:<11} {bare:>9.0}", workload.name(), "none");
    for (setting, samples) in SETTINGS.iter().zip(&watched) {
        let of = |value: fn(&Sample) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
        let (wall, cpu) = (of(|sample| sample.wall_ns), of(|sample| sample.cpu_ns));
        let added = wall - bare;
        println!(
            "{:<11} {:<11} {wall:>9.0} {added:>9.0} {cpu:>9.0} {:>9.0} {:>7.2}x {:>9.0} {:>7} {:>6.1} {:>8.0}",
            workload.name(),
            setting.name,
            added + cpu,
            (wall + cpu) / bare,
            of(|sample| f64_of(sample.totals.events)),
            samples.iter().map(|sample| sample.totals.lost).sum::<u64>(),
            of(|sample| sample.memory_mib),
            of(|sample| sample.start.as_secs_f64() * 1e3),
        );
    }
    Ok(())
}

fn sample(
    workload: Workload,
    setting: Setting,
    folder: &Path,
    rules: &[String],
) -> anyhow::Result<Sample> {
    let watcher = Watcher::start(folder, setting, rules)?;
    watcher.settle()?;
    let before = watcher.cpu_time()?;
    let took = in_own_process(workload, workload.times(), folder)?;
    watcher.settle()?;
    let cpu = watcher.cpu_time()?.saturating_sub(before);
    let memory_mib = watcher.memory_mib()?;
    let start = watcher.start_time;
    let totals = watcher.stop()?;
    Ok(Sample {
        wall_ns: per_operation(took, workload),
        cpu_ns: per_operation(cpu, workload),
        totals,
        memory_mib,
        start,
    })
}

/// The official stable rules where they are, else our own.
pub(super) fn rules() -> anyhow::Result<Vec<String>> {
    let beside = repository().join("../shared/data/falco_rules.yaml");
    let official = std::env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    if official.exists() {
        println!("rules: {}", official.display());
        return Ok(vec![official.display().to_string()]);
    }
    let own = repository().join("rules");
    anyhow::ensure!(own.exists(), "no rules at {}", own.display());
    println!("rules: {} (set LANNER_FALCO_RULES for the field's)", own.display());
    Ok(vec![own.display().to_string()])
}

fn per_operation(time: Duration, workload: Workload) -> f64 {
    time.as_secs_f64() * 1e9 / f64_of(workload.times())
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
fn f64_of(number: u64) -> f64 {
    number as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
