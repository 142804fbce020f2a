//! The shipped rules pass their tests, and the commands answer as scripts rely on.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn lanner(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanner"));
    command.args(arguments).output().expect("lanner runs")
}

/// What is printed for `input` on standard input, and the exit code.
fn piped(arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lanner"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("lanner runs");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    // It may have ended without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("lanner ends");
    (stdout(&output), output.status.code())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules").join(path)
}

/// Writes a file into a directory of the test's own.
fn write(dir: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, text).expect("the file can be written");
    path.display().to_string()
}

const RULE: &str = "- rule: Cat\n  desc: cat\n  condition: evt.type=execve and proc.name=cat\n  \
                    output: cat by %user.name\n  priority: NOTICE\n  tags: [b, a]\n";

#[test]
fn the_shipped_rules_are_good_and_their_tests_leave_nothing_untested() {
    let rules = shipped("").display().to_string();
    let check = lanner(&["rules", "check", &rules]);
    let said = stdout(&check);
    assert!(said.lines().all(|line| line.ends_with(".yaml: Ok")), "{said}");
    assert!(said.lines().count() > 1, "{said}");
    assert_eq!(check.status.code(), Some(0));

    let test = lanner(&["rules", "test", &rules, "--require-coverage"]);
    assert!(test.status.success(), "{}", stdout(&test));
    assert!(stdout(&test).ends_with(" passed, 0 failed\n"), "{}", stdout(&test));
}

#[test]
fn the_page_of_the_shipped_rules_is_what_the_command_prints() {
    let page = lanner(&["rules", "describe", "--markdown", &shipped("").display().to_string()]);
    let written = fs::read_to_string(shipped("../docs/shipped-rules.md")).unwrap_or_default();
    let is_current = written == stdout(&page);
    assert!(is_current, "run: lanner rules describe --markdown rules > docs/shipped-rules.md");
}

/// A playbook for a rule that is not there waits for ever.
#[test]
fn the_shipped_playbooks_name_shipped_rules() {
    let described = lanner(&["rules", "describe", "--json", &shipped("").display().to_string()]);
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).unwrap();
    let rules = described["rules"].as_array().unwrap();
    let mut named = 0;
    for entry in fs::read_dir(shipped("../playbooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "rhai") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lists = text.split("rules:").skip(1).filter_map(|rest| rest.split_once(']'));
        for name in lists.flat_map(|(list, _)| list.split('"').skip(1).step_by(2)) {
            let is_shipped = rules.iter().any(|rule| rule["name"] == name);
            assert!(is_shipped, "{}: no rule is named {name}", path.display());
            named += 1;
        }
    }
    assert!(named >= 6, "only {named} names were found");
}

#[test]
fn a_page_of_rules_keeps_to_text() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "- rule: A *b* (c)\n  desc: \"x | y <b> `a_*` \\e[2J\"\n  condition: evt.type=open\n  \
                 output: o\n  priority: INFO\n  tags: [t]\n  enabled: false\n";
    let rules = write(&dir, "rules.yaml", rules);
    let page = stdout(&lanner(&["rules", "describe", "--markdown", &rules]));
    assert!(page.contains("| [A \\*b\\* (c)](#a-b-c) | Informational, off | t |\n"), "{page}");
    let said = "## A \\*b\\* (c)\n\nx \\| y &lt;b> `a_*` \u{fffd}\\[2J\n\nEvents: open.\n";
    assert!(page.ends_with(said), "{page}");
}

#[test]
fn a_folder_stands_for_its_rule_files_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let empty = lanner(&["rules", "check", &folder]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("no rule file"), "{empty:?}");

    write(&dir, "2.yml", &RULE.replace("proc.name=cat", "by_ann"));
    write(&dir, "1.yaml", "- macro: by_ann\n  condition: (user.name=ann)\n");
    write(&dir, "readme.md", "no rules");
    let check = lanner(&["rules", "check", &folder]);
    assert_eq!(stdout(&check), format!("{folder}/1.yaml: Ok\n{folder}/2.yml: Ok\n"));
}

