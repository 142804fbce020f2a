//! The shipped rules pass their tests, and the commands answer as scripts rely on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn lanner(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanner"));
    command.args(arguments).output().expect("lanner runs")
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
fn the_shipped_rules_are_good_and_pass_their_tests() {
    let rules = shipped("lanner_rules.yaml").display().to_string();
    let check = lanner(&["rules", "check", &rules]);
    assert_eq!(stdout(&check), format!("{rules}: Ok\n"));
    assert_eq!(check.status.code(), Some(0));

    let test = lanner(&["rules", "test", &shipped("").display().to_string()]);
    assert!(test.status.success(), "{}", stdout(&test));
    assert!(stdout(&test).ends_with(" passed, 0 failed\n"), "{}", stdout(&test));
}

#[test]
fn every_shipped_rule_is_expected_by_a_test() {
    let described = lanner(&[
        "rules",
        "describe",
        "--json",
        &shipped("lanner_rules.yaml").display().to_string(),
    ]);
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).unwrap();
    let tests: String = fs::read_dir(shipped("tests"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for rule in described["rules"].as_array().unwrap() {
        let name = rule["name"].as_str().unwrap();
        assert!(tests.contains(name), "no test expects {name}");
    }
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
    assert!(
        text.contains("  FAILED  a dog\n          - Dog\n          + Cat (Notice): cat by root\n"),
        "{text}"
    );
    assert!(text.ends_with("0 passed, 1 failed\n"), "{text}");

    write(&dir, "dog.test.yaml", &suite.replace("proc.name", "proc.nmae"));
    let text = stdout(&lanner(&["rules", "test", &dir.path().display().to_string()]));
    assert!(text.contains("key 'proc.nmae' is not a field"), "{text}");

    write(&dir, "dog.test.yaml", &suite.replace("expect:", "expects:"));
    let output = lanner(&["rules", "test", &dir.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
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
fn filters_are_checked_and_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let event = write(&dir, "event.json", "{\"proc.name\":\"cat\"}");
    let eval = |expr: &str| stdout(&lanner(&["filter", "eval", expr, "--event", &event]));
    assert_eq!(eval("proc.name = cat"), "true\n");
    assert_eq!(eval("proc.name != cat"), "false\n");
    for (arguments, code) in [
        (&["filter", "check", "proc.name = cat"][..], 0),
        (&["filter", "check", "proc.nmae = cat"], 1),
        (&["filter", "check", "some_macro"], 1),
        (&["filter", "check", "--syntax", "some_macro and un.known = x"], 0),
        (&["filter", "check", "--syntax", "and"], 1),
        (&["filter", "check"], 2),
        (&["filter"], 2),
    ] {
        assert_eq!(lanner(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn fields_are_listed() {
    let text = stdout(&lanner(&["rules", "fields", "--markdown"]));
    assert!(text.contains("| `proc.aname[index]?` | any text |"), "{text}");
}
