//! Why a rule matches an event, or does not.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use lanner_engine::{Explanation, Filter, Options, Part, RecordedEvent, RuleSet, SourceFile, load};
use proptest::prelude::*;

const RULES: &str = "
- list: shells
  items: [sh, bash]

- macro: container
  condition: (container.id != host)

- macro: started
  condition: (evt.type in (execve, execveat))

- macro: shell_in_container
  condition: (container and proc.name in (shells))

- rule: Shell
  desc: d
  condition: started and shell_in_container and not proc.pname = cron
  output: o
  priority: INFO
  exceptions:
    - name: users
      fields: [user.name]
      comps: [=]
      values: [[ann], [bob]]
";

fn rules() -> RuleSet {
    let file = SourceFile { name: "r.yaml".to_owned(), text: RULES.to_owned() };
    let (rules, diagnostics) = load(&[file], &Options::default());
    assert_eq!(diagnostics, []);
    rules
}

/// One line for each part: `*` before what decided.
fn text(explanation: &Explanation, depth: usize, lines: &mut String) {
    let part = match &explanation.part {
        Part::And => "and".to_owned(),
        Part::Or => "or".to_owned(),
        Part::Not => "not".to_owned(),
        Part::Macro(name) => format!("macro {name}"),
        Part::Check(check) => check.clone(),
    };
    let mark = if explanation.is_decisive { '*' } else { ' ' };
    let pad = "  ".repeat(depth);
    write!(lines, "{mark} {pad}{part}: {}", explanation.holds).unwrap();
    for (field, value) in &explanation.fields {
        write!(lines, " [{field} {}]", value.as_deref().unwrap_or("missing")).unwrap();
    }
    lines.push('\n');
    explanation.parts.iter().for_each(|part| text(part, depth + 1, lines));
}

#[track_caller]
fn check(event: &str, expected: Expect) {
    let rules = rules();
    let event = RecordedEvent::from_json(event).unwrap();
    let explanation = rules.explainer("Shell").unwrap().explain(&event);
    assert_eq!(explanation.holds, rules.evaluate("syscall", &event).len() == 1);
    let mut lines = String::new();
    text(&explanation, 0, &mut lines);
    expected.assert_eq(&lines);
}

