//! `lanner rules test`: tests written as YAML, events in and alerts out.
//!
//! ```yaml
//! rules: [..]                        # files and folders, from where this file is
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
//!   - name: a build
//!     events_from: build.jsonl           # recorded
//!     expect: []
//! ```

mod coverage;
mod suite;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_engine::{Event, Options, RuleSet};
use serde_json::{Value as Json, json};

use self::{
    coverage::{Coverage, Tested},
    suite::{Alert, Expected, Suite, beside},
};
use crate::{
    Verdict,
    printable::{Printable, PrintableJson},
};

/// What became of a case.
struct Outcome {
    name: String,
    line: u64,
    /// Empty when it passed.
    difference: Vec<String>,
}

/// What became of a test file: its cases, or why it could not be run.
type Results = Result<Vec<Outcome>, String>;

pub(super) fn run(path: &Path, require_coverage: bool, json: bool) -> anyhow::Result<Verdict> {
    let suites = if path.is_dir() { find_suites(path)? } else { [path.to_owned()].into() };
    anyhow::ensure!(!suites.is_empty(), "no test file (*.test.yaml) under {}", path.display());
    let mut coverage = Coverage::default();
    let mut all = Vec::new();
    for path in suites {
        let results = run_suite(&path, &mut coverage).map_err(|error| format!("{error:#}"));
        if !json {
            print(&path, &results);
        }
        all.push((path, results));
    }
    let outcomes = || all.iter().flat_map(|(_, results)| results.iter().flatten());
    let failed_suites = all.iter().filter(|(_, results)| results.is_err()).count();
    let passed = outcomes().filter(|outcome| outcome.difference.is_empty()).count();
    let failed = outcomes().count() - passed + failed_suites;
    if json {
        let printed = json!({
            "passed": passed,
            "failed": failed,
            "suites": all.iter().map(|(path, results)| to_json(path, results)).collect::<Vec<_>>(),
            "coverage": coverage.to_json(),
        });
        println!("{}", PrintableJson(&printed.to_string()));
    } else {
        coverage.print();
        println!("{passed} passed, {failed} failed");
    }
    let good = failed == 0 && (coverage.is_full() || !require_coverage);
    Ok(if good { Verdict::Good } else { Verdict::BadInput })
}

fn print(path: &Path, results: &Results) {
    println!("{}", path.display());
    let outcomes = match results {
        Ok(outcomes) => outcomes,
        Err(error) => return println!("  FAILED  {error}"),
    };
    for Outcome { name, line, difference } in outcomes {
        if difference.is_empty() {
            println!("  ok      {}", Printable(name));
        } else {
            println!("  FAILED  {} ({}:{line})", Printable(name), path.display());
            difference.iter().for_each(|line| println!("          {}", Printable(line)));
        }
    }
}

fn to_json(path: &Path, results: &Results) -> Json {
    let file = path.display().to_string();
    match results {
        Err(error) => json!({ "file": file, "error": error }),
        Ok(outcomes) => {
            let cases = outcomes.iter().map(|Outcome { name, line, difference }| {
                let passed = difference.is_empty();
                json!({ "name": name, "line": line, "passed": passed, "difference": difference })
            });
            json!({ "file": file, "cases": cases.collect::<Vec<_>>() })
        }
    }
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

fn run_suite(path: &Path, coverage: &mut Coverage) -> anyhow::Result<Vec<Outcome>> {
    let suite = Suite::read(path)?;
    let files: Vec<PathBuf> = suite.rules.iter().map(|file| beside(path).join(file)).collect();
    let rules = super::load_good(&files, &Options::default())?
        .with_context(|| format!("{}: the rules have errors", path.display()))?;
    let tested = Tested::new(&rules, &suite.source);
    coverage.add_rules(&tested);
    let outcomes = suite.cases.iter().map(|case| {
        let (line, case) = (case.referenced.line(), &case.value);
        let difference = match suite.events(case, path) {
            Ok(events) => {
                coverage.add_case(&tested, &events, &case.expect);
                compare(&case.expect, alerts(&suite.source, &events, &rules), &rules)
            }
            Err(error) => vec![format!("{error:#}")],
        };
        Outcome { name: case.name.clone(), line, difference }
    });
    Ok(outcomes.collect())
}

fn alerts(source: &str, events: &[Box<dyn Event>], rules: &RuleSet) -> Vec<Alert> {
    let matches = events.iter().flat_map(|event| rules.evaluate(source, &**event));
    let alerts = matches.map(|matched| Alert {
        rule: matched.rule.name.clone(),
        priority: matched.rule.priority.as_str(),
        output: matched.output,
    });
    alerts.collect()
}

/// Pairs what is expected with what came; the rest on either side is the difference.
fn compare(expected: &[Expected], mut alerts: Vec<Alert>, rules: &RuleSet) -> Vec<String> {
    let mut difference = Vec::new();
    for expected in expected {
        match alerts.iter().position(|alert| expected.fits(alert)) {
            Some(found) => drop(alerts.swap_remove(found)),
            None => {
                let known = rules.rules().find(|rule| rule.name == expected.rule());
                let why = match known.map(|rule| rule.enabled) {
                    None => "  (there is no such rule)",
                    Some(false) => "  (the rule is not enabled)",
                    Some(true) => "",
                };
                difference.push(format!("- {}{why}", expected.describe()));
            }
        }
    }
    let unexpected = alerts.iter();
    difference.extend(
        unexpected.map(|alert| format!("+ {} ({}): {}", alert.rule, alert.priority, alert.output)),
    );
    difference
}
