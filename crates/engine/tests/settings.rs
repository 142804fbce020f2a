//! What whoever runs the rules sets: which are on, and what their outputs show.

use std::collections::BTreeSet;

use lanner_engine::{
    AppendOutput, Code, Diagnostic, ExtraField, FailedExec, Matching, Options, Priority,
    RecordedEvent, RuleSet, Selection, Selector, Severity, SourceFile, load,
};
use serde_json::{Value as Json, json};

const RULES: &str = "
- rule: first actual rule
  desc: d
  condition: evt.type=execve
  output: out 1
  priority: INFO
  tags: [process]

- rule: second disabled rule
  desc: d
  condition: evt.type=execve
  output: out 2 %container.id
  priority: WARNING
  enabled: false
  tags: [process, exec process]

- rule: third disabled rule
  desc: d
  condition: ka.verb=get
  source: k8s_audit
  output: out 3
  priority: DEBUG
  enabled: false
  tags: [exec]
";

fn load_with(options: &Options) -> (RuleSet, Vec<Diagnostic>) {
    load(&[SourceFile { name: "r.yaml".to_owned(), text: RULES.to_owned() }], options)
}

fn enable(which: &str) -> Selection {
    Selection { enable: true, which: Selector::Rule(which.to_owned()) }
}

fn disable(which: &str) -> Selection {
    Selection { enable: false, which: Selector::Rule(which.to_owned()) }
}

fn tag(enable: bool, tag: &str) -> Selection {
    Selection { enable, which: Selector::Tag(tag.to_owned()) }
}

/// Which of the three rules are on: their first words.
#[track_caller]
fn check_enabled(selections: &[Selection], expected: &[&str]) {
    let options = Options { selections: selections.to_vec(), ..Options::default() };
    let (rules, diagnostics) = load_with(&options);
    assert_eq!(diagnostics, []);
    let enabled = rules.rules().filter(|rule| rule.enabled);
    let words: Vec<_> = enabled.filter_map(|rule| rule.name.split(' ').next()).collect();
    assert_eq!(words, expected, "{selections:?}");
}

#[test]
fn rules_are_turned_on_and_off_in_order() {
    check_enabled(&[], &["first"]);
    check_enabled(&[enable("*")], &["first", "second", "third"]);
    check_enabled(&[disable("*")], &[]);
    check_enabled(&[enable("*rule")], &["first", "second", "third"]);
    check_enabled(&[enable("*second*r*")], &["first", "second"]);
    check_enabled(&[disable("first actual rule")], &[]);
    check_enabled(&[tag(true, "exec process")], &["first", "second"]);
    check_enabled(&[tag(true, "exec")], &["first", "third"]);
    check_enabled(&[tag(false, "process")], &[]);
    // The order decides.
    check_enabled(&[disable("*"), enable("second*")], &["second"]);
    check_enabled(&[enable("second*"), disable("*")], &[]);
    check_enabled(&[tag(true, "process"), disable("first*")], &["second"]);
}

#[test]
fn what_is_off_does_not_fire() {
    let event = RecordedEvent::from_json(r#"{"evt.type":"execve"}"#).unwrap();
    let selections = vec![disable("*"), enable("second*")];
    let (rules, _) = load_with(&Options { selections, ..Options::default() });
    let fired = rules.evaluate("syscall", &event);
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].rule.name, "second disabled rule");
}

#[test]
fn a_rule_below_the_threshold_cannot_be_enabled_and_is_known_all_the_same() {
    let selections = vec![enable("*")];
    let min_priority = Some(Priority::Informational);
    let (rules, diagnostics) =
        load_with(&Options { selections, min_priority, ..Options::default() });
    let names: Vec<_> = rules.rules().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["first actual rule", "second disabled rule"]);

    let selections = vec![enable("third disabled rule")];
    let (_, told) = load_with(&Options { selections, min_priority, ..Options::default() });
    assert_eq!((diagnostics, told), (vec![], vec![]));
}

#[track_caller]
fn check_told(options: &Options, code: Code, expected: &str) {
    let (_, diagnostics) = load_with(options);
    let [told] = diagnostics.as_slice() else { panic!("{diagnostics:#?}") };
    assert_eq!(told.code, code);
    assert_eq!(told.severity, code.severity());
    let Diagnostic { file, column, message, suggestion, .. } = told;
    let hint = suggestion.as_deref().unwrap_or("-");
    assert_eq!(format!("{file}:{column}: {message} ({hint})"), expected);
}

