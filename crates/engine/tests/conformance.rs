//! What the rule language means, as data: the tables in `conformance/`.
//!
//! A table has one case a line: a verb, then what is tried, verbatim (or as a JSON string, where it
//! holds a control character or begins with a blank). The indented line below says what comes of
//! it (`...` stands for a message, or for the rest of a long one), and `#` begins a comment.
//!
//! ```text
//! event {"proc.name":"cat"}    the event of the cases below
//! true CONDITION               holds for the event; and so with `false`
//! rejects CONDITION            compiles to nothing
//!     MESSAGE
//! accepts CONDITION            follows the grammar; its names may be unknown
//! stops CONDITION              does not follow the grammar
//!     OFFSET: MESSAGE
//! prints CONDITION             compiles, and a rule prints it back as
//!     CONDITION
//! warns CONDITION              a rule's condition that is remarked on
//!     CODE: MESSAGE
//! types CONDITION              the types of events it can match
//!     open openat              or `none`, `all`, `all but open openat`
//! renders FORMAT               the message of a rule for the event
//!     TEXT
//! misrenders FORMAT            no format
//!     MESSAGE
//! values FORMAT                the fields that go with the message, without the time
//!     {"proc.name":"cat"}
//! ```
//!
//! In `conformance/loading` are rule files, and what loading them gives:
//!
//! ```text
//! === name of the case
//! --- file.yaml
//! (its text)
//! --- gives
//! rule NAME: CONDITION         each rule that is loaded, in their order
//! KEY NAME: VALUE              more of it: priority, source, tags, output, desc, enabled
//! file.yaml: ITEM LINE:COLUMN: CODE: MESSAGE     each diagnostic, in any order, with the place that
//! ```                                             Falco's JSON ends with, both counted from 0

use std::{collections::BTreeSet, fs, path::Path};

use lanner_engine::{
    Code, Context, Diagnostic, Filter, Options, Position, RecordedEvent, Rule, RuleSet, SourceFile,
    load,
};
use serde_json::{Map, Value, json};

/// Cases in all tables together: a table that is no longer read must not go unseen.
const CASES_MIN: usize = 1900;

/// One line of a table with the indented one below it.
struct Case<'a> {
    line: usize,
    verb: &'a str,
    input: String,
    outcome: String,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (line, text) in (1..).zip(table.lines()) {
        if let Some(outcome) = text.strip_prefix("    ") {
            let case = cases.last_mut().filter(|case| case.outcome.is_empty());
            case.unwrap_or_else(|| panic!("line {line} belongs to no case")).outcome =
                unquoted(outcome);
        } else if !text.is_empty() && !text.starts_with('#') {
            let (verb, input) = text.split_once(' ').unwrap_or((text, ""));
            cases.push(Case { line, verb, input: unquoted(input), outcome: String::new() });
        }
    }
    cases
}

fn unquoted(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(Value::String(inside)) => inside,
        _ => text.to_owned(),
    }
}

/// What the engine makes of a case, in the words of the table.
fn found(case: &Case<'_>, event: &RecordedEvent) -> String {
    let input = case.input.as_str();
    match case.verb {
        "true" | "false" => match Filter::compile(input) {
            Ok(filter) => filter.matches(event).to_string(),
            Err(error) => format!("rejected: {}", error.message),
        },
        "rejects" => match Filter::compile(input) {
            Ok(filter) => filter.matches(event).to_string(),
            Err(error) => error.message,
        },
        "accepts" | "stops" => match Filter::check_syntax(input) {
            Ok(()) => String::new(),
            Err(error) => format!("{}: {}", error.offset, error.message),
        },
        "prints" => of_rule(input, "", |rules, _| Some(first(rules)?.condition_compiled())),
        "warns" => of_rule(input, "", |_, diagnostics| Some(lines(diagnostics, coded))),
        "types" => of_rule(input, "", |rules, _| Some(types(&first(rules)?.event_types()))),
        "renders" => of_rule(ALWAYS, input, |rules, _| {
            Some(rules.evaluate("syscall", event).first()?.output.clone())
        }),
        "misrenders" => of_rule(ALWAYS, input, |_, _| None),
        "values" => of_rule(ALWAYS, input, |rules, _| {
            let matches = rules.evaluate("syscall", event);
            let fields: Map<_, _> = matches.first()?.output_fields.iter().cloned().collect();
            let timeless = fields.into_iter().filter(|(name, _)| name != "evt.time");
            Some(Value::Object(timeless.collect()).to_string())
        }),
        verb => panic!("line {}: {verb} is no verb", case.line),
    }
}

