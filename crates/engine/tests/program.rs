//! The fast evaluator gives what a walk over the conditions as written gives.

use std::cell::{Cell, RefCell};

use lanner_engine::{
    Match, Matching, Options, RecordedEvent, RuleSet, Scratch, Severity, SourceFile, load,
};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::TestRunner,
};
use serde_json::{Map, Value as Json, json};

const TEXTS: &[&str] = &["", "a", "b", "ab", "ba", "A", "aB", "/a", "/a/b", "/b/../a", "aba", "/"];
const PATTERNS: &[&str] = &["*", "a*", "*b", "/a*", "?", "[ab]*", "*a*b*", "/*/b", "/a", "ab"];
const TEXT_FIELDS: &[&str] = &[
    "proc.name",
    "proc.cmdline",
    "proc.aname",
    "proc.aname[2]",
    "evt.arg.flags",
    "fd.name",
    "fd.directory",
    "tolower(proc.name)",
    "toupper(proc.name)",
    "basename(fd.name)",
];
const PATH_FIELDS: &[&str] = &["fd.name", "proc.exepath", "fd.directory"];
const NUMBER_FIELDS: &[&str] =
    &["fd.num", "evt.rawres", "proc.pid", "proc.apid", "fd.sport", "fd.port", "len(proc.name)"];
const NUMBERS: &[&str] = &["1", "2", "3", "4"];
const ADDRESSES: &[&str] = &["10.0.0.1", "10.0.1.1", "::1", "::ffff:10.0.0.1"];
const NETWORKS: &[&str] = &["10.0.0.0/24", "10.0.0.0/8", "::/1"];
const TYPES: &[&str] = &["open", "openat", "execve", "connect"];

