//! What holds for any condition and any rule file, however made: it is read or refused, printed
//! back as what was read, and bounded in what it makes of little text.

use lanner_engine::{
    Code, Diagnostic, Filter, Options, RecordedEvent, RuleSet, Severity, SourceFile, load,
};
use proptest::prelude::*;

/// A field, with operators and values that fit it.
fn check() -> impl Strategy<Value = String> {
    let word = "[a-z/.*?-]{1,6}";
    let quoted = prop_oneof![
        "[ -!#-\\[\\]-~]{0,8}".prop_map(|text| format!("\"{text}\"")),
        Just("\"a\\\"b\"".to_owned()),
        Just("'it\\'s'".to_owned()),
        Just("\"\\n\\t\\\\x\\x41\"".to_owned()),
        Just("\"é\"".to_owned()),
    ];
    let value = prop_oneof![3 => word.boxed(), 1 => quoted.boxed()].boxed();
    let list = prop::collection::vec(value.clone(), 0..4)
        .prop_map(|values| format!("({})", values.join(", ")))
        .boxed();
    let text_field = prop::sample::select(vec![
        "proc.name",
        "proc.cmdline",
        "fd.name",
        "proc.aname[2]",
        "evt.arg.flags",
        "evt.arg[1]",
        "proc.env[HOME]",
        "tolower(proc.name)",
        "basename(toupper(fd.name))",
    ]);
    let text_operator = prop::sample::select(vec![
        "=",
        "==",
        "!=",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "iglob",
    ]);
    let quantifier = prop::sample::select(vec!["oneof", "anyof", "allof"]);
    let list_operator = prop::sample::select(vec!["in", "intersects"]);
    let number = prop::sample::select(vec!["0", "-7", "+7", "4294967295"]);
    let number_operator = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        text_field.clone().prop_map(|field| format!("{field} exists")),
        (text_field.clone(), text_operator.clone(), value)
            .prop_map(|(field, operator, value)| format!("{field} {operator} {value}")),
        (text_field.clone(), text_operator, quantifier, list.clone()).prop_map(
            |(field, operator, quantifier, list)| format!("{field} {operator} {quantifier} {list}")
        ),
        (text_field, list_operator, list)
            .prop_map(|(field, operator, list)| format!("{field} {operator} {list}")),
        (prop::sample::select(vec!["proc.pid", "fd.num"]), number_operator, number)
            .prop_map(|(field, operator, number)| format!("{field} {operator} {number}")),
        prop::sample::select(vec!["=", "!=", "contains", "startswith", "<"])
            .prop_map(|operator| format!("proc.name {operator} val(proc.pname)")),
        prop::sample::select(vec![
            "fd.sip = 10.0.0.1",
            "fd.snet in (10.0.0.0/8, \"2001:db8::/32\")",
            "fd.name pmatch (/etc, /usr/*/bin)",
            "evt.buffer bcontains cafe",
            "proc.name regex \"a.*(b|c)\"",
            "evt.type in (open, openat)",
            "evt.is_open_read = true",
            "fd.sport = 443",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A condition: checks in brackets, negated, joined; blanks where they may be.
fn condition() -> impl Strategy<Value = String> {
    check().prop_recursive(6, 40, 4, |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(|parts| parts.join(" and ")),
            parts.clone().prop_map(|parts| parts.join(" or ")),
            parts.prop_map(|parts| format!("({})", parts.join("\n or "))),
            inner.clone().prop_map(|inner| format!("( {inner})")),
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("not({inner})")),
            inner.prop_map(|inner| format!("not not ({inner} )")),
        ]
    })
}

fn events() -> Vec<RecordedEvent> {
    let lines = [
        "{}",
        r#"{"evt.type":"open","proc.name":"a","proc.pname":"a","proc.pid":0,"fd.name":"/etc/a.b"}"#,
        r#"{"evt.type":"openat","proc.name":"é","proc.cmdline":"","proc.pid":-7,"fd.num":7,
            "proc.aname":["x","y"],"evt.arg.flags":"O_RDONLY","evt.is_open_read":true}"#,
        r#"{"evt.type":"connect","fd.sip":"10.0.0.1","fd.snet":"10.0.0.1","fd.sport":443,
            "evt.buffer":"a-b","proc.env[HOME]":"/root","proc.name":"abc"}"#,
    ];
    lines.map(|line| RecordedEvent::from_json(line).unwrap()).to_vec()
}