fn wanted(case: &Case<'_>) -> String {
    match case.verb {
        "true" | "false" => case.verb.to_owned(),
        _ => case.outcome.clone(),
    }
}

const ALWAYS: &str = "evt.num exists or not evt.num exists";

/// Loads one rule, and asks about it; without an answer, the first diagnostic's message.
fn of_rule(
    condition: &str,
    output: &str,
    ask: impl FnOnce(&RuleSet, &[Diagnostic]) -> Option<String>,
) -> String {
    let rule = json!([{"rule": "R", "desc": "d", "condition": condition, "priority": "INFO",
        "output": if output.is_empty() { "o" } else { output }, "warn_evttypes": false}]);
    let file = SourceFile { name: "rule.yaml".to_owned(), text: rule.to_string() };
    let (rules, diagnostics) = load(&[file], &Options::default());
    let told = || diagnostics.first().map(|one| one.message.clone()).unwrap_or_default();
    ask(&rules, &diagnostics).unwrap_or_else(told)
}

fn first(rules: &RuleSet) -> Option<&Rule> {
    rules.rules().next()
}

fn lines(diagnostics: &[Diagnostic], line: impl Fn(&Diagnostic) -> String) -> String {
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn coded(diagnostic: &Diagnostic) -> String {
    format!("{}: {}", diagnostic.code.as_str(), diagnostic.message)
}

/// A set of event types as the tables name it: by what it leaves out, if that is less.
fn types(names: &[&str]) -> String {
    let mut all = BTreeSet::new();
    of_rule(ALWAYS, "", |rules, _| {
        let rule = first(rules)?;
        all.extend(rule.event_types().into_iter().map(str::to_owned));
        Some(String::new())
    });
    let names: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
    match names.len() {
        0 => "none".to_owned(),
        few if few * 2 < all.len() => list(names),
        most if most == all.len() => "all".to_owned(),
        _ => format!("all but {}", list(&all - &names)),
    }
}

/// What a table says and the engine does not do.
fn failures(name: &str, table: &str) -> Vec<String> {
    let mut event = RecordedEvent::default();
    let mut failures = Vec::new();
    for case in cases(table) {
        if case.verb == "event" {
            match RecordedEvent::from_json(&case.input) {
                Ok(read) => event = read,
                Err(error) => failures.push(format!("{name}:{}: {error}", case.line)),
            }
            continue;
        }
        let (found, wanted) = (found(&case, &event), wanted(&case));
        if !is_like(&found, &wanted) {
            let Case { line, verb, input, .. } = case;
            failures.push(format!("{name}:{line}: {verb} {input}\n  {wanted:?}\n  {found:?}"));
        }
    }
    failures
}

/// The tables below `folder` by name, with their text.
fn tables(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    let mut tables: Vec<_> = files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    tables.sort();
    tables
}

#[track_caller]
fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn tables_hold() {
    let tables = tables("conformance");
    let failures = tables.iter().flat_map(|(name, text)| failures(name, text));
    assert_none(&failures.collect::<Vec<_>>());
}

#[test]
fn there_are_as_many_cases_as_there_were() {
    let in_tables = tables("conformance").iter().map(|(_, text)| cases(text).len()).sum::<usize>();
    let loadings = tables("conformance/loading");
    let loaded = loadings.iter().map(|(_, text)| text.matches("\n--- gives\n").count());
    assert!(in_tables + loaded.sum::<usize>() >= CASES_MIN, "{in_tables} in tables");
}

#[test]
fn a_table_that_is_wrong_is_told() {
    for wrong in [
        "true proc.name exists",
        "false not proc.name exists",
        "rejects proc.name exists\n    no",
        "accepts proc.name",
        "stops proc.name exists\n    0: no",
        "prints proc.name exists\n    proc.pname exists",
        "warns proc.name exists\n    LOAD_COMPILE_CONDITION: no",
        "types evt.type = open\n    all",
        "renders x\n    y",
        "misrenders x\n    no",
        "values %proc.name\n    {}",
    ] {
        assert_eq!(failures("wrong", wrong).len(), 1, "{wrong}");
    }
}

/// One case of rule files.
struct Loading<'a> {
    name: &'a str,
    files: Vec<SourceFile>,
    gives: Vec<&'a str>,
}