#[test]
fn each_part_says_what_it_gives() {
    check(
        r#"{"evt.type":"execve","container.id":"3f","proc.name":"bash","proc.pname":"sshd"}"#,
        expect![[r#"
            * and: true
            *   and: true
            *     macro started: true
            *       evt.type in (execve, execveat): true [evt.type execve]
            *     macro shell_in_container: true
            *       and: true
            *         macro container: true
            *           container.id != host: true [container.id 3f]
            *         proc.name in (sh, bash): true [proc.name bash]
            *     not: true
            *       proc.pname = cron: false [proc.pname sshd]
            *   not: true
            *     or: false
            *       user.name = ann: false [user.name missing]
            *       user.name = bob: false [user.name missing]
        "#]],
    );
}

#[test]
fn the_first_that_fails_decides() {
    check(
        r#"{"evt.type":"execve","proc.name":"cat","user.name":"bob"}"#,
        expect![[r#"
            * and: false
            *   and: false
                  macro started: true
                    evt.type in (execve, execveat): true [evt.type execve]
            *     macro shell_in_container: false
            *       and: false
            *         macro container: false
            *           container.id != host: false [container.id missing]
                      proc.name in (sh, bash): false [proc.name cat]
                  not: true
                    proc.pname = cron: false [proc.pname missing]
                not: false
                  or: true
                    user.name = ann: false [user.name bob]
                    user.name = bob: true [user.name bob]
        "#]],
    );
}

#[test]
fn reasons_are_the_checks_that_decided() {
    let event = r#"{"evt.type":"execve","proc.name":"cat","container.id":"3f"}"#;
    let explanation =
        rules().explainer("Shell").unwrap().explain(&RecordedEvent::from_json(event).unwrap());
    let reasons = explanation.reasons();
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!(reason.part, Part::Check("proc.name in (sh, bash)".to_owned()));
    assert!(rules().explainer("No such rule").is_none());
}

#[test]
fn a_macro_can_be_thought_otherwise() {
    let event = RecordedEvent::from_json(r#"{"evt.type":"execve","proc.name":"sh"}"#).unwrap();
    let explainer = rules().explainer("Shell").unwrap();
    let macros: Vec<_> = explainer.macros().into_iter().collect();
    assert_eq!(macros, ["container", "shell_in_container", "started"]);
    let explanation = explainer.explain(&event);
    for (name, value, holds) in [
        ("container", true, true),
        ("container", false, false),
        ("shell_in_container", true, true),
        ("started", false, false),
        ("started", true, false),
        ("unknown", true, false),
    ] {
        assert_eq!(explanation.holds_if(name, value), holds, "{name} {value}");
    }
}

#[test]
fn what_is_shown_is_short() {
    let long = "\u{e9}".repeat(5000);
    let names = vec!["\u{e9}".repeat(127); 50].join(", ");
    let filter = Filter::compile(&format!("proc.name in ({names}) or proc.aname in ({names})"));
    let event = serde_json::json!({ "proc.name": long, "proc.aname": vec![long.as_str(); 40] });
    let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
    let explanation = filter.unwrap().explainer().unwrap().explain(&event);
    for part in &explanation.parts {
        let Part::Check(check) = &part.part else { panic!("{part:?}") };
        assert_eq!(check.chars().count(), 200);
        let [(_, Some(value))] = part.fields.as_slice() else { panic!("{part:?}") };
        assert_eq!(value.chars().count(), 200);
        assert!(check.ends_with("...") && value.ends_with("..."));
    }
}

#[test]
fn either_path_may_decide() {
    let text = "
- rule: R
  desc: d
  condition: evt.type=openat and fd.name=/etc/shadow
  output: o
  priority: INFO
";
    let file = SourceFile { name: "r.yaml".to_owned(), text: text.to_owned() };
    let (rules, _) = load(&[file], &Options::default());
    let explainer = rules.explainer("R").unwrap();
    for (resolved, holds) in [("/etc/shadow", true), ("/etc/group", false)] {
        let event = serde_json::json!({
            "evt.type": "openat", "fd.name": "/tmp/link", "fd.name.resolved": resolved,
        });
        let event = RecordedEvent::from_map(event.as_object().unwrap()).unwrap();
        assert_eq!(rules.evaluate("syscall", &event).len() == 1, holds);
        let explanation = explainer.explain(&event);
        assert_eq!(explanation.holds, holds);
        let shown = if holds { resolved } else { "/tmp/link" };
        assert_eq!(explanation.parts[1].fields[0].1.as_deref(), Some(shown));
    }
}

fn condition() -> impl Strategy<Value = String> {
    let check = prop_oneof![
        Just("proc.name = cat"),
        Just("proc.name != cat"),
        Just("fd.name startswith /etc"),
        Just("proc.aname in (sh, bash)"),
        Just("evt.type = openat"),
        Just("fd.sport > 1000"),
        Just("user.uid exists"),
    ];
    check.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} or {b})")),
        ]
    })
}

fn event() -> impl Strategy<Value = RecordedEvent> {
    let fields = [
        ("proc.name", vec!["\"cat\"", "\"sh\"", "null"]),
        ("fd.name", vec!["\"/etc/x\"", "\"/tmp\"", "null"]),
        ("proc.aname", vec!["[\"sh\",\"init\"]", "[]", "null"]),
        ("evt.type", vec!["\"openat\"", "\"execve\""]),
        ("fd.sport", vec!["80", "8080", "null"]),
        ("user.uid", vec!["0", "null"]),
    ];
    let fields = fields.map(|(name, values)| {
        proptest::sample::select(values).prop_map(move |value| format!("\"{name}\":{value}"))
    });
    let json = fields.to_vec().prop_map(|fields| format!("{{{}}}", fields.join(",")));
    json.prop_map(|json| RecordedEvent::from_json(&json).unwrap())
}

proptest! {
    /// An explanation is of what happens: the outcome is the condition's, and those parts that are
    /// said to decide do, whatever the others give.
    #[test]
    fn explanations_are_true(condition in condition(), event in event()) {
        let filter = Filter::compile(&condition).unwrap();
        let explanation = filter.explainer().unwrap().explain(&event);
        prop_assert_eq!(explanation.holds, filter.matches(&event));
        prop_assert!(!explanation.reasons().is_empty());
        prop_assert_eq!(worst_case(&explanation), explanation.holds);
    }
}

/// What the condition gives when all that did not decide gives the opposite.
fn worst_case(explanation: &Explanation) -> bool {
    let mut parts = explanation.parts.iter().map(worst_case);
    match explanation.part {
        Part::And => parts.all(|holds| holds),
        Part::Or => parts.any(|holds| holds),
        Part::Not => !parts.all(|holds| holds),
        Part::Macro(_) => parts.all(|holds| holds),
        Part::Check(_) => explanation.holds == explanation.is_decisive,
    }
}
