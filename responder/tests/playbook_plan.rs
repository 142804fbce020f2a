//! What happens when a playbook runs: a whole plan, or an error with its place
//! and no plan at all.

use std::{fs, sync::Arc};

use expect_test::{Expect, expect};
use jiff::Timestamp;
use lanner_alert::{Alert, Mode};
use lanner_responder::{
    explain::StepText,
    playbook::{AlertFacts, Playbooks},
};
use serde_json::json;

const HEAD: &str = r#"playbook(#{
    name: "p", owner: "o", when: #{ rules: ["r"] }, mode: "enforce",
    needs: ["pods:delete", "pods:label", "network:isolate", "notify"],
    params: #{ team: "blue" },
});
const LIMIT = 3;
"#;

fn alert() -> Alert {
    let alert = json!({
        "id": "01919191-9191-7191-9191-919191919191", "schema": 1, "time": "2026-11-21T10:00:00Z",
        "node": "node-1", "hostname": "falco-x", "rule": "r", "priority": "Critical",
        "source": "syscall", "tags": ["shell"], "output": "text",
        "output_fields": {
            "proc.cmdline": "bash", "k8s.ns.name": "other", "proc.pid": 1, "fd.name": null,
            "proc.aname[2]": "sh",
        },
        "entity": {
            "pod_namespace": "shop", "pod_name": "cart-7f", "pod_uid": "u-1",
            "container_id": "c0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ffc0ff",
            "pid": 4711, "exe_path": "/bin/bash",
        },
    });
    Alert::from_json(alert.to_string().as_bytes()).unwrap()
}

fn plan_for(alert: Alert, body: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{HEAD}fn respond(alert) {{\n{body}\n}}\n");
    fs::write(dir.path().join("p.rhai"), text).unwrap();
    let (playbooks, problems) = Playbooks::load(&[dir.path()]);
    assert_eq!(problems, []);
    let facts = Arc::new(AlertFacts::new(alert));
    let playbook = playbooks.get("p").unwrap();
    // A fixed time: a plan's length depends on how many digits its times have.
    let now: Timestamp = "2026-11-21T10:00:00.5Z".parse().unwrap();
    match playbooks.plan(playbook, &facts, Mode::Enforce, now) {
        Ok(plan) => {
            let step = |step| format!("{step}");
            let mut lines: Vec<String> = plan.steps.iter().map(|s| step(StepText(s))).collect();
            lines.extend(plan.skip.map(|reason| format!("skip: {reason}")));
            lines.join("\n")
        }
        Err(problem) => problem.to_string(),
    }
}

#[track_caller]
fn check(body: &str, expected: Expect) {
    expected.assert_eq(&plan_for(alert(), body));
}

