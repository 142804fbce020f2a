//! What an event costs: the optimized evaluator beside the plain walk over the conditions.
//!
//! Prints ratios of one interleaved run, and fails when one of them is worse than what the engine
//! promises: several times the plain walk, no allocation for an event that matches nothing, and growth
//! far below the number of rules.

mod mix;
mod rules;

use std::{
    collections::HashMap,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use lanner_engine::{RecordedEvent, RuleSet, Scratch};

use crate::mix::Class;

/// Evaluated in one turn: few enough to stay in a core's own cache.
const BATCH_EVENTS: usize = 16;

const COPIES: usize = 19;
/// Ten is what we are after; below this something was lost.
const SPEEDUP_MIN: f64 = 4.0;
const GROWTH_MAX: f64 = 3.0;

/// What takes turns.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Contestant {
    Naive,
    Optimized,
    OptimizedManyRules,
}

#[derive(Default)]
struct Cost {
    spent: Duration,
    events: u32,
}

impl Cost {
    fn ns_per_event(&self) -> f64 {
        self.spent.as_secs_f64() * 1e9 / f64::from(self.events.max(1))
    }
}

fn main() -> ExitCode {
    let text = match rules::stable() {
        Ok(text) => text,
        Err(message) => {
            eprintln!("NOT RUN: {message}");
            return ExitCode::FAILURE;
        }
    };
    let few = rules::loaded(text.clone());
    let many = rules::loaded(rules::copied(&text, COPIES));
    let events = mix::read();
    let matching = |event: &RecordedEvent| !few.evaluate("syscall", event).is_empty();
    let (matching, quiet): (Vec<_>, Vec<_>) = events.iter().partition(|(_, event)| matching(event));
    println!(
        "{} events, {} of them match; {} rules, {} with copies that look at other paths",
        events.len(),
        matching.len(),
        few.rules().count(),
        many.rules().count()
    );

    let mut costs = HashMap::new();
    for class in Class::ALL {
        let events: Vec<&RecordedEvent> =
            quiet.iter().filter(|(of, _)| *of == class).map(|(_, event)| event).collect();
        for batch in events.chunks(BATCH_EVENTS) {
            measure(class, batch, &few, &many, &mut costs);
        }
    }
    let bytes = allocated(&few, quiet.iter().map(|(_, event)| event));
    report(&costs, bytes, quiet.len())
}

/// Evaluates the batch twice with each and counts the second time: an event is in the core's cache
/// when the sensor evaluates it, as it was decoded just before.
fn measure(
    class: Class,
    batch: &[&RecordedEvent],
    few: &RuleSet,
    many: &RuleSet,
    costs: &mut HashMap<(Class, Contestant), Cost>,
) {
    let mut scratch = Scratch::default();
    for contestant in [Contestant::Naive, Contestant::Optimized, Contestant::OptimizedManyRules] {
        let mut spent = Duration::ZERO;
        for _ in 0..2 {
            let started = Instant::now();
            for event in batch {
                let found = match contestant {
                    Contestant::Naive => few.evaluate_naively("syscall", *event),
                    Contestant::Optimized => few.evaluate_with(&mut scratch, "syscall", *event),
                    Contestant::OptimizedManyRules => {
                        many.evaluate_with(&mut scratch, "syscall", *event)
                    }
                };
                black_box(found);
            }
            spent = started.elapsed();
        }
        let cost = costs.entry((class, contestant)).or_default();
        cost.spent += spent;
        cost.events += u32::try_from(batch.len()).unwrap();
    }
}

/// Bytes that all the events together allocate.
fn allocated<'e>(rules: &RuleSet, events: impl Iterator<Item = &'e RecordedEvent>) -> u64 {
    let mut scratch = Scratch::default();
    // The scratch grows to its size once.
    let mut events = events.peekable();
    if let Some(first) = events.peek() {
        black_box(rules.evaluate_with(&mut scratch, "syscall", *first));
    }
    let counted = allocation_counter::measure(|| {
        for event in events {
            black_box(rules.evaluate_with(&mut scratch, "syscall", event));
        }
    });
    counted.bytes_total
}

fn report(costs: &HashMap<(Class, Contestant), Cost>, bytes: u64, quiet_events: usize) -> ExitCode {
    let of = |class: Option<Class>, contestant| {
        let mut sum = Cost::default();
        for ((of, by), cost) in costs {
            if *by == contestant && class.is_none_or(|class| class == *of) {
                sum.spent += cost.spent;
                sum.events += cost.events;
            }
        }
        sum
    };
    println!("events that match nothing, ns each:");
    println!(
        "{:8} {:>8} {:>8} {:>10} {:>8} {:>10} {:>8}",
        "", "events", "walk", "optimized", "ratio", "500 rules", "growth"
    );
    let mut all_ratios = (0.0, 0.0);
    for class in [None, Some(Class::Open), Some(Class::Connect), Some(Class::Exec)] {
        let naive = of(class, Contestant::Naive);
        let few = of(class, Contestant::Optimized).ns_per_event();
        let many = of(class, Contestant::OptimizedManyRules).ns_per_event();
        let ratios = (naive.ns_per_event() / few, many / few);
        if class.is_none() {
            all_ratios = ratios;
        }
        println!(
            "{:8} {:>8} {:>8.0} {:>10.0} {:>7.1}x {:>10.0} {:>7.1}x",
            class.map_or("all", Class::as_str),
            naive.events,
            naive.ns_per_event(),
            few,
            ratios.0,
            many,
            ratios.1
        );
    }
    println!("allocated: {bytes} bytes for {quiet_events} events");
    let (speedup, growth) = all_ratios;
    let promises = [
        (speedup >= SPEEDUP_MIN, format!("{speedup:.1} times the plain walk, not {SPEEDUP_MIN}")),
        (
            growth < GROWTH_MAX,
            format!("20 times the rules cost {growth:.1} times, not {GROWTH_MAX}"),
        ),
        (bytes == 0, format!("{bytes} bytes allocated, not 0")),
    ];
    for (_, broken) in promises.iter().filter(|(kept, _)| !kept) {
        println!("BROKEN: {broken}");
    }
    if promises.iter().all(|(kept, _)| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