#[test]
fn a_name_that_no_rule_has_is_told() {
    let with = |selection| Options { selections: vec![selection], ..Options::default() };
    for (selection, told) in [
        (
            disable("first actaul rule"),
            "rules:19: no rule is named 'first actaul rule' (first actual rule)",
        ),
        (enable("fourth*"), "rules:18: no rule is named 'fourth*' (-)"),
        (disable("first"), "rules:19: no rule is named 'first' (-)"),
        (disable(""), "rules:19: no rule is named '' (-)"),
        (tag(false, "proces"), "rules:18: no rule has the tag 'proces' (process)"),
        // Tags have no wildcards, as in Falco.
        (tag(true, "proc*"), "rules:17: no rule has the tag 'proc*' (-)"),
    ] {
        check_told(&with(selection), Code::UnmatchedSetting, told);
    }
}

fn add(extra_output: &str, source: &str, rule: &str, tags: &[&str]) -> AppendOutput {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    AppendOutput {
        source: some(source),
        rule: some(rule),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        extra_output: some(extra_output),
        ..AppendOutput::default()
    }
}

#[track_caller]
fn check_outputs(append_output: Vec<AppendOutput>, expected: [&str; 3]) {
    let (rules, diagnostics) = load_with(&Options { append_output, ..Options::default() });
    assert_eq!(diagnostics, []);
    let outputs: Vec<_> = rules.rules().map(|rule| rule.output.as_str()).collect();
    assert_eq!(outputs, expected);
}

#[test]
fn outputs_grow_in_order() {
    check_outputs(
        vec![
            add("extra 1", "", "", &["process"]),
            add("extra 2", "", "third disabled rule", &[]),
            add("extra 3", "", "", &["process", "exec process"]),
            add("evt=%evt.type", "syscall", "", &[]),
            add("verb=%ka.verb", "k8s_audit", "third disabled rule", &["exec"]),
        ],
        [
            "out 1 extra 1 evt=%evt.type",
            "out 2 %container.id extra 1 extra 3 evt=%evt.type",
            "out 3 extra 2 verb=%ka.verb",
        ],
    );
}

#[test]
fn what_is_suggested_is_shown_once() {
    let suggested = AppendOutput { suggested_output: true, ..add("u=%user.name", "", "", &[]) };
    let rest = "container_name=%container.name \
                container_image_repository=%container.image.repository \
                container_image_tag=%container.image.tag k8s_pod_name=%k8s.pod.name \
                k8s_ns_name=%k8s.ns.name";
    check_outputs(
        vec![suggested.clone(), AppendOutput { extra_output: None, ..suggested }],
        [
            &format!("out 1 u=%user.name container_id=%container.id {rest}"),
            &format!("out 2 %container.id u=%user.name {rest}"),
            "out 3 u=%user.name",
        ],
    );
}

#[test]
fn messages_and_fields_have_what_is_added() {
    let extra = AppendOutput {
        extra_output: Some("by %user.name in %proc.cwd".to_owned()),
        extra_fields: vec![
            ExtraField::Field("proc.pid".to_owned()),
            ExtraField::Field("proc.aname[2]".to_owned()),
            ExtraField::Field("proc.cwd".to_owned()),
            ExtraField::Text("who".to_owned(), "pid %proc.pid of %user.name".to_owned()),
            ExtraField::Text("site".to_owned(), "hel".to_owned()),
        ],
        ..AppendOutput::default()
    };
    let options = Options { append_output: vec![extra], ..Options::default() };
    let (rules, diagnostics) = load_with(&options);
    assert_eq!(diagnostics, []);
    let event =
        r#"{"evt.type":"execve","evt.rawtime":7,"user.name":"ann","proc.pid":4,"proc.cwd":"/x"}"#;
    let event = RecordedEvent::from_json(event).unwrap();
    let fired = rules.evaluate("syscall", &event);
    assert_eq!(fired[0].output, "out 1 by ann in /x");
    let fields: serde_json::Map<String, Json> = fired[0].output_fields.iter().cloned().collect();
    let expected = json!({
        "evt.time": 7, "user.name": "ann", "proc.cwd": "/x", "proc.pid": 4,
        "proc.aname[2]": null, "who": "pid 4 of ann", "site": "hel",
    });
    assert_eq!(Json::Object(fields), expected);
    assert_eq!(fired[0].output_fields.len(), 7, "each name once");
    let asked: BTreeSet<_> = rules.fields().iter().map(ToString::to_string).collect();
    for field in ["proc.pid", "user.name", "proc.aname[2]"] {
        assert!(asked.contains(field), "{field} is asked for");
    }
}