#[test]
fn what_an_alert_tells() {
    check(
        r#"notify("a", `${alert.rule} ${alert.priority} ${alert.node} ${alert.tags} ${alert.time}`);
           notify("b", `${alert.pod.namespace}/${alert.pod.name} ${alert.pod.uid} ${alert.pod.node}`);
           notify("c", `${alert.process.pid} ${alert.process.exe} ${alert.container.id.len()}`);
           notify("d", `${alert["proc.cmdline"]} ${alert["proc.aname[2]"]} ${alert["fd.name"] == ()}`);
           notify("e", `${alert["proc.pid"]} ${alert["k8s.ns.name"]} ${alert["container.id"]}`);
           notify("f", `${param("team")} ${global::LIMIT} ${alert.cluster == ()}`);"#,
        expect![[r#"
            notify   a  "r critical node-1 [\"shell\"] 2026-11-21T10:00:00Z"
            notify   b  "shop/cart-7f u-1 node-1"
            notify   c  "4711 /bin/bash 64"
            notify   d  "bash sh true"
            notify   e  "4711 shop c0ffc0ffc0ff"
            notify   f  "blue 3 true""#]],
    );
}

#[test]
fn the_verbs_and_their_options() {
    check(
        r#"let pod = alert.pod;
           label(pod, #{ "a.b/c": "d", e: "" });
           isolate(pod).allow_dns();
           let ns = namespace(pod.namespace);
           isolate(ns).allow_dns().allow_namespaces(["monitoring"]);
           delete(pod).grace("1m");
           delete(pod);"#,
        expect![[r#"
            label    pod shop/cart-7f  a.b/c=d  e=  (undo: the labels as they were)
            isolate  pod shop/cart-7f  allow_dns  (undo: connected again)
            isolate  namespace shop  allow_dns  allow_namespaces=monitoring  (undo: connected again)
            delete   pod shop/cart-7f  grace=60s  (final)
            delete   pod shop/cart-7f  (final)"#]],
    );
}

#[test]
fn an_error_half_way_leaves_no_plan() {
    check("delete(alert.pod);\nthrow \"half way\";", expect!["p.rhai:9:1: half way"]);
    check(
        "delete(alert.pod);\nlet x = [1];\nx[7] = 1;",
        expect!["p.rhai:10:3: Array index 7 out of bounds: only 1 element in array"],
    );
}

#[test]
fn what_does_not_end_is_stopped() {
    check(
        "delete(alert.pod);\nloop {}",
        expect!["p.rhai:7:1: stopped: too many operations; does a loop not end?"],
    );
    check(
        "delete(alert.pod);\nlet s = \"aaaaaaaaaaaaaaaa\";\nloop { s += s; }",
        expect!["p.rhai:7:1: Length of string too large"],
    );
    check("let a = [];\nloop { a.push(1); }", expect!["p.rhai:7:1: Size of array/BLOB too large"]);
    check(
        "let f = Fn(\"sleep\");\nf.call(1);",
        expect!["p.rhai:9:3: `sleep` is not offered: a plan is made at once"],
    );
}

#[test]
fn a_plan_has_few_steps() {
    check(
        "for i in 0..100 {\nnotify(\"x\", \"y\");\n}",
        expect!["p.rhai:9:1: more than 64 steps in one plan"],
    );
}

#[test]
fn a_plan_has_a_length() {
    check(
        "let t = \"🦅\";\nfor i in 0..12 { t += t; }\nfor i in 0..60 { notify(\"x\", t); }",
        expect!["p.rhai:7:1: a plan of 965694 bytes is longer than 131072"],
    );
}

#[test]
fn only_the_alerts_own_namespace_can_be_named() {
    check(
        "isolate(namespace(\"victim\"));",
        expect![[
            r#"p.rhai:8:9: namespace("victim"): the alert is about a pod in shop, and its plan may touch no other namespace"#
        ]],
    );
    check(
        "isolate(namespace(alert.cluster));",
        expect![
            "p.rhai:8:9: namespace takes a name, not (): the alert has none; test for `== ()` first"
        ],
    );
    check(
        "isolate(\"shop\");",
        expect!["p.rhai:8:1: isolate takes a pod or a namespace, not string"],
    );
    check(
        "delete(#{ namespace: \"shop\", name: \"victim\" });",
        expect!["p.rhai:8:1: delete takes a pod, not map"],
    );
    let mut without_pod = alert();
    without_pod.entity = Default::default();
    expect!["p.rhai:8:1: delete takes a pod, not (): the alert has none; test for `== ()` first"]
        .assert_eq(&plan_for(without_pod, "delete(alert.pod);"));
}

#[test]
fn a_capability_is_also_asked_for_when_a_verb_is_called_by_its_name() {
    check(
        "let v = Fn(\"label\");\nv.call(namespace(\"shop\"), #{ a: \"b\" });",
        expect![[
            r#"p.rhai:9:3: `label` needs the capability "namespaces:label": add it to `needs`"#
        ]],
    );
}

#[test]
fn an_unknown_field_is_an_error_at_run_time_too() {
    check(
        "let name = \"proc.\" + \"nmae\";\nlet x = alert[name];",
        expect!["p.rhai:9:14: unknown field `proc.nmae`; did you mean `proc.name`?"],
    );
    check(
        "let a = alert;\nlet x = a.podd;",
        expect!["p.rhai:9:10: an alert has no `.podd`; did you mean `pod`?"],
    );
}

#[test]
fn wrong_arguments() {
    check(
        "delete(alert.pod).grace(-1);",
        expect!["p.rhai:8:19: grace is 0 to 3600 seconds, not -1"],
    );
    check(
        "delete(alert.pod).grace(\"soon\");",
        expect![[
            r#"p.rhai:8:19: `soon` is no duration such as "30s": failed to parse input in the "friendly" duration format: expected duration to start with a unit value (a decimal integer) after an optional sign, but no integer was found"#
        ]],
    );
    check(
        "isolate(alert.pod).grace(1);",
        expect!["p.rhai:8:20: `grace` belongs to `delete`, not to `isolate`"],
    );
    check(
        "isolate(alert.pod).allow_namespaces([\"a\"]);",
        expect!["p.rhai:8:20: `allow_namespaces` belongs to `isolate(namespace(...))`"],
    );
    check(
        "isolate(namespace(\"shop\")).allow_namespaces([\"a/../b\"]);",
        expect![[r#"p.rhai:8:28: "a/../b" is not a namespace's name"#]],
    );
    check(
        "label(alert.pod, #{ \"lanner.dev/respond\": \"x\" });",
        expect!["p.rhai:8:1: label `lanner.dev/respond` is the responder's own"],
    );
    check(
        "label(alert.pod, #{ \"a b\": \"x\" });",
        expect![[r#"p.rhai:8:1: "a b" is not a label's key"#]],
    );
    check(
        "label(alert.pod, #{ a: \"x\\ny\" });",
        expect![[r#"p.rhai:8:1: "x\ny" is not a label's value"#]],
    );
    check("label(alert.pod, #{ a: 1 });", expect!["p.rhai:8:1: label `a` is i64, not a text"]);
    check("label(alert.pod, #{});", expect!["p.rhai:8:1: label without any label"]);
    check(
        "notify(\"a b\", \"x\");",
        expect![[r#"p.rhai:8:1: "a b" is not a channel: up to 63 of a-z, 0-9 and -"#]],
    );
    check("param(\"taem\");", expect!["p.rhai:8:1: `params` has no `taem`; did you mean `team`?"]);
    check(
        "let s = delete(alert.pod);\nif s.ok { }",
        expect!["p.rhai:9:6: what a step did is not known while the plan is made"],
    );
}

#[test]
fn skip_is_all_or_nothing() {
    check("skip(\"known\");", expect!["skip: known"]);
    check(
        "delete(alert.pod);\nskip(\"known\");",
        expect!["p.rhai:9:1: skip() after a step: skip means that nothing is done"],
    );
    check(
        "skip(\"known\");\ndelete(alert.pod);",
        expect!["p.rhai:9:1: a step after skip(): skip ends a plan"],
    );
}
