//! The field's official rules load, and fire on what they are meant for.

#[path = "../../testkit/src/not_run.rs"]
#[allow(unreachable_pub, reason = "it is a crate's for others")]
mod not_run;
#[path = "../../testkit/src/official_rules.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is a crate's for others, who ask for more of it")]
mod official_rules;
#[path = "support/with_field.rs"]
mod with_field;

use std::{collections::BTreeSet, fs};

use lanner_engine::{
    Field, Match, Matching, Options, RecordedEvent, RuleSet, Selection, Selector, Severity,
    SourceFile, load,
};
use serde_json::{Map, Value};
use with_field::WithField;

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

/// The official stable rules, or `None` after saying why the tests do not run.
fn stable_rules(options: &Options) -> Option<RuleSet> {
    Some(loaded(&[file(official_rules::STABLE)?], options))
}

fn file(name: &str) -> Option<SourceFile> {
    let path = official_rules::file("events that the official rules are for", name)?;
    Some(SourceFile { name: name.to_owned(), text: fs::read_to_string(path).unwrap() })
}

fn loaded(files: &[SourceFile], options: &Options) -> RuleSet {
    let (rules, diagnostics) = load(files, options);
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    rules
}

#[test]
fn every_rule_loads_fires_and_has_a_near_miss() {
    let Some(rules) = stable_rules(&Options::default()) else { return };
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
    let Some(rules) = stable_rules(&options) else { return };
    for Line { alerts, event, .. } in lines() {
        assert_eq!(rules.evaluate("syscall", &event).len(), alerts.len().min(1));
    }
}

#[test]
fn event_types_are_wanted_only_if_a_rule_can_match_them() {
    let Some(rules) = stable_rules(&Options::default()) else { return };
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
    let Some(rules) = stable_rules(&Options::default()) else { return };
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
        let Some(rules) = stable_rules(&Options { matching, ..Options::default() }) else {
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

/// What must be filled in for a rule that comes with an empty list, or that nothing can match.
const INCUBATING_SETTINGS: &str = "
- list: namespace_scope_network_only_subnet
  items: [shop]
  override: {items: append}
";
const SANDBOX_SETTINGS: &str = "
- macro: allowed_containers
  condition: (container.image.repository=registry.example.com/allowed)
";

/// Each line of the data is a rule, an event that it fires on, and what makes that a near miss.
fn check_wider(set: &str, settings: &str, rules_min: usize) {
    let Some(file) = file(&format!("falco-{set}_rules.yaml")) else { return };
    let settings = SourceFile { name: "settings.yaml".to_owned(), text: settings.to_owned() };
    let every = Selection { enable: true, which: Selector::Rule("*".to_owned()) };
    let options = Options { selections: vec![every], ..Options::default() };
    let rules = loaded(&[file, settings], &options);

    let mut seen = BTreeSet::new();
    for line in include_str!("data/official_events_wider.jsonl").lines() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        if line["set"] != set {
            continue;
        }
        let name = line["rule"].as_str().unwrap();
        let buffer = line.get("buffer_hex").and_then(Value::as_str).unwrap_or_default();
        let digits = buffer.as_bytes().chunks(2);
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let buffer: Vec<u8> = digits.map(byte).collect();
        let fires = |fields: &Map<String, Value>| {
            let event = RecordedEvent::from_map(fields).unwrap();
            // Data read from a socket: a recorded event, being text, cannot hold it.
            let event = WithField { event: &event, field: Field::EvtBuffer, text: &buffer };
            rules.evaluate("syscall", &event).iter().any(|matched| matched.rule.name == name)
        };
        let mut fields = line["event"].as_object().unwrap().clone();
        assert!(fires(&fields), "{name}: {fields:?}");
        fields.extend(line["near"].as_object().unwrap().clone());
        assert!(!fires(&fields), "{name}, a near miss: {fields:?}");
        seen.insert(name.to_owned());
    }
    let all: BTreeSet<String> = rules.rules().map(|rule| rule.name.clone()).collect();
    assert_eq!(seen, all, "rules with an event");
    assert!(all.len() >= rules_min, "{} rules in {set}", all.len());
}

#[test]
fn every_incubating_rule_fires_and_has_a_near_miss() {
    check_wider("incubating", INCUBATING_SETTINGS, 31);
}

#[test]
fn every_sandbox_rule_fires_and_has_a_near_miss() {
    check_wider("sandbox", SANDBOX_SETTINGS, 37);
}