proptest! {
    #[test]
    fn what_is_printed_is_what_was_read(text in condition()) {
        let filter = Filter::compile(&text)
            .unwrap_or_else(|error| panic!("{text:?} is a condition: {error}"));
        let printed = filter.to_string();
        let again = Filter::compile(&printed)
            .unwrap_or_else(|error| panic!("{text:?} is printed as {printed:?}: {error}"));
        prop_assert_eq!(again.to_string(), printed.clone());
        prop_assert_eq!(again.fields(), filter.fields());
        for event in events() {
            prop_assert_eq!(filter.matches(&event), again.matches(&event), "{}", printed);
        }
    }

    #[test]
    fn negation_turns_the_answer(text in condition()) {
        let filter = Filter::compile(&text).unwrap();
        let opposite = Filter::compile(&format!("not ({text})")).unwrap();
        for event in events() {
            prop_assert_ne!(filter.matches(&event), opposite.matches(&event), "{}", text);
        }
    }

    #[test]
    fn a_condition_means_in_a_rule_what_it_means_alone(text in condition()) {
        let alone = Filter::compile(&text).unwrap();
        let (rules, _) = load_text(&rule(&text));
        for event in events() {
            let matches = rules.evaluate("syscall", &event);
            prop_assert_eq!(!matches.is_empty(), alone.matches(&event), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}", wild in any::<String>()) {
        for text in [&text, &wild] {
            if let Err(error) = Filter::compile(text) {
                prop_assert!(error.offset <= text.len() && !error.message.is_empty());
                prop_assert_ne!(error.to_string(), "");
            }
        }
    }

    #[test]
    fn a_changed_condition_is_read_or_refused(
        text in condition(), at in any::<prop::sample::Index>(), with in "[ -~\\x00-\\x1f]{0,3}",
    ) {
        let at = text.floor_char_boundary(at.index(text.len()));
        let (before, after) = text.split_at(at);
        let mut rest = after.chars();
        rest.next();
        for changed in [format!("{before}{with}{after}"), format!("{before}{with}{}", rest.as_str())] {
            let compiled = Filter::compile(&changed);
            // What compiles follows the grammar.
            prop_assert!(compiled.is_err() || Filter::check_syntax(&changed).is_ok());
        }
    }

    #[test]
    fn a_changed_rule_file_is_read_or_refused(
        at in any::<prop::sample::Index>(), length in 0_usize..12, with in "(\n|  |- |: |[|]|'|\"|&a|\\*a|#|\\{|~|é|\t|a){0,3}",
    ) {
        let start = FILE.floor_char_boundary(at.index(FILE.len()));
        let end = FILE.floor_char_boundary((start + length).min(FILE.len()));
        let (before, after) = (FILE.get(..start).unwrap(), FILE.get(end..).unwrap());
        let changed = format!("{before}{with}{after}");
        let lines = changed.lines().count();
        let (rules, diagnostics) = load_text(&changed);
        for diagnostic in &diagnostics {
            prop_assert!(diagnostic.line <= lines.max(1) + 1, "{}", diagnostic);
            prop_assert!(diagnostic.snippet.chars().count() <= 200, "{}", diagnostic);
        }
        for event in events() {
            let _ = rules.evaluate("syscall", &event);
        }
    }
}

const FILE: &str = "\
- required_engine_version: 0.57.0
- list: shells
  items: [bash, 'zsh', \"s h\"]
- macro: opened
  condition: (evt.type in (open, openat) and fd.num >= 0)
- rule: R
  desc: >
    what it is
  condition: opened and proc.name in (shells) and not fd.name startswith /tmp
  output: '%proc.name opened %fd.name'
  priority: WARNING
  tags: [a, b]
  exceptions:
    - name: e
      fields: [proc.name, fd.name]
      comps: [in, startswith]
      values: [[[bash, zsh], /home]]
- rule: R
  condition: or evt.type = creat
  override: {condition: append}
";

fn load_text(text: &str) -> (RuleSet, Vec<Diagnostic>) {
    let file = SourceFile { name: "a.yaml".to_owned(), text: text.to_owned() };
    load(&[file], &Options::default())
}

/// A rule file of one rule.
fn rule(condition: &str) -> String {
    let condition = serde_json::to_string(condition).unwrap();
    format!("- rule: R\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n")
}

/// Refuses it as a condition by itself and as a rule's, with messages of bounded length.
#[track_caller]
fn check_refused(condition: &str, message: &str) {
    let error = Filter::compile(condition).expect_err("a refusal");
    assert!(error.message.starts_with(message), "{}", error.message);
    assert!(error.to_string().len() < 2000, "{} bytes", error.to_string().len());
    let (rules, diagnostics) = load_text(&rule(condition));
    assert_eq!(rules.rules().count(), 0);
    assert!(diagnostics.iter().any(|one| one.severity == Severity::Error), "{diagnostics:?}");
    for diagnostic in diagnostics {
        assert!(diagnostic.to_string().len() < 2000, "{} bytes", diagnostic.to_string().len());
    }
}

const DEEP: usize = 100_000;

#[test]
fn nesting_has_an_end() {
    let too_deep = "exceeded max depth limit of 1000";
    let nested = |open: &str, close: &str| {
        format!("{}proc.name = a{}", open.repeat(DEEP), close.repeat(DEEP))
    };
    check_refused(&"(".repeat(DEEP), too_deep);
    check_refused(&nested("(", ")"), too_deep);
    check_refused(&nested("not(", ")"), too_deep);
    check_refused(&nested("not (", ")"), too_deep);
    check_refused(&nested("(proc.pid = 1 and (proc.pid = 2 or ", "))"), too_deep);
    check_refused(&format!("{}proc.name) = a", "tolower(".repeat(DEEP)), too_deep);
    check_refused(&format!("proc.name = {}proc.name)", "tolower(".repeat(DEEP)), too_deep);
}

#[test]
fn nesting_that_is_allowed_works() {
    for depth in [1, 50, 150] {
        let text = format!("{}proc.name = a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(Filter::compile(&text).unwrap().to_string(), "proc.name = a");
        let text = format!("{}proc.name = a{}", "not (".repeat(depth), ")".repeat(depth));
        let event = RecordedEvent::from_json(r#"{"proc.name":"a"}"#).unwrap();
        assert_eq!(Filter::compile(&text).unwrap().matches(&event), depth.is_multiple_of(2));
    }
    // Many in a row are not many levels.
    let text = format!("{}proc.name = a", "not ".repeat(DEEP));
    assert_eq!(Filter::compile(&text).unwrap().to_string(), "proc.name = a");
}

#[test]
fn long_conditions_are_read() {
    let many = |with: &str| vec!["proc.name = abcdefgh"; 20_000].join(with);
    for with in [" or ", " and "] {
        let filter = Filter::compile(&many(with)).unwrap();
        assert_eq!(filter.fields().len(), 1);
    }
    let values: Vec<String> = (0..100_000).map(|number| format!("value-{number}")).collect();
    let filter = Filter::compile(&format!("proc.name in ({})", values.join(", "))).unwrap();
    let event = |name: &str| {
        RecordedEvent::from_json(&serde_json::json!({ "proc.name": name }).to_string()).unwrap()
    };
    assert!(filter.matches(&event("value-99999")));
    assert!(!filter.matches(&event("value-100000")));
    let long = "x".repeat(10 << 20);
    check_refused(&format!("proc.name = a {long}"), "unexpected token");
    for refused in [format!("proc.name = \"{long}\""), format!("{long}.{long} = a")] {
        Filter::compile(&refused).expect_err("a refusal");
    }
}

#[test]
fn nul_bytes_are_refused() {
    for condition in ["proc.name = \"a\\x00b\"", "proc.name in (a, \"\\x00\")"] {
        let error = Filter::compile(condition).expect_err(condition);
        assert!(error.message.contains("NUL"), "{}", error.message);
    }
    for condition in ["\0", "proc.name\0 = a", "proc.name = a\0b", "proc.name = a\0"] {
        Filter::compile(condition).expect_err(condition);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_values() {
    let filter = Filter::compile("proc.name = \"\\xff\\xfe\"").unwrap();
    let printed = filter.to_string();
    assert_eq!(Filter::compile(&printed).unwrap().to_string(), printed);
    let event = RecordedEvent::from_json(r#"{"proc.name":"x"}"#).unwrap();
    assert!(!filter.matches(&event));
}

/// Loads it; however it is put, the rules and diagnostics that come of it stay few and short.
#[track_caller]
fn check_bounded(text: &str) -> Vec<Diagnostic> {
    let (rules, diagnostics) = load_text(text);
    let conditions = rules.rules().map(|rule| rule.condition_compiled().len()).sum::<usize>();
    assert!(conditions < 64 << 20, "{conditions} bytes of conditions");
    let told = diagnostics.iter().map(|one| one.to_string().len()).sum::<usize>();
    assert!(told < 4 << 20, "{told} bytes of diagnostics");
    diagnostics
}

#[test]
fn aliases_do_not_multiply() {
    let mut bomb = "- list: l\n  items: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (next, this) in ('b'..='j').zip('a'..) {
        bomb +=
            &format!("- list: l\n  items: &{next} [{}]\n", vec![format!("*{this}"); 10].join(", "));
    }
    let diagnostics = check_bounded(&bomb);
    assert!(diagnostics.iter().any(|one| one.severity == Severity::Error), "{diagnostics:?}");
}

#[test]
fn lists_do_not_multiply() {
    let mut text = "- list: l0\n  items: [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = vec![format!("l{}", level - 1); 10].join(", ");
        text += &format!("- list: l{level}\n  items: [{below}]\n");
    }
    check_bounded(&(text + &rule("proc.name in (l19)")));
}

#[test]
fn macros_do_not_multiply() {
    let mut text = "- macro: m0\n  condition: proc.name = x\n".to_owned();
    for level in 1..40 {
        let below = vec![format!("m{}", level - 1); 10].join(" or ");
        text += &format!("- macro: m{level}\n  condition: {below}\n");
    }
    let diagnostics = check_bounded(&(text + &rule("m39")));
    assert!(diagnostics.iter().any(|one| one.severity == Severity::Error), "{diagnostics:?}");
}

#[test]
fn chains_of_macros_have_an_end() {
    let mut text = "- macro: m0\n  condition: proc.name = x\n".to_owned();
    for level in 1..5000 {
        text += &format!("- macro: m{level}\n  condition: not m{}\n", level - 1);
    }
    check_bounded(&(text + &rule("m4999")));
}

#[test]
fn yaml_that_nests_has_an_end() {
    for text in ["[".repeat(DEEP), "{a: ".repeat(DEEP), "- ".repeat(DEEP), "? ".repeat(DEEP)] {
        let diagnostics = check_bounded(&text);
        assert!(diagnostics.iter().any(|one| one.code == Code::YamlParse), "{diagnostics:?}");
    }
}

#[test]
fn long_files_are_read() {
    let rules = 2000;
    let text: String = (0..rules)
        .map(|number| rule("evt.type = open").replace("R", &format!("R{number}")))
        .collect();
    let (set, diagnostics) = load_text(&text);
    assert_eq!((set.rules().count(), diagnostics.len()), (rules, 0));
    let long = format!("- list: l\n  items: [{}]\n", vec!["abcdefghi"; 1 << 20].join(","));
    check_bounded(&long);
    check_bounded(&"x".repeat(10 << 20));
    check_bounded(&"- x\n".repeat(1 << 18));
}
