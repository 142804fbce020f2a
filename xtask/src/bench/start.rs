//! `cargo xtask bench start`: until a sensor that is started sees something, on a machine at rest,
//! and again and again after `kill -9` while every processor opens files.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::Timestamp;

use super::{
    ground::{Ground, Promises, median, percentile},
    subscriber::{Arrival, Subscriber},
    watcher::{Setting, Watcher},
    workload::Load,
};

/// A file that a rule asks for is read as often.
const DEED_EVERY: Duration = Duration::from_millis(2);

/// How long the first alert may take on any machine.
const START_MAX: Duration = Duration::from_secs(60);

/// How long the kernel may take to let go of what nobody has any more.
const GONE_MAX: Duration = Duration::from_secs(30);

/// What is after, and what is held: what Falco takes on a machine at rest, and thrice the aim where
/// every processor has other things to do.
const FIRST_AIM_MS: f64 = 500.0;
const FIRST_MAX_MS: f64 = 1900.0;
const AGAIN_AIM_MS: f64 = 1000.0;
const AGAIN_MAX_MS: f64 = 3000.0;

pub(super) fn measure(ground: &Ground, rounds: u32, promises: &mut Promises) -> anyhow::Result<()> {
    let subscriber = Subscriber::at_the_sensor(ground.folder())?;
    println!("\nfrom the start of the sensor to its first alert, {rounds} times:");
    let mut first = Vec::new();
    for _ in 0..rounds {
        let (watcher, at) = first_alert(ground, &subscriber)?;
        first.push(at.duration_since(watcher.began).as_secs_f64() * 1e3);
        watcher.stop()?;
    }
    tell("on a machine at rest", &first, FIRST_AIM_MS);
    let again = after_kills(ground, &subscriber, rounds, promises)?;
    tell(
        "from kill -9 to the next sensor's first alert, with every processor busy",
        &again,
        AGAIN_AIM_MS,
    );
    for (took_ms, max_ms) in [(median(&first), FIRST_MAX_MS), (median(&again), AGAIN_MAX_MS)] {
        promises.hold(took_ms <= max_ms, || {
            format!("the first alert took {took_ms:.0} ms, not {max_ms:.0}")
        });
    }
    Ok(())
}

fn tell(when: &str, took_ms: &[f64], aim_ms: f64) {
    println!(
        "{when}: {:.0} ms, {:.0} at most (aim {aim_ms:.0})",
        median(took_ms),
        percentile(took_ms, 100)
    );
}

/// What a killed sensor leaves behind would be held by programs, descriptors or pins. Descriptors go
/// with the process; the other two are counted, and with them go the maps.
fn after_kills(
    ground: &Ground,
    subscriber: &Subscriber,
    rounds: u32,
    promises: &mut Promises,
) -> anyhow::Result<Vec<f64>> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let _load = Load::start(workers, ground.folder())?;
    let pins_before = pins();
    let (mut watcher, _) = first_alert(ground, subscriber)?;
    let tags = watcher.program_tags()?;
    let one_sensor = loaded(&tags)?;
    if one_sensor == 0 {
        println!("NOT COUNTED: the kernel does not list programs (net.core.bpf_jit_kallsyms)");
    }
    let mut took = Vec::new();
    for _ in 0..rounds {
        let killed = Timestamp::now();
        watcher.kill();
        let (next, at) = first_alert(ground, subscriber)?;
        took.push(at.duration_since(killed).as_secs_f64() * 1e3);
        watcher = next;
        let stale = programs_beyond(&tags, one_sensor)?;
        promises.hold(stale == 0, || format!("{stale} programs of a killed sensor stay"));
    }
    watcher.kill();
    let stale = programs_beyond(&tags, 0)?;
    promises.hold(stale == 0, || format!("{stale} programs of the last killed sensor stay"));
    let new_pins = pins().saturating_sub(pins_before);
    promises.hold(new_pins == 0, || format!("{new_pins} pins stay"));
    println!("after {} kills: programs that stay {stale}, pins {new_pins}", rounds + 1);
    Ok(took)
}

/// A sensor, and when the first alert of something that it saw came.
fn first_alert(ground: &Ground, subscriber: &Subscriber) -> anyhow::Result<(Watcher, Timestamp)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // Being there is enough.
                let _ = File::open("/etc/shadow");
                thread::sleep(DEED_EVERY);
            }
        });
        let told = start_and_wait(ground, subscriber);
        is_over.store(true, Ordering::Relaxed);
        told
    })
}

fn start_and_wait(
    ground: &Ground,
    subscriber: &Subscriber,
) -> anyhow::Result<(Watcher, Timestamp)> {
    let watcher = Watcher::start_with(ground, Setting::FILTER_ON, &subscriber.outputs(), &[])?;
    let until = Instant::now() + START_MAX;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let arrival = subscriber.arrivals.recv_timeout(left);
        let Arrival { at, alert } = arrival.context("no alert of a sensor that watches")?;
        // Those of the one before may still be under way.
        if alert.time >= watcher.began {
            return Ok((watcher, at));
        }
    }
}

/// How many more programs with these tags the kernel has than `wanted`, once it had time to let go.
fn programs_beyond(tags: &BTreeSet<String>, wanted: usize) -> anyhow::Result<usize> {
    let until = Instant::now() + GONE_MAX;
    loop {
        let beyond = loaded(tags)?.saturating_sub(wanted);
        if beyond == 0 || Instant::now() > until {
            return Ok(beyond);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Programs of the kernel with these tags, whoever loaded them.
fn loaded(tags: &BTreeSet<String>) -> anyhow::Result<usize> {
    let symbols = fs::read_to_string("/proc/kallsyms").context("cannot read /proc/kallsyms")?;
    let tag_of = |line: &&str| {
        let (_, name) = line.split_once(" bpf_prog_")?;
        name.split(['_', '\t', ' ']).next().filter(|tag| tags.contains(*tag)).map(drop)
    };
    Ok(symbols.lines().filter(|line| tag_of(line).is_some()).count())
}

fn pins() -> usize {
    fs::read_dir("/sys/fs/bpf").map_or(0, Iterator::count)
}