#[test]
fn a_failing_case_shows_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "rules.yaml", RULE);
    let suite = "rules: [rules.yaml]\ncases:\n  - name: a dog\n    events:\n      \
                 - {evt.type: execve, proc.name: cat, user.name: root}\n    expect: [Dog]\n";
    write(&dir, "dog.test.yaml", suite);
    let output = lanner(&["rules", "test", &dir.path().display().to_string()]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("  FAILED  a dog (") && text.contains("dog.test.yaml:3)\n"), "{text}");
    let difference =
        "          - Dog  (there is no such rule)\n          + Cat (Notice): cat by root\n";
    assert!(text.contains(difference), "{text}");
    assert!(text.ends_with("0 passed, 1 failed\n"), "{text}");

    write(&dir, "dog.test.yaml", &suite.replace("proc.name", "proc.nmae"));
    let text = stdout(&lanner(&["rules", "test", &dir.path().display().to_string()]));
    assert!(text.contains("dog.test.yaml:5: key 'proc.nmae' is not a field"), "{text}");

    write(&dir, "dog.test.yaml", &suite.replace("expect:", "expects:"));
    let output = lanner(&["rules", "test", &dir.path().display().to_string()]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("dog.test.yaml:6:5: unknown key `expects`; did you mean `expect`?"),
        "{text}"
    );
}

const TWO_RULES: &str = "
- macro: starts
  condition: (evt.type=execve)

- macro: by_ann
  condition: (user.name=ann)

- rule: Cat
  desc: d
  condition: starts and proc.name=cat and not by_ann
  output: o
  priority: NOTICE

- rule: Get
  desc: d
  condition: ka.verb=get and ka.target.resource=secrets
  output: secret %ka.target.name
  source: k8s_audit
  priority: NOTICE

- rule: Off
  desc: d
  condition: starts and proc.name=off
  output: o
  priority: NOTICE
  enabled: false
";

/// What the tests of a directory leave untested, of [`TWO_RULES`].
#[track_caller]
fn check_coverage(suite: &str, code: i32, untested: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "rules.yaml", TWO_RULES);
    let head = "rules: [rules.yaml]\nbases: {cat: {evt.type: execve, proc.name: cat}}\ncases:\n";
    let file = write(&dir, "one.test.yaml", &format!("{head}{suite}"));
    let output = lanner(&["rules", "test", "--require-coverage", &file]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let (_, summary) = text.split_once("coverage: ").unwrap();
    let lines = summary.lines().filter_map(|line| line.strip_prefix("  "));
    assert_eq!(lines.collect::<Vec<_>>(), untested, "{text}");
    // Whoever does not ask for it is told all the same.
    assert_eq!(lanner(&["rules", "test", &file]).status.code(), Some(0));
}

#[test]
fn what_is_not_tested_is_told() {
    let hit = "  - {name: hit, events: [{base: cat}], expect: [Cat]}\n";
    let miss = "  - {name: miss, events: [{base: cat, proc.name: dog}], expect: []}\n";
    let other = "  - {name: other, events: [{evt.type: openat, proc.name: cat}], expect: []}\n";
    let ann = "  - {name: ann, events: [{base: cat, user.name: ann}], expect: []}\n";
    let not_get = ["no case expects: Get", "no case narrowly misses: Get"];
    let not_missed = "no case narrowly misses: Cat";
    let starts = "matters only where it holds: starts";
    let by_ann = "matters only where it does not hold: by_ann";
    check_coverage(hit, 1, &[not_get[0], not_missed, not_get[1], starts, by_ann]);
    // An event of another type is no near miss.
    let both = format!("{hit}{other}");
    check_coverage(&both, 1, &[not_get[0], not_missed, not_get[1], by_ann]);
    check_coverage(&format!("{hit}{miss}"), 1, &[not_get[0], not_get[1], starts, by_ann]);
    check_coverage(&format!("{hit}{other}{ann}"), 1, &not_get);
    // No cat: nobody would notice if the macros were gone.
    let idle = ["never matters: by_ann", "never matters: starts"];
    let not_expected = "no case expects: Cat";
    check_coverage(miss, 1, &[not_expected, not_get[0], not_get[1], idle[0], idle[1]]);
}