fn loadings(text: &str) -> Vec<Loading<'_>> {
    let mut loadings: Vec<Loading<'_>> = Vec::new();
    let mut inside = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            loadings.push(Loading { name, files: Vec::new(), gives: Vec::new() });
            inside = "";
            continue;
        }
        // Before the first case there is room for a comment.
        let Some(loading) = loadings.last_mut() else { continue };
        if let Some(name) = line.strip_prefix("--- ") {
            inside = name;
            if name != "gives" {
                let (name, text) = (name.to_owned(), String::new());
                loading.files.push(SourceFile { name, text });
            }
        } else if inside == "gives" {
            loading.gives.extend((!line.is_empty()).then_some(line));
        } else if let Some(file) = loading.files.last_mut() {
            file.text.push_str(line);
            file.text.push('\n');
        }
    }
    loadings
}

/// What a case says and loading does not give, or the other way round.
fn differences(loading: &Loading<'_>) -> Vec<String> {
    let (rules, diagnostics) = load(&loading.files, &Options::default());
    let mut given: Vec<String> = rules.rules().map(condition_line).collect();
    let more: Vec<String> = rules.rules().flat_map(more_lines).collect();
    given.extend(
        loading
            .gives
            .iter()
            .filter(|line| more.contains(&(**line).to_owned()))
            .map(|line| (*line).to_owned()),
    );
    given.extend(diagnostics.iter().map(|one| {
        // Where and how YAML is broken, each parser says in its own way.
        if one.code == Code::YamlParse {
            return format!("{}: {}", one.file, one.code.as_str());
        }
        let Some(Context { item_type, position, .. }) = one.context.last() else {
            return format!("{}: {}", one.file, coded(one));
        };
        let Position { line, column, .. } = position;
        format!("{}: {item_type} {line}:{column}: {}", one.file, coded(one))
    }));
    let only = |these: &[String], those: &[String], sign: char| {
        let mut rest = those.to_vec();
        let unmatched = these.iter().filter(|line| {
            let at = rest.iter().position(|other| is_like(line, other) || is_like(other, line));
            at.map(|at| rest.swap_remove(at)).is_none()
        });
        unmatched.map(|line| format!("{}: {sign} {line}", loading.name)).collect::<Vec<_>>()
    };
    let wanted: Vec<String> = loading.gives.iter().map(|line| (*line).to_owned()).collect();
    let mut differences = only(&wanted, &given, '-');
    differences.extend(only(&given, &wanted, '+'));
    differences
}

/// Whether it is what is wanted, of which the end may be left open.
fn is_like(found: &str, wanted: &str) -> bool {
    match wanted.strip_suffix("...") {
        Some(start) => found.len() > start.len() && found.starts_with(start),
        None => found == wanted,
    }
}

fn condition_line(rule: &Rule) -> String {
    format!("rule {}: {}", rule.name, rule.condition_compiled())
}

fn more_lines(rule: &Rule) -> [String; 6] {
    let Rule { name, priority, source, output, desc, enabled, .. } = rule;
    [
        format!("priority {name}: {priority}"),
        format!("source {name}: {source}"),
        format!("tags {name}: {}", rule.tags.join(" ")),
        format!("output {name}: {output}"),
        format!("desc {name}: {desc}"),
        format!("enabled {name}: {enabled}"),
    ]
}

#[test]
fn rule_files_load() {
    let mut found = Vec::new();
    for (name, text) in tables("conformance/loading") {
        for loading in loadings(&text) {
            found.extend(differences(&loading).iter().map(|one| format!("{name}: {one}")));
        }
    }
    assert_none(&found);
}

#[test]
fn a_loading_that_is_wrong_is_told() {
    let file = "=== x\n--- a.yaml\n- rule: R\n  desc: d\n  condition: evt.type = open\n  \
                output: o\n  priority: INFO\n";
    let right = format!("{file}--- gives\nrule R: evt.type = open\npriority R: Informational\n");
    assert_none(&differences(&loadings(&right)[0]));
    for wrong in ["", "rule R: evt.type = open\ntags R: t", "rule R: x", "rule S: evt.type = open"]
    {
        let text = format!("{file}--- gives\n{wrong}");
        assert_ne!(differences(&loadings(&text)[0]).len(), 0, "{wrong}");
    }
}
