//! `lanner rules test`: tests written as YAML, events in and alerts out.
//!
//! ```yaml
//! rules: [../lanner_rules.yaml]      # beside this file
//! bases:                             # events to start from
//!   shell: {evt.type: execve, proc.name: sh, container.id: 0123456789ab}
//! cases:
//!   - name: a shell with a terminal
//!     events:
//!       - {base: shell, proc.tty: 34816}   # a null removes a field
//!     expect:
//!       - Terminal shell in container
//!       - {rule: Another rule, priority: Warning, output: [sh, 0123456789ab]}
//!   - name: a shell without one
//!     events: [{base: shell}]
//!     expect: []
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_engine::{Options, RecordedEvent, RuleSet};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::Verdict;

/// A test file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// Rule files, relative to the test file.
    rules: Vec<PathBuf>,

    /// Where the events come from.
    #[serde(default = "syscall")]
    source: String,

    /// Events to start from, by name.
    #[serde(default)]
    bases: BTreeMap<String, Map<String, Json>>,

    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,

    /// Fields by name; `base` names what the event starts from.
    events: Vec<Map<String, Json>>,

    /// The alerts of all the events together, in any order, and no other.
    expect: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Rule(String),
    Alert(ExpectedAlert),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedAlert {
    rule: String,
    priority: Option<String>,
    /// Texts that the message holds.
    #[serde(default)]
    output: Vec<String>,
}

/// An alert as the tests compare it.
struct Alert {
    rule: String,
    priority: &'static str,
    output: String,
}

fn syscall() -> String {
    "syscall".to_owned()
}

pub(super) fn run(dir: &Path) -> anyhow::Result<Verdict> {
    let suites = find_suites(dir)?;
    anyhow::ensure!(!suites.is_empty(), "no test file (*.test.yaml) under {}", dir.display());
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for path in suites {
        println!("{}", path.display());
        match run_suite(&path) {
            Ok(results) => {
                for (name, outcome) in results {
                    match outcome {
                        Ok(()) => {
                            passed += 1;
                            println!("  ok      {name}");
                        }
                        Err(difference) => {
                            failed += 1;
                            println!("  FAILED  {name}");
                            difference.iter().for_each(|line| println!("          {line}"));
                        }
                    }
                }
            }
            Err(error) => {
                failed += 1;
                println!("  FAILED  {error:#}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { Verdict::Good } else { Verdict::BadInput })
}

fn find_suites(dir: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut suites = BTreeSet::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            suites.extend(find_suites(&entry.path())?);
        } else if entry.file_name().to_string_lossy().ends_with(".test.yaml") {
            suites.insert(entry.path());
        }
    }
    Ok(suites)
}

/// The outcome of each case: nothing, or the lines of a difference.
type CaseResult = (String, Result<(), Vec<String>>);

fn run_suite(path: &Path) -> anyhow::Result<Vec<CaseResult>> {
    let text = fs::read_to_string(path).context("cannot read the test file")?;
    let suite: Suite = serde_saphyr::from_str(&text).context("cannot parse the test file")?;
    let beside = path.parent().unwrap_or(Path::new("."));
    let files: Vec<PathBuf> = suite.rules.iter().map(|file| beside.join(file)).collect();
    let rules = super::load_good(&files, &Options::default())?.context("the rules have errors")?;
    let outcome = |case: &Case| {
        let alerts = alerts(&suite, case, &rules).map_err(|error| vec![format!("{error:#}")]);
        (case.name.clone(), alerts.and_then(|alerts| compare(&case.expect, alerts)))
    };
    Ok(suite.cases.iter().map(outcome).collect())
}

fn alerts(suite: &Suite, case: &Case, rules: &RuleSet) -> anyhow::Result<Vec<Alert>> {
    let mut alerts = Vec::new();
    for written in &case.events {
        let mut fields = match written.get("base") {
            None => Map::new(),
            Some(name) => {
                let base = name.as_str().and_then(|name| suite.bases.get(name));
                base.with_context(|| format!("no base is named {name}"))?.clone()
            }
        };
        let own = written.iter().filter(|(key, _)| *key != "base");
        fields.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        let event = RecordedEvent::from_map(&fields)?;
        alerts.extend(rules.evaluate(&suite.source, &event).into_iter().map(|matched| Alert {
            rule: matched.rule.name.clone(),
            priority: matched.rule.priority.as_str(),
            output: matched.output,
        }));
    }
    Ok(alerts)
}

/// Pairs what is expected with what came; the rest on either side is the difference.
fn compare(expected: &[Expected], mut alerts: Vec<Alert>) -> Result<(), Vec<String>> {
    let mut difference = Vec::new();
    for expected in expected {
        match alerts.iter().position(|alert| expected.fits(alert)) {
            Some(found) => drop(alerts.swap_remove(found)),
            None => difference.push(format!("- {}", expected.describe())),
        }
    }
    let unexpected = alerts.iter();
    difference.extend(
        unexpected.map(|alert| format!("+ {} ({}): {}", alert.rule, alert.priority, alert.output)),
    );
    if difference.is_empty() { Ok(()) } else { Err(difference) }
}

impl Expected {
    fn fits(&self, alert: &Alert) -> bool {
        match self {
            Self::Rule(rule) => alert.rule == *rule,
            Self::Alert(wanted) => {
                let priority = wanted.priority.as_deref();
                alert.rule == wanted.rule
                    && priority.is_none_or(|name| name.eq_ignore_ascii_case(alert.priority))
                    && wanted.output.iter().all(|text| alert.output.contains(text))
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Rule(rule) => rule.clone(),
            Self::Alert(wanted) => {
                let priority = wanted.priority.as_deref().unwrap_or("any priority");
                format!("{} ({priority}): {}", wanted.rule, wanted.output.join(" ... "))
            }
        }
    }
}