#[test]
fn events_may_be_of_files_and_of_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "rules.yaml", TWO_RULES);
    write(
        &dir,
        "log.jsonl",
        "{\"kind\":\"Event\",\"auditID\":\"a\",\"verb\":\"get\",\"objectRef\":{\"resource\":\"secrets\",\
         \"name\":\"db\"},\"stageTimestamp\":\"2026-11-21T10:00:00Z\"}\n\n{\"ka.verb\":\"list\"}\n",
    );
    let audit = "rules: [rules.yaml]\nsource: k8s_audit\nbases:\n  get:\n    kind: Event\n    \
                 auditID: b\n    verb: get\n    stageTimestamp: 2026-11-21T10:00:00Z\n    \
                 objectRef: {resource: secrets, namespace: shop}\ncases:\n  \
                 - {name: log, events_from: log.jsonl, expect: [{rule: Get, output: [secret db]}]}\n  \
                 - {name: merged, events: [{base: get, objectRef: {name: key}}], expect: [{rule: Get, output: [secret key]}]}\n  \
                 - {name: miss, events: [{base: get, verb: watch}], expect: []}\n";
    write(&dir, "audit.test.yaml", audit);
    let cat = "rules: [rules.yaml]\ncases:\n  \
               - {name: hit, events: [{evt.type: execve, proc.name: cat}], expect: [Cat]}\n  \
               - {name: ann, events: [{evt.type: execve, proc.name: cat, user.name: ann}], expect: []}\n";
    write(&dir, "cat.test.yaml", cat);
    let path = dir.path().display().to_string();
    let output = lanner(&["rules", "test", "--require-coverage", "--json", &path]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{json:#}");
    assert_eq!((&json["passed"], &json["failed"]), (&5.into(), &0.into()));
    assert_eq!(json["suites"][0]["cases"][1]["name"], "merged");
    assert_eq!(json["coverage"]["full"], true);
    let cat = &json["coverage"]["rules"][0];
    assert_eq!(*cat, serde_json::json!({"name": "Cat", "expected": true, "near_miss": true}));

    write(&dir, "log.jsonl", "{\"ka.verb\":\"list\"}\nnonsense\n");
    let text = stdout(&lanner(&["rules", "test", &path]));
    assert!(text.contains("log.jsonl:2: an event is one JSON object"), "{text}");
    write(&dir, "audit.test.yaml", &audit.replace("log.jsonl", "nowhere.jsonl"));
    let text = stdout(&lanner(&["rules", "test", &path]));
    assert!(text.contains("audit.test.yaml:11: cannot read events "), "{text}");
}

#[test]
fn a_rule_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(&dir, "rules.yaml", TWO_RULES);
    let event = write(
        &dir,
        "event.json",
        r#"{"evt.type":"execve","proc.name":"cat","user.name":"ann","proc.cmdline":"\u001b[2J"}"#,
    );
    let explain = |name: &str, more: &[&str]| {
        let arguments = ["rules", "explain", name, "--rules", &rules, "--event", &event];
        lanner(&[&arguments, more].concat())
    };
    let output = explain("Cat", &[]);
    assert_eq!(
        stdout(&output),
        "Cat: does not match, because\n  \
           user.name = ann is true    [user.name = ann]\n\n\
         * false  and\n  \
           true     starts\n  \
           true       evt.type = execve    [evt.type = execve]\n  \
           true     proc.name = cat    [proc.name = cat]\n\
         * false    not\n\
         * true       by_ann\n\
         * true         user.name = ann    [user.name = ann]\n"
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&explain("Off", &[])).starts_with("Off: does not match (the rule is not enabled)")
    );

    let json: serde_json::Value =
        serde_json::from_slice(&explain("Cat", &["--json"]).stdout).unwrap();
    assert_eq!((&json["rule"], &json["matches"]), (&"Cat".into(), &false.into()));
    assert_eq!(json["reasons"][0]["fields"], serde_json::json!({"user.name": "ann"}));
    assert_eq!(json["condition"]["parts"][0]["part"], "macro");
    assert_eq!(json["condition"]["parts"][0]["text"], "starts");

    let output = explain("Dog", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: no rule is named 'Dog'\n");
}

