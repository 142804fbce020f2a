//! How many events of a recording the kernel would report, and which rules are to blame.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::Context as _;
use lanner_engine::{
    Event as _, Field, RecordedEvent, Value,
    projection::{Family, ShownFacts},
};
use serde_json::{Value as Json, json};

use super::Filter;

/// Of the rules of a family those that let most events pass, for people.
const RULES_SHOWN_MAX: usize = 5;

/// What became of all events of a recording.
#[derive(Default)]
pub(super) struct Passed<'p> {
    families: BTreeMap<Family, Counts<'p>>,
    /// Events of types that the kernel does not filter.
    unfiltered: u64,
}

#[derive(Default)]
struct Counts<'p> {
    events: u64,
    passed: u64,
    /// Programs that started; those pass in any case.
    started: u64,
    /// Of those that passed, how many for the sake of each rule. One may pass for several.
    rules: BTreeMap<&'p str, u64>,
    /// Passed for the sake of no rule alone: the kernel has room for so many tests, and beyond that
    /// makes wider ones of several.
    widened: u64,
}

impl<'p> Passed<'p> {
    /// Tests each event as the kernel would. Empty lines and comments (`#`) are none.
    pub(super) fn count(recording: &Path, filter: Filter<'p>) -> anyhow::Result<Self> {
        let name = recording.display();
        let cannot_read = || format!("cannot read events {name}");
        let lines = BufReader::new(File::open(recording).with_context(cannot_read)?).lines();
        let mut passed = Self::default();
        for (number, line) in (1..).zip(lines) {
            let line = line.with_context(cannot_read)?;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let event =
                RecordedEvent::from_json(&line).with_context(|| format!("{name}:{number}"))?;
            passed.add(&event, filter);
        }
        Ok(passed)
    }

    fn add(&mut self, event: &RecordedEvent, filter: Filter<'p>) {
        let event_type = event.event_type();
        let Some(family) = Family::of(event_type) else {
            self.unfiltered += 1;
            return;
        };
        let counts = self.families.entry(family).or_default();
        counts.events += 1;
        if family == Family::Exec && !has_failed(event) {
            counts.started += 1;
            counts.passed += 1;
            return;
        }
        let facts = ShownFacts::new(event);
        if !filter.projection.admits(event_type, &facts) {
            return;
        }
        counts.passed += 1;
        let mut is_for_a_rule = false;
        for (rule, part) in filter.parts(event_type) {
            if part.clauses.admit(&facts) {
                *counts.rules.entry(rule).or_default() += 1;
                is_for_a_rule = true;
            }
        }
        counts.widened += u64::from(!is_for_a_rule);
    }

    pub(super) fn print(&self, recording: &Path) {
        println!("\nOf {} the kernel would report:", recording.display());
        for family in Family::ALL {
            let Some(counts) = self.families.get(&family) else {
                println!("  {}: nothing was recorded", family.as_str());
                continue;
            };
            println!("  {}: {}", family.as_str(), counts.rate());
            if counts.started > 0 {
                println!("    {} because programs that start pass", counts.started);
            }
            let mut rules: Vec<_> = counts.rules.iter().collect();
            rules.sort_by_key(|&(_, &events)| std::cmp::Reverse(events));
            for (rule, events) in rules.iter().take(RULES_SHOWN_MAX) {
                println!("    {events} because of: {rule}");
            }
            if let Some(others) = rules.len().checked_sub(RULES_SHOWN_MAX).filter(|&more| more > 0)
            {
                println!("    and fewer because of {others} more");
            }
            if counts.widened > 0 {
                println!("    {} because tests of several rules were made one", counts.widened);
            }
        }
        if self.unfiltered > 0 {
            println!("  of types that it does not filter: all {}", self.unfiltered);
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let of_family = |(family, counts): (&Family, &Counts<'_>)| {
            let counts = json!({
                "events": counts.events,
                "passed": counts.passed,
                "started": counts.started,
                "rules": counts.rules,
                "widened": counts.widened,
            });
            (family.as_str().to_owned(), counts)
        };
        json!({
            "families": self.families.iter().map(of_family).collect::<serde_json::Map<_, _>>(),
            "unfiltered": self.unfiltered,
        })
    }
}

impl Counts<'_> {
    fn rate(&self) -> String {
        let permille = self.passed * 1000 / self.events.max(1);
        let (percent, tenths) = (permille / 10, permille % 10);
        format!("{} of {}, {percent}.{tenths} %", self.passed, self.events)
    }
}

fn has_failed(event: &RecordedEvent) -> bool {
    matches!(event.get(Field::EvtRawres, None), Some(Value::Int(result)) if result < 0)
}