/// An operand that holds one value in the grammar.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn list(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    subsequence(values, 1..=values.len().min(4))
        .prop_map(|values| values.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

fn test_of(
    fields: &'static [&'static str],
    operators: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = String> {
    (select(fields), select(operators), select(values))
        .prop_map(|(field, operator, value)| format!("{field} {operator} {}", quoted(value)))
}

fn list_test_of(
    fields: &'static [&'static str],
    operators: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = String> {
    (select(fields), select(operators), list(values))
        .prop_map(|(field, operator, values)| format!("{field} {operator} ({values})"))
}

fn syscall_test() -> impl Strategy<Value = String> {
    const TEXT: &[&str] = &["=", "!=", "contains", "icontains", "startswith", "endswith"];
    const MANY: &[&str] = &[
        "in",
        "intersects",
        "startswith anyof",
        "contains anyof",
        "contains allof",
        "endswith oneof",
        "= oneof",
    ];
    prop_oneof![
        4 => test_of(TEXT_FIELDS, TEXT, TEXTS),
        3 => list_test_of(TEXT_FIELDS, MANY, TEXTS),
        1 => test_of(TEXT_FIELDS, &["glob", "iglob", "regex"], &["a", "ab", "a.*"]),
        2 => test_of(TEXT_FIELDS, &["glob", "iglob"], PATTERNS),
        1 => list_test_of(PATH_FIELDS, &["pmatch"], PATTERNS),
        1 => test_of(NUMBER_FIELDS, &["=", "!="], NUMBERS),
        1 => (select(NUMBER_FIELDS), select(&["<", "<=", ">", ">="][..]), select(NUMBERS))
            .prop_map(|(field, operator, number)| format!("{field} {operator} {number}")),
        1 => list_test_of(NUMBER_FIELDS, &["in"], NUMBERS),
        1 => test_of(&["fd.ip", "fd.sip"], &["=", "!="], &["10.0.0.1", "10.0.1.1", "::1"]),
        1 => list_test_of(&["fd.net", "fd.snet"], &["in"], NETWORKS),
        1 => test_of(&["fd.net", "fd.snet"], &["=", "!="], NETWORKS),
        1 => test_of(&["evt.is_open_read", "evt.is_open_write"], &["=", "!="], &["true", "false"]),
        2 => list_test_of(&["evt.type"], &["in"], TYPES),
        2 => test_of(&["evt.type"], &["=", "!="], TYPES),
        1 => select(&[
            "proc.name exists", "proc.aname exists", "evt.type exists", "fd.ip exists",
            "evt.dir = <", "evt.dir = >", "evt.num=0", "proc.name = val(proc.cmdline)",
            "fd.num < val(evt.rawres)", "fd.name contains val(proc.name)",
        ][..]).prop_map(str::to_owned),
    ]
}

fn audit_test() -> impl Strategy<Value = String> {
    const LISTS: &[&str] = &["ka.req.pod.containers.image", "ka.req.role.rules.verbs"];
    prop_oneof![
        list_test_of(LISTS, &["in", "intersects"], TEXTS),
        test_of(&["ka.verb", "ka.target.name"], &["=", "!=", "startswith"], TEXTS),
        Just("ka.req.pod.containers.image exists".to_owned()),
    ]
}

fn condition(test: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    let joined = |word: &'static str| {
        move |parts: Vec<String>| format!("({})", parts.join(&format!(" {word} ")))
    };
    test.boxed().prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..5).prop_map(joined("and")),
            prop::collection::vec(inner.clone(), 2..5).prop_map(joined("or")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn rule_file() -> impl Strategy<Value = String> {
    let rule = |source: &'static str| move |condition: String| (source, condition);
    let rules = prop_oneof![
        4 => condition(syscall_test()).prop_map(rule("syscall")),
        1 => condition(audit_test()).prop_map(rule("k8s_audit")),
    ];
    prop::collection::vec(rules, 1..40).prop_map(|rules| {
        let rule = |(index, (source, condition)): (usize, (&str, String))| {
            let output = if source == "syscall" { "%fd.name" } else { "%ka.verb" };
            json!({
                "rule": format!("r{index}"), "desc": "d", "output": output, "priority": "INFO",
                "source": source, "condition": condition,
            })
        };
        Json::Array(rules.into_iter().enumerate().map(rule).collect()).to_string()
    })
}

fn event() -> impl Strategy<Value = Map<String, Json>> {
    let text = || select(TEXTS).prop_map(Json::from);
    let texts = || prop::collection::vec(text(), 0..4).prop_map(Json::from);
    let number = || (0..5).prop_map(Json::from);
    let address = || select(ADDRESSES).prop_map(Json::from);
    let list_of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let field = prop_oneof![
        8 => (select(list_of(&[
            "proc.name", "proc.cmdline", "evt.arg.flags", "fd.name", "fd.name.resolved",
            "fd.directory", "proc.exepath", "ka.verb", "ka.target.name",
        ])), text()),
        3 => (select(list_of(&[
            "proc.aname", "ka.req.pod.containers.image", "ka.req.role.rules.verbs",
        ])), texts()),
        5 => (select(list_of(&["fd.num", "evt.rawres", "proc.pid", "fd.sport", "fd.cport"])), number()),
        1 => (Just("proc.apid".to_owned()), prop::collection::vec(number(), 0..4).prop_map(Json::from)),
        3 => (select(list_of(&["fd.sip", "fd.cip"])), address()),
        1 => (Just("fd.ip".to_owned()), prop::collection::vec(address(), 0..3).prop_map(Json::from)),
        2 => (select(list_of(&["evt.is_open_read", "evt.is_open_write"])), any::<bool>().prop_map(Json::from)),
    ];
    (prop::collection::vec(field, 0..16), select(&["", "open", "openat", "execve", "close"][..]))
        .prop_map(|(fields, event_type)| {
            let mut event: Map<String, Json> = fields.into_iter().collect();
            if !event_type.is_empty() {
                event.insert("evt.type".to_owned(), event_type.into());
            }
            event
        })
}

fn told(matches: &[Match<'_>]) -> Vec<(String, String)> {
    matches.iter().map(|found| (found.rule.name.clone(), found.output.clone())).collect()
}

fn set(text: &str, matching: Matching) -> RuleSet {
    let file = SourceFile { name: "rules.yaml".to_owned(), text: text.to_owned() };
    let (rules, diagnostics) = load(&[file], &Options { matching, ..Options::default() });
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    rules
}

#[test]
fn it_equals_the_walk_over_the_conditions_as_written() {
    let (matched, not_matched) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(96));
    let scratch = RefCell::new(Scratch::default());
    let cases = (rule_file(), prop::collection::vec(event(), 12));
    let outcome = runner.run(&cases, |(rules, events)| {
        for matching in [Matching::All, Matching::First] {
            let rules = set(&rules, matching);
            for event in &events {
                let event = RecordedEvent::from_map(event).unwrap();
                for source in ["syscall", "k8s_audit"] {
                    let naive = told(&rules.evaluate_naively(source, &event));
                    let fast =
                        told(&rules.evaluate_with(&mut scratch.borrow_mut(), source, &event));
                    prop_assert_eq!(&fast, &naive, "{:?}", event);
                    prop_assert_eq!(&told(&rules.evaluate(source, &event)), &naive);
                    matched.set(matched.get() + naive.len());
                    not_matched.set(not_matched.get() + rules.rules().count() - naive.len());
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
    // Otherwise it compared nothing with nothing.
    assert!(matched.get() > 1000 && not_matched.get() > 1000, "{matched:?} {not_matched:?}");
}

/// `expected` is the output, which says with which path the rule matched.
#[track_caller]
fn check_paths(condition: &str, exceptions: &str, expected: Option<&str>) {
    let rule = format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: '%fd.name %fd.directory'\n  \
         priority: INFO\n{exceptions}"
    );
    let event = json!({
        "evt.type": "openat", "fd.name": "/tmp/link", "fd.name.resolved": "/etc/shadow",
        "fd.directory": "/tmp", "fd.filename": "link", "evt.arg.name": "/tmp/link",
        "evt.arg.fd": "<f>/tmp/link", "fd.nameraw": "link",
    });
    let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
    for matching in [Matching::All, Matching::First] {
        let rules = set(&rule, matching);
        let fast = told(&rules.evaluate("syscall", &event));
        assert_eq!(fast, told(&rules.evaluate_naively("syscall", &event)), "{condition}");
        let outputs: Vec<_> = fast.iter().map(|(_, output)| output.as_str()).collect();
        assert_eq!(outputs, Vec::from_iter(expected), "{condition}");
    }
}

#[test]
fn a_condition_is_evaluated_with_each_path_and_never_with_both() {
    const FIRST: Option<&str> = Some("/tmp/link /tmp");
    const OTHER: Option<&str> = Some("/etc/shadow /etc");
    check_paths("evt.type = openat", "", FIRST);
    check_paths("fd.name = /tmp/link", "", FIRST);
    check_paths("fd.name = /etc/shadow", "", OTHER);
    check_paths("fd.name.resolved = /etc/shadow", "", FIRST);
    check_paths("fd.directory = /etc and fd.filename = shadow", "", OTHER);
    check_paths("evt.arg.name = /etc/shadow and evt.arg.fd contains shadow", "", OTHER);
    // One of each is no file at all.
    check_paths("fd.directory = /etc and fd.filename = link", "", None);
    check_paths("fd.name = /tmp/link and evt.arg.name = /etc/shadow", "", None);
    check_paths("fd.name startswith /etc and fd.nameraw = link", "", OTHER);
    // What is denied of one path may hold for the other.
    check_paths("fd.name != /tmp/link", "", OTHER);
    check_paths("not fd.name startswith /tmp", "", OTHER);
    check_paths("fd.name != /etc/shadow", "", FIRST);
    check_paths("not fd.name in (/tmp/link, /etc/shadow)", "", None);
    let except = |path: &str| {
        format!("  exceptions:\n    - name: e\n      fields: fd.name\n      values: [{path}]\n")
    };
    check_paths("evt.type = openat", &except("/tmp/link"), OTHER);
    check_paths("evt.type = openat", &except("/etc/shadow"), FIRST);
    check_paths("fd.name startswith /etc", &except("/tmp/link"), OTHER);
    check_paths("fd.name startswith /etc", &except("/etc/shadow"), None);
    check_paths("evt.type = openat", &except("/tmp/link, /etc/shadow"), None);
}

#[test]
fn the_first_rule_is_the_first_for_either_path() {
    let rules = "- {rule: other, desc: d, condition: fd.name = b, output: o, priority: INFO}\n\
                 - {rule: first, desc: d, condition: fd.name = a, output: o, priority: INFO}\n";
    let event = json!({"evt.type": "open", "fd.name": "a", "fd.name.resolved": "b"});
    let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
    for (matching, expected) in
        [(Matching::First, &["other"][..]), (Matching::All, &["other", "first"][..])]
    {
        let rules = set(rules, matching);
        let found = rules.evaluate("syscall", &event);
        let names: Vec<_> = found.iter().map(|found| found.rule.name.as_str()).collect();
        assert_eq!(names, expected);
    }
}

/// One working memory serves any number of rule sets in turn, as after a reload.
#[test]
fn a_scratch_keeps_nothing_of_other_rules() {
    let rule = |name: &str| {
        let condition = format!("(proc.name = {name} or fd.name exists) and not proc.name = x");
        let rule = json!({
            "rule": name, "desc": "d", "output": "o", "priority": "INFO", "condition": condition,
        });
        set(&json!([rule]).to_string(), Matching::All)
    };
    let (a, b) = (rule("a"), rule("b"));
    let event = json!({"evt.type": "open", "proc.name": "a"});
    let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        assert_eq!(a.evaluate_with(&mut scratch, "syscall", &event).len(), 1);
        assert_eq!(b.evaluate_with(&mut scratch, "syscall", &event).len(), 0);
    }
}
