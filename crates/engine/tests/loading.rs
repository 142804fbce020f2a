//! Rule files: what later items do to earlier ones, and where errors point.

use lanner_engine::{
    Code, Diagnostic, Filter, Options, Priority, RecordedEvent, RuleSet, Severity, SourceFile, load,
};
use proptest::prelude::*;

fn load_files(texts: &[&str]) -> (RuleSet, Vec<Diagnostic>) {
    let files = texts.iter().enumerate().map(|(index, text)| SourceFile {
        name: format!("{index}.yaml"),
        text: (*text).to_owned(),
    });
    load(&files.collect::<Vec<_>>(), &Options::default())
}

/// Loads files without errors and compares the resolved condition of their rule `R`.
#[track_caller]
fn check(texts: &[&str], condition: &str) {
    let (rules, diagnostics) = load_files(texts);
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.map(ToString::to_string).collect::<String>(), "");
    let rule = rules.rules().find(|rule| rule.name == "R").expect("a rule R");
    assert_eq!(rule.condition_compiled(), condition);
}

/// Loads files and finds the diagnostic: `file:line:column: message`, the message's start.
#[track_caller]
fn check_told(texts: &[&str], code: Code, told: &str) {
    let (_, diagnostics) = load_files(texts);
    let found = diagnostics.iter().filter(|one| one.code == code).map(|one| {
        let Diagnostic { file, line, column, message, .. } = one;
        format!("{file}:{line}:{column}: {message}")
    });
    let found: Vec<String> = found.collect();
    assert!(found.iter().any(|one| one.starts_with(told)), "{told:?} is not in {diagnostics:#?}");
}

/// A rule `R` with a condition, as it stands in a file.
fn rule(condition: &str) -> String {
    format!(
        "- rule: R\n  desc: d\n  condition: {condition}\n  output: o %proc.name\n  priority: INFO\n"
    )
}

const OPEN: &str = "evt.type = open";

#[test]
fn lists_and_macros_resolve() {
    let lists = "- list: a\n  items: [x, 'y z', 25, yes]\n- list: b\n  items: [a, w]\n";
    let macros = "- macro: m\n  condition: (evt.type=open and proc.name in (b))\n";
    check(
        &[lists, macros, &rule("m and not proc.pname in (a)")],
        "((evt.type = open and proc.name in (x, \"y z\", 25, yes, w)) and \
         not proc.pname in (x, \"y z\", 25, yes))",
    );
}

#[test]
fn a_later_file_overrides_macros_that_earlier_ones_use() {
    let first = "- macro: user_known\n  condition: (evt.num=0)\n\
                 - macro: m\n  condition: evt.type=open and not user_known\n";
    let second =
        "- macro: user_known\n  condition: (proc.name=x)\n  override: {condition: replace}\n";
    check(&[first, &rule("m"), second], "(evt.type = open and not proc.name = x)");
    let appended = "- macro: m\n  condition: and fd.num=3\n  override: {condition: append}\n";
    check(&[first, &rule("m"), appended], "(evt.type = open and not evt.num = 0 and fd.num = 3)");
}

#[test]
fn rules_are_appended_to_and_overridden() {
    let open = rule("evt.type=open");
    let and = "- rule: R\n  condition: and proc.name=x\n  append: true\n";
    check(&[&open, and], "(evt.type = open and proc.name = x)");
    check_told(&[&open, and], Code::DeprecatedItem, "1.yaml:3:11: 'append' key is deprecated");

    let change = "- rule: R\n  condition: evt.type=creat\n  output: ' and %fd.name'\n  priority: error\n  \
                  tags: [t]\n  override: {condition: replace, output: append, priority: replace, tags: append}\n";
    check(&[&open, change], "evt.type = creat");
    let (rules, _) = load_files(&[&open, change]);
    let rule = rules.rules().next().unwrap();
    assert_eq!(
        (rule.output.as_str(), rule.priority),
        ("o %proc.name  and %fd.name", Priority::Error)
    );
    assert_eq!(rule.tags, ["t"]);
}