#[test]
fn an_addition_that_is_no_good_is_told_and_left_out() {
    let with = |addition| Options { append_output: vec![addition], ..Options::default() };
    let fields = |field| AppendOutput { extra_fields: vec![field], ..AppendOutput::default() };
    for (addition, told) in [
        (
            add("by %user.nmae", "", "", &[]),
            "append_output:19: filter_check called with nonexistent field user.nmae (user.name)",
        ),
        (
            fields(ExtraField::Field("user.nmae".to_owned())),
            "append_output:15: filter_check called with nonexistent field user.nmae (user.name)",
        ),
        (
            fields(ExtraField::Text("a".to_owned(), "%user.nmae".to_owned())),
            "append_output:16: filter_check called with nonexistent field user.nmae (user.name)",
        ),
    ] {
        check_told(&with(addition.clone()), Code::CompileOutput, told);
        let (rules, _) = load_with(&with(addition));
        assert_eq!(rules.rules().count(), 3, "the rules work");
    }
    check_told(
        &with(add("x", "", "first actaul rule", &["a", "b"])),
        Code::UnmatchedSetting,
        "append_output:8: no rule fits, so that nothing is added (first actual rule)",
    );
    assert_eq!(Code::UnmatchedSetting.severity(), Severity::Warning);
}

const EXEC_RULES: &str = "
- {rule: any, desc: d, condition: 'evt.type in (execve, execveat) and proc.name=sh', output: o, priority: INFO}
- {rule: failed, desc: d, condition: 'evt.type in (execve, execveat) and evt.failed=true', output: o, priority: INFO}
- {rule: error, desc: d, condition: 'evt.type=execve and evt.res=ENOENT', output: o, priority: INFO}
- {rule: number, desc: d, condition: 'evt.type=execve and not evt.rawres>=0', output: o, priority: INFO}
- {rule: of any type, desc: d, condition: 'evt.failed=true and proc.name=sh', output: o, priority: INFO}
- {rule: worked, desc: d, condition: 'evt.type=execve and evt.failed=false', output: o, priority: INFO}
- rule: of another call
  desc: d
  condition: (evt.type=open and evt.res=ENOENT) or (evt.type=execve and proc.name=sh)
  output: o
  priority: INFO
";

fn exec_rules(failed_exec: FailedExec, matching: Matching, text: &str) -> RuleSet {
    let options = Options { failed_exec, matching, ..Options::default() };
    let file = SourceFile { name: "r.yaml".to_owned(), text: text.to_owned() };
    let (rules, diagnostics) = load(&[file], &options);
    let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{diagnostics:?}");
    rules
}

/// Which rules match a shell's attempt of that type.
#[track_caller]
fn check_exec(rules: &RuleSet, event_type: &str, result: i64, expected: &[&str]) {
    let event = json!({
        "evt.type": event_type,
        "evt.rawres": result,
        "evt.failed": result < 0,
        "evt.res": if result < 0 { "ENOENT" } else { "SUCCESS" },
        "proc.name": "sh",
    });
    let event = RecordedEvent::from_json(&event.to_string()).unwrap();
    let found: Vec<_> =
        rules.evaluate("syscall", &event).iter().map(|found| found.rule.name.clone()).collect();
    assert_eq!(found, expected, "{event_type} {result}");
    let naive = rules.evaluate_naively("syscall", &event);
    assert_eq!(found, naive.iter().map(|found| found.rule.name.clone()).collect::<Vec<_>>());
}

#[test]
fn a_failed_exec_is_for_rules_that_ask_or_for_all() {
    let asking = exec_rules(FailedExec::AskingRules, Matching::All, EXEC_RULES);
    assert!(asking.wants_failed_exec());
    check_exec(&asking, "execve", -2, &["failed", "error", "number", "of any type"]);
    check_exec(&asking, "execveat", -2, &["failed", "of any type"]);
    let started = ["any", "worked", "of another call"];
    check_exec(&asking, "execve", 0, &started);
    // The first that is asked, not the first that would match.
    let first = exec_rules(FailedExec::AskingRules, Matching::First, EXEC_RULES);
    check_exec(&first, "execve", -2, &["failed"]);
    check_exec(&first, "execve", 0, &["any"]);

    let all = exec_rules(FailedExec::AllRules, Matching::All, EXEC_RULES);
    let of_failed = ["any", "failed", "error", "number", "of any type", "of another call"];
    check_exec(&all, "execve", -2, &of_failed);
    check_exec(&all, "execve", 0, &started);
}

