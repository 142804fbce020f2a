//! The rules that are shipped: what they see, and what a user's own files make of them.

#[path = "../benches/evaluation/mix.rs"]
#[allow(dead_code, reason = "the bench asks for more of it")]
mod mix;
#[path = "../../testkit/src/not_run.rs"]
#[allow(unreachable_pub, reason = "it is a crate's for others")]
mod not_run;
#[path = "../../testkit/src/official_rules.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is a crate's for others, who ask for more of it")]
mod official_rules;
#[path = "support/with_field.rs"]
mod with_field;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use lanner_engine::{
    Field, Options, RecordedEvent, RuleSet, Selection, Selector, Severity, SourceFile, load,
};
use serde_json::{Map, Value, json};
use with_field::WithField;

/// The files of `rules`, in the order of their names.
fn shipped() -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    let file = |path: &PathBuf| SourceFile {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(file).collect()
}

/// The shipped rules with a user's file after them.
fn with(own: &str, options: &Options) -> RuleSet {
    let own = SourceFile { name: "own.yaml".to_owned(), text: own.to_owned() };
    let files: Vec<SourceFile> = shipped().into_iter().chain([own]).collect();
    let (rules, diagnostics) = load(&files, options);
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    rules
}

fn fired(rules: &RuleSet, event: &Map<String, Value>) -> BTreeSet<String> {
    let event = RecordedEvent::from_map(event).unwrap();
    let matches = rules.evaluate("syscall", &event);
    matches.iter().map(|matched| matched.rule.name.clone()).collect()
}

/// What a shell in a container's session does: it reads the API's address, connects, and writes.
fn events() -> BTreeMap<&'static str, Map<String, Value>> {
    let events = json!({
        "connect": {
            "evt.type": "connect", "fd.typechar": "4", "fd.sip": "10.96.0.1", "fd.sport": 443,
            "proc.name": "sync-agent", "proc.tty": 0, "container.id": "3f1c9a7b52de",
            "container.image.repository": "quay.io/acme/sync", "k8s.ns.name": "shop",
        },
        "write": {
            "evt.type": "openat", "evt.is_open_write": true, "fd.typechar": "f", "fd.num": 4,
            "fd.name": "/etc/acme/agent.conf", "fd.directory": "/etc/acme",
            "fd.filename": "agent.conf", "proc.name": "agent", "proc.tty": 0,
            "proc.exepath": "/opt/acme/agent", "container.id": "host",
        },
        "session": {
            "evt.type": "execve", "proc.name": "ls", "proc.pname": "sh", "proc.tty": 34816,
            "container.id": "3f1c9a7b52de",
        },
    });
    let names = ["connect", "write", "session"];
    names.map(|name| (name, events[name].as_object().unwrap().clone())).into()
}

#[track_caller]
fn check(own: &str, selections: &[Selection], event: &str, expected: &[&str]) {
    let options = Options { selections: selections.to_vec(), ..Options::default() };
    let found = fired(&with(own, &options), &events()[event]);
    let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, expected, "{event} with {own:?} and {selections:?}");
}

const API: &str = "Contact K8S API Server From Container";

#[test]
fn a_list_is_a_knob() {
    check("", &[], "connect", &[API]);
    let own = "- list: images_that_use_the_api\n  items: [quay.io/acme/sync]\n  \
               override: {items: append}\n";
    check(own, &[], "connect", &[]);
    let other = own.replace("acme/sync", "acme/other");
    check(&other, &[], "connect", &[API]);
}

#[test]
fn an_exception_spares_what_it_names_and_no_more() {
    check("", &[], "write", &["Write below etc"]);
    let own = "- rule: Write below etc\n  exceptions:\n    - name: agent\n      \
               fields: [proc.exepath, fd.name]\n      comps: [=, startswith]\n      \
               values: [[/opt/acme/agent, /etc/acme/]]\n  override: {exceptions: append}\n";
    check(own, &[], "write", &[]);
    check(&own.replace("/opt/acme", "/tmp/acme"), &[], "write", &["Write below etc"]);
}

#[test]
fn a_condition_and_a_priority_are_changed_from_outside() {
    let own = "- rule: Write below etc\n  condition: and not fd.filename=agent.conf\n  \
               priority: CRITICAL\n  override: {condition: append, priority: replace}\n";
    check(own, &[], "write", &[]);
    let rules = with(own, &Options::default());
    let rule = rules.rules().find(|rule| rule.name == "Write below etc").unwrap();
    assert_eq!(rule.priority.as_str(), "Critical");
}

#[test]
fn a_rule_and_a_tag_are_turned_off_by_name() {
    let off = |which| Selection { enable: false, which };
    let by_tag = off(Selector::Tag("session".to_owned()));
    let by_name = off(Selector::Rule(API.to_owned()));
    check("", &[], "session", &["Command in container session"]);
    check("", std::slice::from_ref(&by_tag), "session", &[]);
    check("", std::slice::from_ref(&by_tag), "connect", &[API]);
    check("", std::slice::from_ref(&by_name), "connect", &[]);
    check("", &[by_name], "session", &["Command in container session"]);
}

