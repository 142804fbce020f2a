//! Tests of playbooks, as data: an alert in, a plan out.
//!
//! ```text
//! playbooks/*.rhai  +  playbooks/tests/*.test.yaml  ─▶  Report: N passed, N failed
//! ```

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::{Mode, Plan, Step};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    guard::Guard,
    playbook::{AlertFacts, Playbook, Playbooks, Problem},
};

mod alert;

use self::alert::CaseAlert;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// The playbook that all of them are about.
    playbook: String,
    cases: Vec<Case>,
}

/// One alert, and what should come of it: exactly one of the keys after `alert`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    alert: CaseAlert,
    /// The steps, in order.
    plan: Option<Vec<ExpectedStep>>,
    /// Only ever `false`: the playbook does not answer this alert.
    matches: Option<bool>,
    /// The playbook's own reason to do nothing.
    skipped: Option<String>,
    /// A part of the reason for which the plan may not be carried out.
    refused: Option<String>,
    /// A part of the error with which the playbook ends.
    error: Option<String>,
}

/// The keys that are given must agree; those that are not do not matter.
#[derive(Debug, Deserialize)]
struct ExpectedStep {
    verb: String,
    /// `pod shop/cart-7f`, `namespace shop`.
    target: Option<String>,
    /// Arguments, by their names in the plan's JSON.
    #[serde(flatten)]
    arguments: Map<String, Value>,
}

/// What a run of all cases gave.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases that came out as expected.
    pub passed: usize,
    /// One text for each case that did not.
    pub failures: Vec<String>,
    /// Files that could not be loaded.
    pub problems: Vec<Problem>,
    /// Playbooks that no case is about.
    pub untested: Vec<String>,
}

impl Report {
    /// Whether all is well. A playbook without a test is remarked on only.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "BAD   {problem}")?;
        }
        for failure in &self.failures {
            writeln!(f, "FAIL  {failure}")?;
        }
        for playbook in &self.untested {
            writeln!(f, "note  playbook {playbook} has no test")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failures.len() + self.problems.len())
    }
}

/// Runs every case under `tests` of each folder of playbooks.
///
/// # Errors
/// When a file of cases cannot be read; the message says where.
pub fn run(folders: &[PathBuf], guard: &Guard) -> anyhow::Result<Report> {
    let (playbooks, problems) = Playbooks::load(folders);
    let mut report = Report { problems, ..Report::default() };
    let mut tested = BTreeSet::new();
    for path in case_files(folders)? {
        let file: CaseFile = lanner_service::config::load(&path)?;
        let Some(playbook) = playbooks.get(&file.playbook) else {
            let playbook = &file.playbook;
            report.failures.push(format!("{}: no playbook {playbook:?}", path.display()));
            continue;
        };
        tested.insert(file.playbook.clone());
        for case in &file.cases {
            match case.run(&playbooks, playbook, guard) {
                Ok(()) => report.passed += 1,
                Err(why) => {
                    report.failures.push(format!("{}: {}: {why}", path.display(), case.name));
                }
            }
        }
    }
    let all = playbooks.iter().map(|playbook| playbook.head.name.clone());
    report.untested = all.filter(|name| !tested.contains(name)).collect();
    Ok(report)
}

fn case_files(folders: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in folders {
        let tests = folder.join("tests");
        if !tests.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&tests);
        for entry in entries.with_context(|| format!("cannot read {}", tests.display()))? {
            let path = entry?.path();
            if is_case_file(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_case_file(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(".test.yaml"))
}

impl Case {
    fn run(&self, playbooks: &Playbooks, playbook: &Playbook, guard: &Guard) -> Result<(), String> {
        let facts = Arc::new(AlertFacts::new(self.alert.build()?));
        let matched = playbook.matches(&facts);
        if self.expectations() != 1 {
            return Err("expects none or several of plan, matches, skipped, refused, error".into());
        }
        if let Some(matches) = self.matches {
            return if matches {
                Err("say what comes of it, not `matches: true`".to_owned())
            } else if matched {
                Err("the playbook answers this alert".to_owned())
            } else {
                Ok(())
            };
        }
        if !matched {
            return Err("the playbook does not answer this alert".to_owned());
        }
        let planned = playbooks.plan(playbook, &facts, Mode::Enforce, Timestamp::now());
        let plan = match (planned, &self.error) {
            (Err(problem), Some(part)) => return contains(&problem.to_string(), part),
            (Err(problem), None) => return Err(problem.to_string()),
            (Ok(_), Some(_)) => return Err("the playbook ends without an error".to_owned()),
            (Ok(plan), None) => plan,
        };
        self.check(&plan, guard)
    }

    fn check(&self, plan: &Plan, guard: &Guard) -> Result<(), String> {
        let refusal = guard.check(plan).err();
        match (&self.refused, refusal) {
            (Some(part), Some(reason)) => return contains(&reason, part),
            (Some(_), None) => return Err("the plan is not refused".to_owned()),
            (None, Some(reason)) => return Err(format!("refused: {reason}")),
            (None, None) => {}
        }
        if let Some(expected) = &self.skipped {
            return match &plan.skip {
                Some(reason) => contains(reason, expected),
                None => Err("the playbook does not skip".to_owned()),
            };
        }
        if let Some(reason) = &plan.skip {
            return Err(format!("skipped: {reason}"));
        }
        check_steps(self.plan.as_deref().unwrap_or_default(), &plan.steps)
    }

    fn expectations(&self) -> usize {
        [
            self.plan.is_some(),
            self.matches.is_some(),
            self.skipped.is_some(),
            self.refused.is_some(),
            self.error.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }
}

fn contains(text: &str, part: &str) -> Result<(), String> {
    if text.contains(part) { Ok(()) } else { Err(format!("{text:?} does not tell {part:?}")) }
}

fn check_steps(expected: &[ExpectedStep], steps: &[Step]) -> Result<(), String> {
    let verbs = |verbs: Vec<&str>| verbs.join(", ");
    let wanted = verbs(expected.iter().map(|step| step.verb.as_str()).collect());
    let given = verbs(steps.iter().map(|step| step.action.verb()).collect());
    if wanted != given {
        return Err(format!("expected the steps [{wanted}], got [{given}]"));
    }
    for (number, (expected, step)) in (1..).zip(expected.iter().zip(steps)) {
        expected.check(step).map_err(|why| format!("step {number}, {}: {why}", step.at))?;
    }
    Ok(())
}

impl ExpectedStep {
    fn check(&self, step: &Step) -> Result<(), String> {
        if let Some(expected) = &self.target {
            let target = step.target.as_ref().map(ToString::to_string).unwrap_or_default();
            if *expected != target {
                return Err(format!("expected the target {expected:?}, got {target:?}"));
            }
        }
        let given = serde_json::to_value(&step.action).map_err(|error| error.to_string())?;
        for (name, expected) in &self.arguments {
            match given.get(name) {
                Some(value) if value == expected => {}
                Some(value) => return Err(format!("expected {name}: {expected}, got {value}")),
                None => return Err(format!("expected {name}: {expected}, got none")),
            }
        }
        Ok(())
    }
}
