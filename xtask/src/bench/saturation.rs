//! Every processor opens files that no rule cares for, and one program some that a rule does.
//!
//! Held: with the kernel's filter on nothing is lost and each of the latter is an alert; with it
//! off each open is either an event or counted as lost.

use std::{path::Path, thread, time::Duration};

use super::{
    ground::{Ground, Promises},
    watcher::{Setting, Totals, Watcher},
    workload::{Workload, in_own_process},
};

/// Of each processor.
const OPENS: u64 = 500_000;

pub(super) fn measure(ground: &Ground, promises: &mut Promises) -> anyhow::Result<()> {
    let folder = ground.folder();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let opens = OPENS * workers as u64;
    let wanted = Workload::Secret.times();
    println!(
        "\n{workers} programs that open {OPENS} files each, and one that opens {wanted} which a rule asks for:"
    );
    let bare = saturate(folder, workers)?;
    println!("{:<11} {:>6.2} s", "none", bare.as_secs_f64());
    for setting in [Setting::FILTER_OFF, Setting::FILTER_ON] {
        let watcher = Watcher::start(ground, setting)?;
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
        if setting == Setting::FILTER_ON {
            promises.hold(lost == 0, || format!("{lost} events lost that rules ask for"));
            promises.hold(alerts >= wanted, || format!("{alerts} alerts of {wanted}"));
        } else {
            let counted = events + lost;
            promises.hold(counted >= opens, || format!("{counted} of {opens} opens were counted"));
        }
    }
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