#[test]
fn an_own_rule_stands_beside_them() {
    let own = "- rule: Listing\n  desc: d\n  condition: program_started and proc.name=ls\n  \
               output: o\n  priority: INFO\n";
    check(own, &[], "session", &["Command in container session", "Listing"]);
}

/// Where ours for the threat of an official stable rule has another name than that.
const OURS_BY_ANOTHER_NAME: [(&str, &str); 2] = [
    ("Read sensitive file trusted after startup", "Read sensitive file untrusted"),
    ("Find AWS Credentials", "Search Private Keys or Passwords"),
];

/// Whatever one of the official stable rules sees, ours for that threat sees.
#[test]
fn no_threat_of_the_official_stable_rules_is_missed() {
    let rules = with("", &Options::default());
    let mut official = BTreeSet::new();
    for line in include_str!("data/official_events.jsonl").lines() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let event = line["event"].as_object().unwrap();
        for name in line["alerts"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let other = OURS_BY_ANOTHER_NAME.iter().find(|(official, _)| *official == name);
            let ours = other.map_or(name, |(_, ours)| *ours);
            let fired = fired(&rules, event);
            assert!(fired.contains(ours), "{name} is for {event:?}, which set off {fired:?}");
            official.insert(name.to_owned());
        }
    }
    assert_eq!(official.len(), 25, "{official:?}");
}

/// Tags lead to subjects, routes and reports.
#[test]
fn every_rule_says_where_it_looks_and_which_technique_it_sees() {
    for rule in with("", &Options::default()).rules() {
        let has = |wanted: fn(&str) -> bool| rule.tags.iter().any(|tag| wanted(tag));
        let technique = |tag: &str| {
            let digits = tag.strip_prefix("TA").or_else(|| tag.strip_prefix('T'));
            digits.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        assert!(has(|tag| tag == "host" || tag == "container"), "{}: {:?}", rule.name, rule.tags);
        assert!(has(|tag| tag.starts_with("mitre_")), "{}: {:?}", rule.name, rule.tags);
        assert!(has(technique), "{}: {:?}", rule.name, rule.tags);
        assert!(
            rule.desc.contains("alse positives"),
            "{} does not say what sets it off",
            rule.name
        );
    }
}

/// What a description says can be added to is there.
#[test]
fn every_knob_that_is_spoken_of_is_one() {
    let knobs: BTreeSet<String> = shipped().iter().flat_map(|file| defined(&file.text)).collect();
    let mut spoken_of = BTreeSet::new();
    for rule in with("", &Options::default()).rules() {
        let (_, mistakes) = rule.desc.split_once("alse positives").unwrap();
        for word in mistakes.split(|char: char| !(char.is_ascii_lowercase() || char == '_')) {
            let is_file = ["core_pattern", "binfmt_misc"].contains(&word);
            if word.contains('_') && !is_file {
                assert!(knobs.contains(word), "{}: no list is called {word}", rule.name);
                spoken_of.insert(word.to_owned());
            }
        }
    }
    assert!(spoken_of.len() > 30, "{spoken_of:?}");
}

/// The names of a file's lists and macros.
fn defined(text: &str) -> BTreeSet<String> {
    let keys = ["- list: ", "- macro: ", "  macro: ", "  list: "];
    let named =
        |line: &str| keys.iter().find_map(|key| Some(line.strip_prefix(key)?.trim().to_owned()));
    text.lines().filter_map(named).collect()
}

/// Else loading both would change what the official rules mean, or ours.
#[test]
fn lists_and_macros_have_names_of_their_own() {
    let ours: BTreeSet<String> = shipped().iter().flat_map(|file| defined(&file.text)).collect();
    assert!(ours.len() > 50, "{} names", ours.len());
    for file in official_rules::ALL {
        let test = "lists_and_macros_have_names_of_their_own";
        let Some(path) = official_rules::file(test, file) else { continue };
        let theirs = defined(&fs::read_to_string(path).unwrap());
        let shared: Vec<&String> = ours.intersection(&theirs).collect();
        assert!(shared.is_empty(), "in {file}, too: {shared:?}");
    }
}

/// What the shipped rules say of the recorded work of a machine, which is no attack: on the host
/// nothing. In a container somebody who installs packages is told of, and nobody else.
#[test]
fn ordinary_work_is_quiet() {
    let rules = with("", &Options::default());
    let mut counts = [BTreeMap::<String, usize>::new(), BTreeMap::new()];
    let mut events = 0;
    for (_, event) in mix::read() {
        events += 1;
        for (place, counts) in ["host", "3f1c9a7b52de"].iter().zip(&mut counts) {
            let text = place.as_bytes();
            let event = WithField { event: &event, field: Field::ContainerId, text };
            for matched in rules.evaluate("syscall", &event) {
                *counts.entry(matched.rule.name.clone()).or_default() += 1;
            }
        }
    }
    assert!(events > 100_000, "only {events} events");
    let install = "Launch Package Management Process in Container".to_owned();
    assert_eq!(counts, [BTreeMap::new(), BTreeMap::from([(install, 1)])]);
}