#[test]
fn check_gives_falcos_json() {
    let dir = tempfile::tempdir().unwrap();
    let good = write(&dir, "good.yaml", RULE);
    let bad =
        write(&dir, "bad.yaml", &RULE.replace("Cat", "Dog").replace("proc.name", "proc.nmae"));
    let output = lanner(&["rules", "check", "--json", &good, &bad]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = &json["falco_load_results"];
    assert_eq!(results[0]["name"], good);
    assert_eq!(results[0]["successful"], true);
    assert_eq!(results[1]["successful"], false);
    assert_eq!(results[0]["schema_valid"], true);
    assert_eq!(results[0]["schema_warnings"], serde_json::json!([]));
    let position = |name: &str, line: u32, column: u32, offset: u32| serde_json::json!({"name": name, "line": line, "column": column, "offset": offset});
    assert_eq!(
        results[1]["errors"],
        serde_json::json!([{
            "code": "LOAD_ERR_COMPILE_CONDITION",
            "codedesc": "Error compiling condition",
            "message": "filter_check called with nonexistent field proc.nmae",
            "context": {
                "locations": [
                    {
                        "item_type": "rules content",
                        "item_name": "",
                        "position": position(&bad, 0, 0, 0),
                    },
                    {"item_type": "rule", "item_name": "Dog", "position": position(&bad, 0, 2, 2)},
                    {
                        "item_type": "rule condition",
                        "item_name": "",
                        "position": position(&bad, 2, 13, 37),
                    },
                    {
                        "item_type": "condition expression",
                        "item_name": "",
                        // The sum of both positions, one counted from 0 and one from 1.
                        "position": position("\"evt.type=execve a...\"", 3, 34, 57),
                    },
                ],
                "snippet": "evt.type=execve and proc.nmae=cat\n                                ^\n",
            },
        }])
    );

    let text = stdout(&lanner(&["rules", "check", &good, &bad, "nowhere.yaml"]));
    assert!(text.contains(&format!("{good}: Ok\n")), "{text}");
    assert!(text.contains(&format!("{bad}: Invalid\n")), "{text}");
    assert!(text.contains(&format!("--> {bad}:3:34\n")), "{text}");
    assert!(text.contains("did you mean 'proc.name'?"), "{text}");
    assert!(text.contains("nowhere.yaml: Invalid\n"), "{text}");
}

#[test]
fn check_gives_falcos_json_of_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let odd = write(&dir, "odd.yaml", &RULE.replace("%user.name", "%evt.latency"));
    let latin = dir.path().join("latin.yaml");
    fs::write(&latin, b"- rule: R\n  desc: \xe9\n").unwrap();
    let nowhere = dir.path().join("nowhere.yaml");
    let (latin, nowhere) = (latin.display().to_string(), nowhere.display().to_string());
    let output = lanner(&["rules", "check", "--json", &odd, &latin, &nowhere]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = &json["falco_load_results"];
    let warning = &results[0]["warnings"][0];
    assert_eq!(warning["code"], "LOAD_DEPRECATED_ITEM");
    assert_eq!(warning["codedesc"], "A deprecated item is employed by lists, macros, or rules.");
    assert_eq!(warning["deprecated_field"], "evt.latency");
    assert_eq!(warning["context"]["locations"][2]["item_type"], "rule output");
    assert_eq!(warning["context"]["snippet"], "  output: cat by %evt.latency\n          ^\n");

    assert_eq!(results[1]["errors"][0]["code"], "LOAD_ERR_YAML_PARSE");
    assert_eq!(results[1]["errors"][0]["context"]["locations"][1]["position"]["offset"], 18);
    assert_eq!(results[1].get("schema_valid"), None);
    assert_eq!(results[2]["errors"][0]["code"], "LOAD_ERR_FILE_READ");
}

#[test]
fn eval_prints_alerts_with_falcos_keys() {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(&dir, "rules.yaml", RULE);
    let events = write(
        &dir,
        "events.jsonl",
        "{\"evt.type\":\"execve\",\"evt.rawtime\":1700000000000000001,\"evt.hostname\":\"n1\",\
         \"proc.name\":\"cat\"}\n{\"evt.type\":\"execve\",\"proc.name\":\"ls\"}\nnonsense\n",
    );
    let output = lanner(&["rules", "eval", "--rules", &rules, "--events", &events]);
    assert_eq!(
        stdout(&output),
        "{\"hostname\":\"n1\",\"output\":\"22:13:20.000000001: Notice cat by <NA>\",\
         \"output_fields\":{\"evt.time\":1700000000000000001,\"user.name\":null},\
         \"priority\":\"Notice\",\"rule\":\"Cat\",\"source\":\"syscall\",\"tags\":[\"a\",\"b\"],\
         \"time\":\"2023-11-14T22:13:20.000000001Z\"}\n"
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("events.jsonl:3: an event is one JSON object"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn describe_tells_what_the_kernel_can_decide() {
    let dir = tempfile::tempdir().unwrap();
    let text_of_rule = "- rule: Keys\n  desc: x\n  condition: evt.type in (open, execve) and \
                (evt.type=execve or fd.name startswith /root/.ssh/) and not proc.pname=sshd\n  \
                output: x\n  priority: INFO\n";
    let audit = "- rule: Audit\n  desc: x\n  condition: ka.verb=get\n  output: x\n  \
                 priority: INFO\n  source: k8s_audit\n";
    let rules = write(&dir, "rules.yaml", &format!("{text_of_rule}{audit}"));
    let output = lanner(&["rules", "describe", "--json", &rules]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let everything = serde_json::json!({"passes": "everything", "defeated_by": ["proc.pname"]});
    assert_eq!(
        json["rules"][0]["kernel_filter"],
        serde_json::json!({
            "open": {"passes": ["path /root/.ssh/*"], "defeated_by": []},
            "execve": everything,
        })
    );
    assert!(json["rules"][1]["kernel_filter"].is_null());

    let text = stdout(&lanner(&["rules", "describe", &rules]));
    assert!(text.contains("\nopen:\n  open\n    path /root/.ssh/*\n"), "{text}");
    assert!(text.contains("\nexec: each program that starts\n"), "{text}");
    assert!(text.contains("\nconnect: nothing\n"), "{text}");
    assert!(text.contains("lanner.kernel_filter.TYPE.seen"), "{text}");

    let asks = text_of_rule.replace("and not proc.pname", "and evt.failed=true and not proc.pname");
    let wide = "- rule: Wide\n  desc: x\n  condition: evt.type=accept and proc.pname=sshd\n  \
                output: x\n  priority: INFO\n";
    let rules = write(&dir, "rules.yaml", &format!("{asks}{wide}"));
    let text = stdout(&lanner(&["rules", "describe", &rules]));
    let accept = "\naccept:\n  accept\n    everything\n  nearly all because of: Wide (the kernel \
                  cannot test proc.pname)\n";
    assert!(text.contains(accept), "{text}");
    let execve =
        "\nexec, of calls that fail (a program that starts passes):\n  execve\n    result ";
    assert!(text.contains(execve), "{text}");
}

#[test]
fn describe_counts_what_the_kernel_would_report_of_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let rule = |name: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: x\n  condition: {condition}\n  output: x\n  priority: INFO\n"
        )
    };
    let rules = [
        rule("Keys", "evt.type=open and fd.name startswith /root/.ssh/ and proc.pname=x"),
        rule("Shadow", "evt.type=open and fd.name=/etc/shadow"),
        rule("Root", "evt.type=open and fd.name startswith /root/") + "  enabled: false\n",
        rule("Started", "evt.type=execve and proc.name=sh"),
        rule("Failed", "evt.type=execve and evt.failed=true and proc.name=sh"),
    ];
    let rules = write(&dir, "rules.yaml", &rules.concat());
    let open = |path: &str| format!(r#"{{"evt.type":"open","fd.name":"{path}","evt.rawres":3}}"#);
    let exec = |name: &str, result: i32| {
        format!(r#"{{"evt.type":"execve","proc.name":"{name}","evt.rawres":{result}}}"#)
    };
    let lines = [
        "# a comment".to_owned(),
        open("/root/.ssh/id_rsa"),
        open("/root/.ssh/config"),
        open("/etc/shadow"),
        open("/root/.bashrc"),
        String::new(),
        exec("cat", 0),
        exec("sh", -2),
        exec("cat", -2),
        r#"{"evt.type":"container"}"#.to_owned(),
    ];
    let recording = write(&dir, "recorded.jsonl", &lines.join("\n"));

    let output = lanner(&["rules", "describe", "--json", "--events", &recording, &rules]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rules"].as_array().map(Vec::len), Some(5));
    assert_eq!(
        json["recorded"],
        serde_json::json!({
            "families": {
                "open": {
                    "events": 4, "passed": 3, "started": 0, "widened": 0,
                    "rules": {"Keys": 2, "Shadow": 1},
                },
                "exec": {
                    "events": 3, "passed": 2, "started": 1, "widened": 0,
                    "rules": {"Failed": 1},
                },
            },
            "unfiltered": 1,
        })
    );

    let text = stdout(&lanner(&["rules", "describe", "--events", &recording, &rules]));
    let open = "\n  open: 3 of 4, 75.0 %\n    2 because of: Keys\n    1 because of: Shadow\n";
    assert!(text.contains(open), "{text}");
    let exec = "\n  exec: 2 of 3, 66.6 %\n    1 because programs that start pass\n    \
                1 because of: Failed\n  connect: nothing was recorded\n";
    assert!(text.contains(exec), "{text}");
    assert!(text.ends_with("\n  of types that it does not filter: all 1\n"), "{text}");

    let broken = write(&dir, "broken.jsonl", &format!("{}\nno event", lines[1]));
    let output = lanner(&["rules", "describe", "--events", &broken, &rules]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.jsonl:2"), "{output:?}");
}

#[test]
fn filters_are_checked_and_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let event = write(&dir, "event.json", "{\"proc.name\":\"cat\"}");
    let eval = |expr: &str| stdout(&lanner(&["filter", "eval", expr, "--event", &event]));
    assert_eq!(eval("proc.name = cat"), "true\n");
    assert_eq!(eval("proc.name != cat"), "false\n");
    let hostile = write(&dir, "hostile.json", r#"{"proc.name":"a\u001b[2J\u202eb"}"#);
    let explained =
        lanner(&["filter", "eval", "proc.name = cat", "--event", &hostile, "--explain"]);
    let shown = "false\n\n* false  proc.name = cat    [proc.name = a\u{fffd}[2J\u{fffd}b]\n";
    assert_eq!(stdout(&explained), shown);
    let explained =
        lanner(&["filter", "eval", "proc.name = cat", "--event", &event, "--explain", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!(json["matches"], true);
    assert_eq!(json["condition"]["fields"]["proc.name"], "cat");
    let checked = stdout(&lanner(&["filter", "check", "--json", "proc.nmae = cat"]));
    let json: serde_json::Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(json["successful"], false);
    assert_eq!(json["error"]["suggestion"], "proc.name");
    assert_eq!(piped(&["filter", "check", "-"], "proc.name = cat\n"), ("Ok\n".to_owned(), Some(0)));
    let event_piped = ["filter", "eval", "proc.name = cat", "--event", "-"];
    let cat = "{\"proc.name\":\"cat\"}";
    assert_eq!(piped(&event_piped, cat), ("true\n".to_owned(), Some(0)));
    assert_eq!(piped(&["filter", "eval", "-", "--event", "-"], cat).1, Some(1));
    for (arguments, code) in [
        (&["filter", "check", "proc.name = cat"][..], 0),
        (&["filter", "check", "proc.nmae = cat"], 1),
        (&["filter", "check", "some_macro"], 1),
        (&["filter", "check", "--syntax", "some_macro and un.known = x"], 0),
        (&["filter", "check", "--syntax", "and a"], 1),
        (&["filter", "check"], 2),
        (&["filter"], 2),
    ] {
        assert_eq!(lanner(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn eval_takes_an_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let rules = write(
        &dir,
        "rules.yaml",
        "- rule: Exec\n  desc: d\n  source: k8s_audit\n  condition: ka.target.subresource=exec and not \
         ka.user.groups intersects (\"system:masters\")\n  output: \"%evt.num %ka.user.name runs \
         %ka.exec.command in %ka.target.name\"\n  priority: NOTICE\n",
    );
    let exec = |user: &str, group: &str| {
        serde_json::json!({
            "kind": "Event",
            "auditID": "a",
            "stage": "ResponseStarted",
            "stageTimestamp": "2024-05-01T10:00:00.000001Z",
            "verb": "create",
            "user": {"username": user, "groups": [group]},
            "requestURI": "/api/v1/namespaces/a/pods/web/exec?command=sh&command=-c&command=id%20-u",
            "objectRef": {"resource": "pods", "subresource": "exec", "name": "web"},
        })
    };
    let list = serde_json::json!({
        "kind": "EventList",
        "items": [exec("jane", "dev"), {"kind": "Event"}, exec("root", "system:masters")],
    });
    let recorded = "{\"ka.target.subresource\":\"exec\",\"ka.user.groups\":[\"x\"]}";
    let log = format!("{}\n{list}\n{recorded}\n{{\"kind\":1}}\n", exec("joe", "dev"));
    let events = write(&dir, "audit.log", &log);
    let output =
        lanner(&["rules", "eval", "--source", "k8s_audit", "--rules", &rules, "--events", &events]);
    let alerts = stdout(&output);
    let alerts: Vec<serde_json::Value> =
        alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outputs: Vec<&str> = alerts.iter().map(|alert| alert["output"].as_str().unwrap()).collect();
    assert_eq!(
        outputs,
        [
            "10:00:00.000001000: Notice 1 joe runs sh -c id -u in web",
            "10:00:00.000001000: Notice 2 jane runs sh -c id -u in web",
            "00:00:00.000000000: Notice <NA> <NA> runs <NA> in <NA>",
        ]
    );
    assert_eq!(alerts[0]["time"], "2024-05-01T10:00:00.000001000Z");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("audit.log:2: an audit event needs a stageTimestamp"), "{errors}");
    assert!(errors.contains("audit.log:4: key 'kind' is not a field"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn fields_are_listed() {
    let text = stdout(&lanner(&["rules", "fields", "--markdown"]));
    assert!(text.contains("| `proc.aname[index]?` | any text | syscall |"), "{text}");
    let text = stdout(&lanner(&["rules", "fields"]));
    let line = text.lines().find(|line| line.starts_with("proc.exec_entered ")).unwrap();
    assert!(line.contains(" syscall ") && line.ends_with(" (ours)"), "{line}");
    let line = text.lines().find(|line| line.starts_with("evt.cpu ")).unwrap();
    assert!(line.contains(" nobody yet "), "{line}");
    let json = lanner(&["rules", "fields", "--json"]);
    let fields: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).unwrap();
    let groups = fields.iter().find(|field| field["name"] == "ka.user.groups").unwrap();
    assert_eq!(groups["shape"], "list");
    assert_eq!(groups["filled_by"], serde_json::json!(["k8s_audit"]));
    assert_eq!(lanner(&["rules", "fields", "--json", "--markdown"]).status.code(), Some(2));
}

#[test]
fn a_field_that_nothing_fills_is_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let rule = RULE.replace("proc.name=cat", "user.shell=cat");
    let rules = write(&dir, "rules.yaml", &rule);
    let check = lanner(&["rules", "check", "--json", &rules]);
    let result: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    let result = &result["falco_load_results"][0];
    assert_eq!(
        (&result["successful"], &result["warnings"][0]["code"]),
        (&true.into(), &"LOAD_UNFILLED_FIELD".into(),)
    );
    assert_eq!(check.status.code(), Some(0));
}
