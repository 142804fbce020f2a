//! Every processor opens files that no rule cares for, and one program some that a rule does.
//!
//! Held: with the kernel's filter on nothing is lost and each of the latter is an alert; with it
//! off each open is either an event or counted as lost.

use std::{path::Path, thread, time::Duration};

use anyhow::Context as _;

use super::{
    sensor::rules,
    watcher::{Setting, Totals, Watcher},
    workload::{Workload, in_own_process},
};
use crate::{
    run::{is_root, run},
    test::cargo,
};

const FILTER_OFF: Setting =
    Setting { name: "filter-off", ebpf: "syscall_hooks: tp_btf, kernel_filter: false" };
const FILTER_ON: Setting = Setting { name: "filter-on", ebpf: "syscall_hooks: tp_btf" };

/// Of each processor.
const OPENS: u64 = 500_000;

pub(crate) fn main() -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "kernel events need root");
    run(&mut cargo(&["build", "--locked", "--release", "-p", "lanner-sensor"]))?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    measure(folder.path(), &rules()?)
}

pub(super) fn measure(folder: &Path, rules: &[String]) -> anyhow::Result<()> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let opens = OPENS * workers as u64;
    let wanted = Workload::Secret.times();
    println!(
        "\n{workers} programs that open {OPENS} files each, and one that opens {wanted} which a rule asks for:"
    );
    let bare = saturate(folder, workers)?;
    println!("{:<11} {:>6.2} s", "none", bare.as_secs_f64());
    let mut problems = Vec::new();
    for setting in [FILTER_OFF, FILTER_ON] {
        let watcher = Watcher::start(folder, setting, rules)?;
        watcher.settle()?;
        let took = saturate(folder, workers)?;
        watcher.settle()?;
        let totals = watcher.stop()?;
        let Totals { events, alerts, lost } = totals;
        println!(
            "{:<11} {:>6.2} s {:>5.2}x, events {events}, lost {lost}, alerts {alerts}",
            setting.name,
            took.as_secs_f64(),
            took.as_secs_f64() / bare.as_secs_f64(),
        );
        let is_filtered = setting == FILTER_ON;
        if is_filtered && lost > 0 {
            problems.push(format!("{lost} events lost that rules ask for"));
        }
        if is_filtered && alerts < wanted {
            problems.push(format!("{alerts} alerts of {wanted}"));
        }
        if !is_filtered && events + lost < opens {
            problems.push(format!("{} of {opens} opens not counted", opens - events - lost));
        }
    }
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
    Ok(())
}

/// How long the slowest of the openers took.
fn saturate(folder: &Path, workers: usize) -> anyhow::Result<Duration> {
    let folders: Vec<_> =
        (0..workers).map(|worker| folder.join(format!("opener-{worker}"))).collect();
    thread::scope(|scope| {
        let mut openers = Vec::new();
        for folder in &folders {
            std::fs::create_dir_all(folder)?;
            openers.push(scope.spawn(|| in_own_process(Workload::Open, OPENS, folder)));
        }
        in_own_process(Workload::Secret, Workload::Secret.times(), folder)?;
        let mut slowest = Duration::ZERO;
        for opener in openers {
            let took = opener.join().map_err(|_panicked| anyhow::anyhow!("an opener died"))??;
            slowest = slowest.max(took);
        }
        Ok(slowest)
    })
}
