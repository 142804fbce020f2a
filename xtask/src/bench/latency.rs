//! `cargo xtask bench latency`: from a system call to its alert at a subscriber.
//!
//! A process that is older than the sensor reads a file that a rule asks for, again and again, and
//! notes the time before each call.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

use super::{
    ground::{Ground, Promises, percentile},
    subscriber::{Arrival, Subscriber},
    watcher::{Setting, Watcher},
    workload::{Load, Reader},
};

const READS: u64 = 200;

/// How long the last alert may take.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// The sensor's clock is set by the kernel's now and then, so an event may seem to be a bit before
/// its call. Far below the pause between two reads.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_millis(1);

/// What is after, and what is held: half of what Falco takes, which polls.
const AIM_MS: f64 = 1.0;
const MEDIAN_MAX_MS: f64 = 13.0;

pub(super) fn measure(ground: &Ground, promises: &mut Promises) -> anyhow::Result<()> {
    println!(
        "\nfrom before each of {READS} reads of /etc/shadow to its alert (aim: p50 below {AIM_MS} ms):"
    );
    println!(
        "{:<8} {:<22} {:>9} {:>9} {:>9} {:>8}",
        "at", "beside it", "p50 ms", "p99 ms", "most ms", "missing"
    );
    let subscribers =
        [Subscriber::at_the_sensor(ground.folder())?, Subscriber::at_the_bus(ground.folder())?];
    for subscriber in &subscribers {
        for load in [0, 1] {
            let took_ms = latencies(ground, subscriber, load)?;
            let beside = if load == 0 { "nothing" } else { "a processor of opens" };
            let missing = READS - took_ms.len() as u64;
            let median_ms = percentile(&took_ms, 50);
            println!(
                "{:<8} {beside:<22} {median_ms:>9.3} {:>9.3} {:>9.3} {missing:>8}",
                subscriber.name,
                percentile(&took_ms, 99),
                percentile(&took_ms, 100),
            );
            promises.hold(missing == 0, || {
                format!("{missing} of {READS} alerts did not come ({}, {beside})", subscriber.name)
            });
            promises.hold(median_ms <= MEDIAN_MAX_MS, || {
                format!("an alert took {median_ms:.1} ms ({}, {beside})", subscriber.name)
            });
        }
    }
    Ok(())
}

/// In milliseconds, of those alerts that came.
fn latencies(ground: &Ground, subscriber: &Subscriber, load: usize) -> anyhow::Result<Vec<f64>> {
    let reader = Reader::start(READS, ground.folder())?;
    let pid = i64::from(reader.pid());
    let setting = Setting::FILTER_ON;
    let watcher = Watcher::start_with(ground, setting, &subscriber.outputs(), &[])?;
    watcher.settle()?;
    let load = Load::start(load, ground.folder())?;
    let reads = reader.go()?;
    let mut took: Vec<Option<SignedDuration>> = vec![None; reads.len()];
    let until = Instant::now() + ARRIVAL_MAX;
    while took.contains(&None) {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(Arrival { at, alert }) = subscriber.arrivals.recv_timeout(left) else { break };
        if alert.entity.pid == Some(pid) {
            note(&reads, &mut took, alert.time, at);
        }
    }
    drop(load);
    watcher.stop().context("the sensor does not end")?;
    Ok(took.into_iter().flatten().map(|took| took.as_secs_f64() * 1e3).collect())
}

/// The first alert about a read is its alert.
fn note(
    reads: &[Timestamp],
    took: &mut [Option<SignedDuration>],
    happened: Timestamp,
    at: Timestamp,
) {
    let before = reads.partition_point(|read| *read <= happened + CLOCK_SLACK);
    let Some(number) = before.checked_sub(1) else { return };
    if let (Some(read), Some(took)) = (reads.get(number), took.get_mut(number)) {
        took.get_or_insert(at.duration_since(*read));
    }
}