#[test]
fn rules_are_switched_off_and_on() {
    let event = RecordedEvent::from_json(r#"{"evt.type":"open"}"#).unwrap();
    let matches = |texts: &[&str]| load_files(texts).0.evaluate("syscall", &event).len();
    let open = rule("evt.type=open");
    assert_eq!(matches(&[&open]), 1);
    assert_eq!(matches(&[&open, "- rule: R\n  enabled: false\n"]), 0);
    assert_eq!(
        matches(&[&open, "- rule: R\n  enabled: false\n  override: {enabled: replace}\n"]),
        0
    );
    assert_eq!(matches(&[&format!("{open}  enabled: false\n"), "- rule: R\n  enabled: true\n"]), 1);
    let twice = "- rule: R\n  enabled: false\n";
    check_told(&[&open, twice], Code::DeprecatedItem, "1.yaml:1:3: The standalone 'enabled' key");
}

#[test]
fn exceptions_narrow_the_condition() {
    let single = "  exceptions:\n    - {name: e, fields: proc.name, values: [a, 'b c']}\n";
    check(&[&(rule(OPEN) + single)], "(evt.type = open and not proc.name in (a, \"b c\"))");
    let many = "  exceptions:\n    - name: e\n      fields: [proc.name, fd.name]\n      \
                comps: [in, startswith]\n      values:\n        - [[a, b], /etc]\n        - [c, /x]\n";
    check(
        &[&(rule(OPEN) + many)],
        "(evt.type = open and not ((proc.name in (a, b) and fd.name startswith /etc) or \
         (proc.name in (c) and fd.name startswith /x)))",
    );
    let more =
        "- rule: R\n  exceptions: [{name: e, values: [z]}]\n  override: {exceptions: append}\n";
    check(
        &[&(rule(OPEN) + single), more],
        "(evt.type = open and not proc.name in (a, \"b c\", z))",
    );
    let uneven = "  exceptions: [{name: e, fields: [proc.name], values: [[a, b]]}]\n";
    check_told(
        &[&(rule(OPEN) + uneven)],
        Code::Validate,
        "0.yaml:6:16: Fields and values lists must have equal length",
    );
    let nothing =
        "- rule: R\n  exceptions: [{name: e, value: z}]\n  override: {exceptions: append}\n";
    check_told(
        &[&(rule(OPEN) + single), nothing],
        Code::AppendNoValues,
        "1.yaml:2:16: Overriding/appending exception with no values",
    );
}

#[test]
fn errors_point_into_every_kind_of_yaml_text() {
    let unknown = "filter_check called with nonexistent field proc.nmae";
    let code = Code::CompileCondition;
    check_told(&[&rule("evt.type=open and proc.nmae=x")], code, &format!("0.yaml:3:32: {unknown}"));
    check_told(
        &[&rule("\"evt.type=open and proc.nmae=x\"")],
        code,
        &format!("0.yaml:3:33: {unknown}"),
    );
    check_told(
        &[&rule(r#""proc.name=\"a b\" and proc.nmae=x""#)],
        code,
        &format!("0.yaml:3:37: {unknown}"),
    );
    check_told(
        &[&rule("'proc.name=\"it''s\" and proc.nmae=x'")],
        code,
        &format!("0.yaml:3:37: {unknown}"),
    );
    check_told(
        &[&rule(">\n    evt.type=open\n    and proc.nmae=x")],
        code,
        &format!("0.yaml:5:9: {unknown}"),
    );
    check_told(
        &[&rule("|\n    evt.type=open\n      and proc.nmae=x")],
        code,
        &format!("0.yaml:5:11: {unknown}"),
    );
    check_told(
        &[&rule("evt.type=open\n    and proc.nmae=x")],
        code,
        &format!("0.yaml:4:9: {unknown}"),
    );
    check_told(
        &["# ünïcödé\n", &rule("proc.name=ü and proc.nmae=x")],
        code,
        &format!("1.yaml:3:30: {unknown}"),
    );
}

#[test]
fn errors_point_past_lists_into_macros_and_into_appended_text() {
    let list = "- list: l\n  items: [a, b, c, d, e, f]\n";
    let unknown = "filter_check called with nonexistent field proc.nmae";
    let code = Code::CompileCondition;
    check_told(
        &[list, &rule("proc.name in (l) and proc.nmae=x")],
        code,
        &format!("1.yaml:3:35: {unknown}"),
    );
    let in_macro = "- macro: m\n  condition: evt.type=open and proc.nmae=x\n";
    check_told(&[in_macro, &rule("m")], code, &format!("0.yaml:2:32: {unknown}"));
    let appended = "- rule: R\n  condition: and proc.nmae=x\n  override: {condition: append}\n";
    check_told(&[&rule(OPEN), appended], code, &format!("1.yaml:2:18: {unknown}"));
    check_told(
        &[&rule("nowhere and a.b=c")],
        Code::Validate,
        "0.yaml:3:14: Undefined macro 'nowhere' used in filter.",
    );
    let output = rule(OPEN).replace("%proc.name", "%proc.nmae");
    check_told(&[&output], Code::CompileOutput, &format!("0.yaml:4:14: {unknown}"));
}

#[test]
fn macros_see_only_those_before_them() {
    let later = "- macro: a\n  condition: b\n- macro: b\n  condition: proc.name=x\n";
    let code = Code::Validate;
    check_told(&[later, &rule("b")], code, "0.yaml:2:14: Undefined macro 'b' used in filter.");
    let itself = "- macro: a\n  condition: not a\n";
    check_told(&[itself], code, "0.yaml:2:18: Undefined macro 'a' used in filter.");
    check_told(&[itself, &rule("a")], code, "1.yaml:3:14: macro 'a' has an error of its own");
    let again = "- macro: a\n  condition: or a\n  override: {condition: append}\n";
    let first = "- macro: a\n  condition: proc.name=x\n";
    check_told(&[first, again], code, "1.yaml:2:17: reference loop in macro 'a'");
    let loops = "- macro: a\n  condition: proc.name=x\n- macro: b\n  condition: a\n\
                 - macro: a\n  condition: b\n";
    check_told(&[loops], code, "0.yaml:4:14: reference loop in macro 'a'");
}

#[test]
fn a_macro_that_is_redefined_sees_what_came_in_between() {
    let first =
        "- macro: user_known\n  condition: (evt.num=0)\n- macro: m\n  condition: user_known\n";
    let mine = "- macro: mine\n  condition: proc.name=x\n\
                - macro: user_known\n  condition: mine\n  override: {condition: replace}\n";
    check(
        &[first, &rule("evt.type=open and not m"), mine],
        "(evt.type = open and not proc.name = x)",
    );
}

#[test]
fn one_bad_item_does_not_stop_the_rest() {
    let bad =
        "- rule: Bad\n  desc: d\n- 7\n- list: l\n- nonsense: 1\n- macro: 'x y'\n  condition: m\n";
    let (rules, diagnostics) = load_files(&[bad, &rule(OPEN), "a: [", "x"]);
    assert_eq!(rules.rules().count(), 1);
    let codes: Vec<Code> = diagnostics.iter().map(|one| one.code).collect();
    for code in [Code::YamlValidate, Code::UnknownItem, Code::InvalidMacroName, Code::YamlParse] {
        assert!(codes.contains(&code), "{code:?} is not in {codes:?}");
    }
    check_told(&[bad], Code::YamlValidate, "0.yaml:1:3: Item has no mapping for key 'condition'");
}

#[test]
fn what_is_strange_is_remarked_on() {
    let typo = rule(OPEN) + "  tgas: [x]\n";
    let (_, diagnostics) = load_files(&[&typo]);
    assert_eq!(diagnostics[0].code, Code::UnknownKey);
    assert_eq!(diagnostics[0].message, "Unknown key 'tgas'. The key will be ignored.");
    assert_eq!(diagnostics[0].suggestion.as_deref(), Some("tags"));
    check_told(&[&rule("proc.name=x")], Code::NoEventType, "0.yaml:1:3: Rule matches too many");
    check_told(
        &[&(rule(OPEN) + "  source: okta\n")],
        Code::UnknownSource,
        "0.yaml:6:11: Unknown source okta, skipping",
    );
    check_told(&["- list: l\n  items: []\n"], Code::UnusedList, "0.yaml:1:3: List not referred to");
    check_told(&["- macro: m\n  condition: a.b=c\n"], Code::UnusedMacro, "0.yaml:1:3: Macro not");
    check_told(
        &[&rule("evt.type=open and proc.name=proc.pname")],
        Code::MisusedCondition,
        "0.yaml:3:42: 'proc.pname' may be a valid field misused",
    );
    let skip = rule("evt.type=nonsense") + "  skip-if-unknown-filter: true\n";
    check_told(&[&skip], Code::UnknownFilter, "0.yaml:3:23: unknown event type nonsense");
}

#[test]
fn engine_versions_are_compared() {
    for good in ["15", "0.57.0", "0.63.0"] {
        let (_, diagnostics) = load_files(&[&format!("- required_engine_version: {good}\n")]);
        assert_eq!(diagnostics, []);
    }
    check_told(
        &["- required_engine_version: 0.99.0\n"],
        Code::Validate,
        "0.yaml:1:28: Rules require engine version 0.99.0, but engine version is 0.63.0",
    );
    check_told(&["- required_engine_version: new\n"], Code::YamlValidate, "0.yaml:1:28: Unable to");
}

#[test]
fn less_important_rules_can_be_left_out() {
    let options = Options { min_priority: Some(Priority::Warning), ..Options::default() };
    let file = |text: String| [SourceFile { name: "f".to_owned(), text }];
    assert_eq!(load(&file(rule(OPEN)), &options).0.rules().count(), 0);
    let urgent = rule(OPEN).replace("INFO", "critical");
    assert_eq!(load(&file(urgent), &options).0.rules().count(), 1);
}

#[test]
fn fields_of_conditions_and_outputs_are_known() {
    let text = rule("evt.type=open and proc.aname[2]=sh and evt.arg.flags contains x");
    let (rules, _) = load_files(&[&text]);
    let names: Vec<String> = rules.fields().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["evt.type", "evt.arg.flags", "proc.name", "proc.aname[2]"]);
}

#[test]
fn growth_is_bounded() {
    // Each list names the next one ten times, and each macro the one before twice.
    let lists: String = (0..12).fold(String::new(), |text, level| {
        let items = vec![format!("l{}", level + 1); 10].join(", ");
        text + &format!("- list: l{level}\n  items: [{items}]\n")
    });
    let code = Code::CompileCondition;
    check_told(
        &[&lists, &rule("proc.name in (l0)")],
        code,
        "1.yaml:3:14: the condition grows past",
    );
    let macros = (1..40).fold("- macro: m0\n  condition: a.b=c\n".to_owned(), |text, level| {
        let before = level - 1;
        text + &format!("- macro: m{level}\n  condition: (m{before} and m{before})\n")
    });
    let (_, diagnostics) = load_files(&[&macros]);
    assert!(diagnostics.iter().any(|one| one.message.contains("too large")), "{diagnostics:#?}");
    // A macro with a long list, in many rules.
    let items = vec!["x"; 200_000].join(", ");
    let uses: String = (0..100).map(|_| " and m").collect();
    let many = format!("- macro: m\n  condition: proc.name in ({items})\n");
    let uses = rule(&format!("evt.type=open{uses}"));
    check_told(
        &[&many, &uses],
        Code::Validate,
        "1.yaml:3:56: the condition with its macros is too large",
    );
}

#[test]
fn chains_of_any_length_are_followed() {
    // Each names the next one, and the last one comes first of all.
    let chain = |head: &str, item: &dyn Fn(String) -> String, end: &str| {
        let links = (0..20_000).map(|link| {
            let next = if link == 19_999 { end.to_owned() } else { format!("c{}", link + 1) };
            format!("- {head}: c{link}\n  {}\n", item(next))
        });
        links.collect::<String>()
    };
    let lists = chain("list", &|next| format!("items: [{next}]"), "end");
    check(
        &[&lists, &rule("evt.type=open and proc.name in (c0)")],
        "(evt.type = open and proc.name in (end))",
    );
    let names = chain("macro", &|_| "condition: evt.num=0".to_owned(), "");
    let macros = chain("macro", &|next| format!("condition: {next}"), "evt.type=open");
    check(&[&names, &macros, &rule("c0")], "evt.type = open");
}

#[test]
fn hostile_files_end_in_what_can_be_read() {
    let (_, diagnostics) = load_files(&[&"- x\n".repeat(100_000)]);
    assert_eq!(diagnostics.len(), 501);
    assert_eq!(diagnostics[500].message, "99500 more errors are not shown");
    let unknown = "- rule: R\n  condition: x\n  append: true\n".repeat(20_000);
    let (_, diagnostics) = load_files(&[&unknown]);
    assert_eq!(diagnostics.len(), 1002);
    for text in [
        "\0",
        "- rule: \0",
        "- rule: \"\\0\"",
        "\u{feff}- list: l\n  items: []\n",
        "- &a [*a]",
        "- *a",
        "- ? [a]\n  : b",
        "- rule: &r R\n  desc: *r\n  condition: *r\n",
        "- <<: {rule: R}",
        "--- !!binary x\n",
        "%YAML 9.9\n---\n",
    ] {
        for told in load_files(&[text]).1 {
            assert!(!told.to_string().contains('\0'), "{told}");
        }
    }
    // Appended to many times, a rule is one text.
    let appended =
        "- rule: R\n  condition: and fd.num=1\n  exceptions: [{name: e, values: [[x]]}]\n  \
                    override: {condition: append, exceptions: append}\n"
            .repeat(5_000);
    let first = rule(OPEN) + "  exceptions: [{name: e, fields: [proc.name]}]\n";
    let (rules, diagnostics) = load_files(&[&first, &appended]);
    assert_eq!(diagnostics, []);
    assert!(rules.rules().next().unwrap().condition_compiled().len() > 100_000);
}

#[test]
fn a_long_file_is_read() {
    let items = vec!["192.168.100.200"; 300_000].join(",\n    ");
    let list = format!("- list: l\n  items: [{items}]\n");
    let (rules, diagnostics) = load_files(&[&list, &rule(OPEN)]);
    assert_eq!(diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::UnusedList]);
    assert_eq!(rules.rules().count(), 1);
}

#[test]
fn parentheses_have_a_limit() {
    let code = Code::CompileCondition;
    check_told(&[&rule(&"(".repeat(100_000))], code, "0.yaml:3:214: exceeded max depth limit");
}

#[test]
fn the_deepest_condition_still_works() {
    // Brackets may go less deep than macros of macros.
    let bracketed = "(proc.name=x and (proc.name=y or ".repeat(99);
    let condition = format!("{bracketed}proc.name=x{}", "))".repeat(99));
    let event = RecordedEvent::from_json(r#"{"evt.type":"open","proc.name":"x"}"#).unwrap();
    assert!(Filter::compile(&condition).unwrap().matches(&event));
    let macros = |levels: usize| {
        let first = "- macro: m0\n  condition: proc.name=x\n".to_owned();
        (1..levels).fold(first, |text, level| {
            let (word, before) = (["and", "or"][level % 2], level - 1);
            text + &format!("- macro: m{level}\n  condition: (proc.name=x {word} m{before})\n")
        })
    };
    let (rules, _) = load_files(&[&macros(199), &rule("evt.type=open and m198")]);
    assert_eq!(rules.evaluate("syscall", &event).len(), 1);
    let (rules, _) = load_files(&[&macros(202), &rule("evt.type=open and m201")]);
    assert_eq!(rules.rules().count(), 0, "a level too many");
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(
        text in "(- rule: R\n|- list: l\n|- macro: m\n|  items: \\[a, l\\]\n|  condition: |m and |l|proc\\.name=x\n|\
                 \\(|\\)|  desc: d\n|  output: %proc\\.name\n|  priority: info\n|  append: true\n|  override: \\{|\\}\n|\
                 condition: append|  exceptions: \\[|name: e, |fields: |values: |\\]\n|é|\"|'|\n){0,30}",
    ) {
        for diagnostic in load_files(&[&text]).1 {
            let _ = diagnostic.to_string();
        }
    }
}

#[test]
fn all_that_is_wrong_with_a_condition_is_told_at_once() {
    let macros = "- macro: m\n  condition: proc.pnmae = x\n";
    let bad = rule("evt.type=opne and m and not (m or proc.name < 1 or fd.num contains x)");
    let (_, diagnostics) = load_files(&[macros, &bad]);
    let told: Vec<_> = diagnostics
        .iter()
        .map(|one| (one.file.as_str(), one.line, one.column, one.suggestion.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("1.yaml", 3, 23, Some("open")),
            ("0.yaml", 2, 14, Some("proc.pname")),
            ("1.yaml", 3, 72, None),
        ]
    );
}
