//! The field's official stable rules load, and fire on what they are meant for.
//!
//! They are not ours to copy: the test looks for them beside the workspace, or at
//! `LANNER_FALCO_RULES`, and says so when they are not there.

use std::{collections::BTreeSet, env, fs, io::Write as _, path::Path};

use lanner_engine::{Match, Matching, Options, RecordedEvent, RuleSet, Severity, SourceFile, load};
use serde_json::{Map, Value};

/// One line: `about` names the rule it is near to, `alerts` those it must fire.
struct Line {
    about: String,
    alerts: BTreeSet<String>,
    event: RecordedEvent,
}

fn lines() -> Vec<Line> {
    let line = |line: &str| {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let alerts = line["alerts"].as_array().unwrap().iter();
        Line {
            about: line["about"].as_str().unwrap().to_owned(),
            alerts: alerts.map(|rule| rule.as_str().unwrap().to_owned()).collect(),
            event: RecordedEvent::from_map(line["event"].as_object().unwrap()).unwrap(),
        }
    };
    include_str!("data/official_events.jsonl").lines().map(line).collect()
}

/// The official rules, or `None` after saying why the test does not run.
fn official_rules(options: &Options) -> Option<RuleSet> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/falco_rules.yaml");
    let path = env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let path = path.display();
            // Not by a macro: the test harness would hide what those print.
            let said = writeln!(
                std::io::stderr(),
                "NOT RUN: no official rules at {path} ({error}); set LANNER_FALCO_RULES"
            );
            return said.ok().and(None);
        }
    };
    let file = SourceFile { name: "falco_rules.yaml".to_owned(), text };
    let (rules, diagnostics) = load(&[file], options);
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    Some(rules)
}

#[test]
fn every_rule_loads_fires_and_has_a_near_miss() {
    let Some(rules) = official_rules(&Options::default()) else { return };
    assert_eq!(rules.rules().count(), 25);

    let mut fired = BTreeSet::new();
    let mut missed = BTreeSet::new();
    for Line { about, alerts, event } in lines() {
        let matches = rules.evaluate("syscall", &event);
        let found: BTreeSet<String> =
            matches.iter().map(|matched| matched.rule.name.clone()).collect();
        assert_eq!(found, alerts, "an event about {about}: {event:?}");
        for matched in &matches {
            assert!(!matched.output.contains('%'), "{}", matched.output);
        }
        if alerts.contains(&about) {
            fired.insert(about)
        } else {
            missed.insert(about)
        };
    }
    let all: BTreeSet<String> = rules.rules().map(|rule| rule.name.clone()).collect();
    assert_eq!(fired, all, "rules that fired");
    assert_eq!(missed, all, "rules with a near miss");
}

#[test]
fn with_first_matching_one_event_fires_one_rule() {
    let options = Options { matching: Matching::First, ..Options::default() };
    let Some(rules) = official_rules(&options) else { return };
    for Line { alerts, event, .. } in lines() {
        assert_eq!(rules.evaluate("syscall", &event).len(), alerts.len().min(1));
    }
}

#[test]
fn event_types_are_wanted_only_if_a_rule_can_match_them() {
    let Some(rules) = official_rules(&Options::default()) else { return };
    for wanted in ["execve", "openat2", "connect", "ptrace", "dup3"] {
        assert!(rules.wants(wanted), "{wanted}");
    }
    for unwanted in ["read", "close", "futex", ""] {
        assert!(!rules.wants(unwanted), "{unwanted}");
    }
    assert_eq!(rules.evaluate("k8s_audit", &RecordedEvent::default()).len(), 0);
}

#[test]
fn conditions_are_printed_as_falco_prints_them() {
    let Some(rules) = official_rules(&Options::default()) else { return };
    let rule = rules.rules().find(|rule| rule.name == "PTRACE attached to process").unwrap();
    assert_eq!(
        rule.condition_compiled(),
        "((evt.type = ptrace and (evt.arg.request contains PTRACE_POKETEXT or \
         evt.arg.request contains PTRACE_POKEDATA or evt.arg.request contains PTRACE_ATTACH or \
         evt.arg.request contains PTRACE_SEIZE or evt.arg.request contains PTRACE_SETREGS)) and \
         not proc.name in (<NA>, N/A) and not proc.name in ())"
    );
}

#[test]
fn the_fast_evaluator_equals_the_walk() {
    for matching in [Matching::All, Matching::First] {
        let Some(rules) = official_rules(&Options { matching, ..Options::default() }) else {
            return;
        };
        for line in lines() {
            let names = |found: Vec<Match<'_>>| -> Vec<(String, String)> {
                found.into_iter().map(|found| (found.rule.name.clone(), found.output)).collect()
            };
            let fast = names(rules.evaluate("syscall", &line.event));
            assert_eq!(
                fast,
                names(rules.evaluate_naively("syscall", &line.event)),
                "{}",
                line.about
            );
        }
    }
}
