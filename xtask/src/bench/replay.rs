//! `cargo xtask bench replay`: what a recorded event costs, from its line to its alerts.
//!
//! Two recordings: the engine's mix, which has of each event only the fields that the field's stable
//! rules ask for, and one that is made here, with all of them, while software is built.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use super::{
    ground::{Ground, Promises, f64_of, median, release_build},
    soak,
    watcher::{Setting, Watcher, number},
};
use crate::run::repository;

/// What is after: a fifth of what an event takes Falco, from a file of its own format.
const AIM_NS: f64 = 396.0;

/// What is held: the part of the rules is at most this of what making an event of a line takes.
const EVALUATE_MAX: f64 = 0.5;

/// How often software is built for a recording.
const BUILDS: u32 = 2;

/// One replay.
#[derive(Clone, Copy, Debug)]
struct Replayed {
    wall: Duration,
    events: u64,
    alerts: u64,
    /// Of all threads together.
    parse_ns: f64,
    /// The rules, what they match made into alerts, and the event let go.
    evaluate_ns: f64,
}

pub(super) fn measure(ground: &Ground, rounds: u32, promises: &mut Promises) -> anyhow::Result<()> {
    let nothing = ground.folder().join("nothing.jsonl");
    fs::write(&nothing, "")?;
    let mix = ground.folder().join("mix.jsonl");
    expand_mix(&mix)?;
    let recorded = ground.folder().join("recorded.jsonl");
    record(ground, &recorded)?;
    println!("\nreplay, ns of an event (aim: {AIM_NS:.0}), the start of the program not counted:");
    println!(
        "{:<9} {:>8} {:>7} {:>7} {:>7} {:>13} {:>9} {:>8}",
        "recording", "events", "alerts", "bytes", "whole", "parse, of all", "evaluate", "start ms"
    );
    for (name, recording) in [("mix", &mix), ("recorded", &recorded)] {
        let mut replays: Vec<(Duration, Replayed)> = Vec::new();
        for _ in 0..rounds {
            let start = replay(ground, &nothing)?.wall;
            replays.push((start, replay(ground, recording)?));
        }
        let of = |value: fn(&(Duration, Replayed)) -> f64| {
            median(&replays.iter().map(value).collect::<Vec<_>>())
        };
        let (events, alerts) =
            replays.first().map_or((0, 0), |(_, replayed)| (replayed.events, replayed.alerts));
        anyhow::ensure!(events > 0, "nothing was replayed of {}", recording.display());
        let parse_ns = of(|(_, replayed)| replayed.parse_ns);
        let evaluate_ns = of(|(_, replayed)| replayed.evaluate_ns);
        println!(
            "{name:<9} {events:>8} {alerts:>7} {:>7} {:>7.0} {parse_ns:>13.0} {evaluate_ns:>9.0} {:>8.0}",
            fs::metadata(recording)?.len() / events,
            of(|(start, replayed)| {
                let took = replayed.wall.saturating_sub(*start);
                took.as_secs_f64() * 1e9 / f64_of(replayed.events)
            }),
            of(|(start, _)| start.as_secs_f64() * 1e3),
        );
        promises.hold(evaluate_ns <= EVALUATE_MAX * parse_ns, || {
            format!("the rules take {evaluate_ns:.0} ns of a replayed event, its line {parse_ns:.0} ({name})")
        });
    }
    Ok(())
}

fn replay(ground: &Ground, recording: &Path) -> anyhow::Result<Replayed> {
    let alerts = ground.folder().join("replayed.jsonl");
    // A file that is there would be added to.
    let _ = fs::remove_file(&alerts);
    let config = ground.folder().join("replay.yaml");
    let text = format!(
        "node: bench\nrules_files: [{}]\noutputs: {{file: {{path: {}}}}}\n",
        ground.rules.join(", "),
        alerts.display(),
    );
    fs::write(&config, text).context("cannot write the sensor's configuration")?;
    let began = Instant::now();
    let output = Command::new(release_build("lanner-sensor"))
        .args([Path::new("run"), Path::new("--config"), &config, Path::new("--replay"), recording])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("cannot start the sensor")?;
    let wall = began.elapsed();
    let log = String::from_utf8_lossy(&output.stderr);
    let last = log.lines().find(|line| line.contains("replay finished"));
    let last = last.with_context(|| format!("the replay ended with {}: {log}", output.status))?;
    Ok(Replayed {
        wall,
        events: number(last, " events="),
        alerts: number(last, " alerts="),
        parse_ns: f64_of(number(last, "parse_ns_per_event=")),
        evaluate_ns: f64_of(number(last, "evaluate_ns_per_event=")),
    })
}

/// Everything that happens while software is built.
fn record(ground: &Ground, recording: &Path) -> anyhow::Result<()> {
    let compiler = soak::compiler()?;
    let alerts = recording.with_extension("alerts");
    let outputs = format!("outputs: {{file: {{path: {}}}}}\n", alerts.display());
    let flags = [Path::new("--record"), recording];
    let watcher = Watcher::start_with(ground, Setting::FILTER_OFF, &outputs, &flags)?;
    for _ in 0..BUILDS {
        soak::build(&ground.folder().join("recorded-build"), &compiler)?;
    }
    watcher.settle()?;
    watcher.stop()?;
    Ok(())
}

/// Whole events of the engine's mix, whose lines hold what changed since the last one of the same
/// process (see its README).
fn expand_mix(to: &Path) -> anyhow::Result<()> {
    let mix = repository().join("crates/engine/benches/mix.jsonl.gz");
    let mix = File::open(&mix).with_context(|| format!("cannot open {}", mix.display()))?;
    let mut whole = BufWriter::new(File::create(to)?);
    let mut of_process: HashMap<u64, Map<String, Value>> = HashMap::new();
    for line in BufReader::new(GzDecoder::new(mix)).lines() {
        let changes: Map<String, Value> = serde_json::from_str(&line?)?;
        let process = changes.get("proc.pid").and_then(Value::as_u64);
        let fields = of_process.entry(process.context("an event has a process")?).or_default();
        for (name, value) in changes {
            if value.is_null() {
                fields.remove(&name);
            } else {
                fields.insert(name, value);
            }
        }
        serde_json::to_writer(&mut whole, fields)?;
        writeln!(whole)?;
    }
    Ok(whole.flush()?)
}
