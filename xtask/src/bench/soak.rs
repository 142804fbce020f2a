//! `cargo xtask bench soak`: the sensor beside a machine that builds software.
//!
//! Held: its memory stays flat after the first quarter, nothing is lost, and it logs no warning
//! and no error.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    ground::Ground,
    watcher::{Setting, Watcher},
};
use crate::run::find_program;

const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Memory may grow by this much after the first quarter: allocators breathe.
const GROWTH_MAX: f64 = 1.10;
const GROWTH_MAX_MIB: f64 = 2.0;

const PROGRAM: &str = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
    int main(void) { puts(\"built\"); return 0; }\n";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let ground = Ground::prepare()?;
    let setting = Setting { name: "soak", ebpf: "syscall_hooks: auto" };
    let watcher = Watcher::start(&ground, setting)?;
    let until = Instant::now() + Duration::from_secs(60 * u64::from(arguments.minutes));
    let at_first = watcher.memory()?;
    let (builds, samples) = under_load(ground.folder(), until, &watcher)?;
    let at_last = watcher.memory()?;
    let (totals, complaints) = watcher.stop_and_listen()?;
    let (first, last) = (early(&samples), late(&samples));
    println!(
        "{builds} builds in {} min; events {}, alerts {}, lost {}; memory {first:.1} MiB after a quarter, {last:.1} MiB at the end",
        arguments.minutes, totals.events, totals.alerts, totals.lost
    );
    println!(
        "in the kernel: rings {:.1} MiB; other maps {:.1} MiB at the start, {:.1} MiB at the end",
        at_last.rings, at_first.maps, at_last.maps
    );
    for line in &complaints {
        println!("{line}");
    }
    anyhow::ensure!(builds > 0 && totals.events > 0, "there was no load");
    anyhow::ensure!(totals.lost == 0, "{} events lost", totals.lost);
    anyhow::ensure!(complaints.is_empty(), "{} warnings and errors logged", complaints.len());
    anyhow::ensure!(
        last <= (first * GROWTH_MAX).max(first + GROWTH_MAX_MIB),
        "memory grew from {first:.1} to {last:.1} MiB"
    );
    Ok(())
}

/// Builds on every processor until the time is over; gives how often, and the sensor's memory.
fn under_load(folder: &Path, until: Instant, watcher: &Watcher) -> anyhow::Result<(u64, Vec<f64>)> {
    let compiler = compiler()?;
    let (builds, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let mut samples = Vec::new();
    thread::scope(|scope| {
        for worker in 0..workers {
            let folder = folder.join(format!("build-{worker}"));
            let (builds, has_failed, compiler) = (&builds, &has_failed, &compiler);
            scope.spawn(move || {
                while Instant::now() < until {
                    match build(&folder, compiler) {
                        Ok(()) => builds.fetch_add(1, Ordering::Relaxed),
                        Err(_) => return has_failed.store(true, Ordering::Relaxed),
                    };
                }
            });
        }
        while Instant::now() < until && !has_failed.load(Ordering::Relaxed) {
            thread::sleep(SAMPLE_EVERY.min(until.saturating_duration_since(Instant::now())));
            samples.push(watcher.memory().map(|memory| memory.resident));
        }
    });
    anyhow::ensure!(!has_failed.load(Ordering::Relaxed), "a build failed");
    Ok((builds.into_inner(), samples.into_iter().collect::<Result<_, _>>()?))
}

pub(super) fn compiler() -> anyhow::Result<PathBuf> {
    let compiler = ["cc", "gcc", "clang", "clang-19"].into_iter().find_map(find_program);
    compiler.context("a C compiler is needed: apt-get install gcc")
}

/// What a build does to a kernel: many files found, read, written and removed, many programs.
pub(super) fn build(folder: &Path, compiler: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for number in 0..8 {
        fs::write(folder.join(format!("part{number}.c")), PROGRAM)?;
    }
    let script = "set -e; for part in part*.c; do \"$CC\" -O1 -o \"${part%.c}\" \"$part\"; \"./${part%.c}\"; done; \
        tar cf all.tar part*; tar tf all.tar | sort | wc -l; find /usr/include -name 's*.h' | head -200 | xargs cat | wc -c; rm -f part* all.tar";
    let status = Command::new("/bin/sh")
        .args(["-c", script])
        .env("CC", compiler)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "the build ended with {status}");
    Ok(())
}

/// The largest of the second quarter: what is normal once caches are warm.
fn early(samples: &[f64]) -> f64 {
    let quarter = samples.len() / 4;
    largest(samples.get(quarter..(2 * quarter).max(quarter + 1)).unwrap_or(samples))
}

/// The largest of the last quarter.
fn late(samples: &[f64]) -> f64 {
    largest(samples.get(samples.len() - samples.len() / 4 - 1..).unwrap_or(samples))
}

fn largest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(0.0, f64::max)
}