#[test]
fn failed_execs_are_wanted_where_a_rule_asks() {
    let wants = |conditions: &[&str], failed_exec| {
        let rule = |(number, condition): (usize, &&str)| {
            format!(
                "- {{rule: r{number}, desc: d, condition: '{condition}', output: o, priority: INFO}}\n"
            )
        };
        let text: String = conditions.iter().enumerate().map(rule).collect();
        exec_rules(failed_exec, Matching::All, &text).wants_failed_exec()
    };
    let (asking, all) = (FailedExec::AskingRules, FailedExec::AllRules);
    assert!(!wants(&["evt.type=execve and proc.name=sh"], asking));
    assert!(wants(&["evt.type=execve and proc.name=sh"], all));
    assert!(!wants(&["evt.type=execve and evt.failed=false"], asking));
    assert!(!wants(&["evt.type=execve and evt.res=SUCCESS"], asking));
    assert!(!wants(&["evt.type=open and evt.failed=true"], asking));
    assert!(!wants(&["evt.type=open and evt.failed=true"], all));
    assert!(wants(&["evt.type=execve and not evt.res=SUCCESS"], asking));
    assert!(wants(&["evt.type=execveat and evt.arg.res=EACCES"], asking));
    assert!(wants(&["evt.type=execve", "evt.type=execve and evt.rawres<0"], asking));

    // What does not ask does not keep the kernel from withholding.
    let text = "
- {rule: a, desc: d, condition: 'evt.type=execve and proc.name=sh', output: o, priority: INFO}
- {rule: b, desc: d, condition: 'evt.type=execve and evt.failed=true and proc.name=ls', output: o, priority: INFO}
";
    let projection = |failed_exec| {
        let rules = exec_rules(failed_exec, Matching::All, text);
        let projection = rules.projection("syscall");
        let clauses: Vec<String> = projection
            .event_types()
            .map(|(_, clauses)| clauses.iter().count().to_string())
            .collect();
        clauses.concat()
    };
    assert_eq!(projection(FailedExec::AskingRules), "1");
    assert_eq!(projection(FailedExec::AllRules), "2");
}

const HOST_RULES: &str = "
- {rule: in, desc: d, condition: 'evt.type=connect and fd.sip.name in (b.example, a.example)', output: '%fd.sip.name', priority: INFO}
- {rule: is not, desc: d, condition: 'evt.type=connect and fd.cip.name != d.example', output: o, priority: INFO}
- {rule: 'no', desc: d, condition: 'evt.type=connect and not fd.rip.name = e.example', output: o, priority: INFO}
- {rule: part, desc: d, condition: 'evt.type=connect and fd.lip.name startswith f.', output: o, priority: INFO}
- {rule: 'off', desc: d, condition: 'fd.sip.name = c.example', output: o, priority: INFO, enabled: false}
";

#[test]
fn host_names_are_those_that_enabled_rules_compare_with() {
    let rules = exec_rules(FailedExec::AllRules, Matching::All, HOST_RULES);
    let names: Vec<String> =
        rules.host_names().into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["a.example", "b.example", "d.example", "e.example"]);

    // An address may have several: one has to do, and for `!=` all.
    let check = |event: Json, expected: &[&str]| {
        let event = RecordedEvent::from_json(&event.to_string()).unwrap();
        let found: Vec<_> =
            rules.evaluate("syscall", &event).iter().map(|found| found.rule.name.clone()).collect();
        assert_eq!(found, expected);
        assert_eq!(rules.evaluate_naively("syscall", &event).len(), expected.len());
    };
    check(
        json!({
            "evt.type": "connect",
            "fd.sip.name": ["x.example", "a.example"],
            "fd.cip.name": ["x.example", "d.example"],
            "fd.rip.name": ["x.example", "e.example"],
        }),
        &["in"],
    );
    check(
        json!({
            "evt.type": "connect",
            "fd.sip.name": ["x.example"],
            "fd.cip.name": ["x.example"],
            "fd.rip.name": ["x.example"],
            "fd.lip.name": ["f.example"],
        }),
        &["is not", "no", "part"],
    );
    // Addresses without any of the names, and none at all.
    check(json!({"evt.type": "connect", "fd.cip.name": []}), &["is not", "no"]);
    check(json!({"evt.type": "connect"}), &["no"]);
}
