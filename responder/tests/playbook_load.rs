//! What is wrong with a playbook is found when it is loaded, with its place.

use std::fs;

use expect_test::{Expect, expect};
use lanner_responder::playbook::Playbooks;

const HEAD: &str = r#"playbook(#{
    name: "p", owner: "o", needs: ["pods:delete", "notify"],
    when: #{ rules: ["r"] },
});
"#;

/// Loads one file; gives the problems, or the names of what was loaded.
fn load(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.rhai"), text).unwrap();
    let (playbooks, problems) = Playbooks::load(&[dir.path()]);
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.extend(playbooks.iter().map(|playbook| format!("loaded {}", playbook.head.name)));
    lines.join("\n")
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&load(text));
}

/// The body of `respond` behind a good head.
#[track_caller]
fn check_body(body: &str, expected: Expect) {
    check(&format!("{HEAD}fn respond(alert) {{\n{body}\n}}\n"), expected);
}

#[test]
fn a_good_one_loads() {
    check_body(
        "delete(alert.pod).grace(5); notify(\"sec\", alert[\"proc.cmdline\"]);",
        expect!["loaded p"],
    );
}

#[test]
fn unknown_calls_are_found_in_statement_and_in_expression_position() {
    check_body(
        "nope(alert);\nlet x = [1, isolat(alert.pod)];\ndelete(alert.pod).grase(5);",
        expect![[r#"
            p.rhai:6:1: unknown function `nope`
            p.rhai:7:13: unknown function `isolat`; did you mean `isolate`?
            p.rhai:8:19: unknown function `grase`; did you mean `grace`?"#]],
    );
}

#[test]
fn the_number_of_arguments_is_checked() {
    check_body(
        "delete(alert.pod, 5);\nnotify(\"x\");",
        expect![[r#"
            p.rhai:6:1: `delete` takes 1 argument, not 2
            p.rhai:7:1: `notify` takes 2 arguments, not 1"#]],
    );
}

#[test]
fn unknown_properties_and_fields_are_found() {
    check_body(
        "let a = alert.nod;\nlet b = alert[\"proc.cmdlin\"].len();\nlet c = `${alert[\"no.such\"]}`;",
        expect![[r#"
            p.rhai:6:15: an alert has no `.nod`; did you mean `node`?
            p.rhai:7:15: unknown field `proc.cmdlin`; did you mean `proc.cmdline`?
            p.rhai:8:18: unknown field `no.such`"#]],
    );
}

#[test]
fn a_missing_capability_is_found() {
    check_body(
        "isolate(alert.pod);\nif false { label(alert.pod, #{ a: \"b\" }); }",
        expect![[r#"
        p.rhai:6:1: `isolate` needs the capability "network:isolate": add it to `needs`
        p.rhai:7:12: `label` needs the capability "pods:label": add it to `needs`"#]],
    );
}

#[test]
fn a_verb_cannot_be_shadowed() {
    check(
        &format!("{HEAD}fn respond(alert) {{}}\n  fn delete(x) {{}}\nfn param(a, b) {{}}"),
        expect![[r#"
        p.rhai:6:3: fn delete would take the place of the playbook language's own `delete`: choose another name
        p.rhai:7:1: fn param would take the place of the playbook language's own `param`: choose another name"#]],
    );
}

#[test]
fn strict_variables() {
    check_body(
        "let pod = alert.pod;\ndelete(pdo);",
        expect!["p.rhai:7:8: Undefined variable: pdo"],
    );
}

#[test]
fn waiting_evaluating_and_importing_are_not_offered() {
    check_body("sleep(1);", expect!["p.rhai:6:1: `sleep` is not offered: a plan is made at once"]);
    check_body(
        "print(\"x\");",
        expect!["p.rhai:6:1: `print` is not offered: a plan is made at once"],
    );
    check_body("eval(\"delete(1)\");", expect!["p.rhai:6:1: reserved keyword 'eval' is disabled"]);
    check_body("import \"x\" as x;", expect!["p.rhai:6:1: 'import' is a reserved keyword"]);
}

#[test]
fn the_head_is_strict() {
    let head = |inside: &str| format!("playbook(#{{\n{inside}\n}});\nfn respond(alert) {{}}\n");
    check(&head("nmae: \"p\""), expect!["p.rhai:2:1: unknown key `nmae`; did you mean `name`?"]);
    let good = "name: \"p\", owner: \"o\", needs: [],\n";
    check(
        &head(&format!("{good}when: #{{ rules: [\"r\"] }},\nlimit: #{{}}")),
        expect!["p.rhai:4:1: unknown key `limit`; did you mean `limits`?"],
    );
    check(
        &head(&format!("{good}when: #{{ rules: [\"r\"],\n tag: [\"r\"] }}")),
        expect!["p.rhai:4:2: unknown key `tag`; did you mean `tags`?"],
    );
    check(
        &head(&format!("{good}when: #{{ rules: [\"r\"] }},\nlimits: #{{ max_pod: 1 }}")),
        expect!["p.rhai:4:12: unknown key `max_pod`; did you mean `max_pods`?"],
    );
    check(
        &head(&format!("{good}when: #{{ source: \"syscall\" }}")),
        expect![[
            r#"p.rhai:3:1: `when` must name rules, tags, priority or where: a playbook for every alert says so with `priority: ">=debug"`"#
        ]],
    );
    check(
        &head(&format!("{good}when: #{{ priority: \">=warn\" }}")),
        expect![[
            r#"p.rhai:3:10: `priority`: unknown priority "warn", expected one of emergency, alert, critical, error, warning, notice, informational, debug"#
        ]],
    );
    check(
        &head(&format!("{good}when: #{{ rules: [\"r\"] }}, mode: \"enforced\"")),
        expect!["p.rhai:3:26: `mode`: unknown mode `enforced`; did you mean `enforce`?"],
    );
    check(
        &head("name: \"p\", owner: \"o\", needs: [\"pod:delete\"], when: #{ rules: [\"r\"] }"),
        expect![
            "p.rhai:2:24: `needs`: unknown capability `pod:delete`; did you mean `pods:delete`?"
        ],
    );
    check(
        &head("name: \"P p\", owner: \"o\", needs: [], when: #{ rules: [\"r\"] }"),
        expect![[
            r#"p.rhai:2:1: `name`: "P p" is not a playbook's name: up to 63 of a-z, 0-9 and -"#
        ]],
    );
}

#[test]
fn the_head_cannot_act_or_loop() {
    check(
        &format!("{HEAD}delete(1);\nfn respond(alert) {{}}"),
        expect!["p.rhai:5:1: delete takes a pod, not i64"],
    );
    check(
        &format!("{HEAD}loop {{}}\nfn respond(alert) {{}}"),
        expect!["p.rhai:5:6: stopped: too many operations; does a loop not end?"],
    );
    check(
        &format!("{HEAD}{HEAD}fn respond(alert) {{}}"),
        expect!["p.rhai:5:1: a second playbook(...) in one file"],
    );
    check("let x = 1;", expect!["p.rhai: no playbook(#{ ... }) in this file"]);
    check(HEAD, expect!["p.rhai: no fn respond(alert) in this file"]);
}

#[test]
fn one_bad_file_never_stops_the_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.rhai"), "fn (").unwrap();
    fs::write(dir.path().join("b.rhai"), format!("{HEAD}fn respond(alert) {{}}")).unwrap();
    fs::write(dir.path().join("c.rhai"), format!("{HEAD}fn respond(alert) {{}}")).unwrap();
    fs::write(dir.path().join("d.rhai"), [0xff, 0xfe]).unwrap();
    let (playbooks, problems) = Playbooks::load(&[dir.path()]);
    assert_eq!(playbooks.iter().count(), 1);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        a.rhai:1:4: Expecting function name in function declaration
        c.rhai: playbook "p" is already in b.rhai
        d.rhai: cannot read: stream did not contain valid UTF-8"#]]
    .assert_eq(&told.join("\n"));
}
