//! `lanner rules noise` from a log to exceptions that hold.

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value as Json, json};

const RULES: &str = "\
- list: viewers
  items: [cat, less]
- rule: Read secrets
  desc: d
  condition: evt.type=openat and fd.name startswith /etc/ and proc.name in (viewers, tail)
  output: read (file=%fd.name)
  priority: WARNING
- rule: Only cat
  desc: d
  condition: evt.type=openat and proc.name=cat
  output: cat
  priority: NOTICE
";

fn lanner(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanner"));
    command.args(["rules", "noise"]).args(arguments).output().expect("lanner runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn alert(second: usize, rule: &str, message: &str, fields: &Json) -> String {
    json!({
        "hostname": "n",
        "output": format!("13:45:{second:02}.000000001: Warning {message}"),
        "output_fields": fields,
        "priority": "Warning",
        "rule": rule,
        "source": "syscall",
        "tags": [],
        "time": format!("2026-11-21T13:45:{second:02}.000000001Z"),
    })
    .to_string()
}

/// A log: 20 alerts of a backup, 5 of somebody's shell, 3 of another rule, and other lines.
fn log() -> String {
    let mut log = String::from("Nov 21 13:44:59 node systemd[1]: Started falco.\n\n{\"not\": 1}\n");
    for pid in 0..20 {
        let message = format!("read (file=/etc/shadow command=cat /etc/shadow pid={pid})");
        let fields = json!({
            "evt.time": 1, "proc.pid": pid, "proc.name": "cat", "proc.pname": "backup.sh",
            "fd.name": "/etc/shadow", "proc.cmdline": "cat /etc/shadow", "container.id": "host",
        });
        let alert = alert(pid, "Read secrets", &message, &fields);
        log.push_str(&format!("Nov 21 13:45:{pid:02} node falco[812]: {alert}\n"));
    }
    for index in 0..5 {
        let fields = json!({
            "proc.name": "less", "proc.pname": "bash", "fd.name": format!("/etc/pki/{}", index % 2),
            "proc.cmdline": "less", "user.name": Json::Null,
        });
        let message = format!("read (file=/etc/pki/{} command=less)", index % 2);
        let alert = alert(index, "Read secrets", &message, &fields);
        log.push_str(&format!("[pod/falco-x/falco] 2026-11-21T13:45:01.1Z {alert}\n"));
    }
    for index in 0..3 {
        log.push_str(&alert(index, "Only cat", "cat", &json!({"proc.name": "cat"})));
        log.push('\n');
    }
    log
}

struct Scene {
    _dir: tempfile::TempDir,
    alerts: String,
    rules: String,
}

fn scene(log: &str) -> Scene {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("the file can be written");
        path.display().to_string()
    };
    let (alerts, rules) = (write("alerts.log", log), write("rules.yaml", RULES));
    Scene { alerts, rules, _dir: dir }
}

#[test]
fn groups_are_counted_and_ranked() {
    let scene = scene(&log());
    let output = lanner(&[&scene.alerts]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    expect_test::expect![[r#"
        28 alerts in 3 groups, 2 other lines that are no alerts

        1. 20 (71.4%)  Read secrets  Warning
           read (file=/etc/shadow command=cat /etc/shadow pid=<n>)
           from 2026-11-21 13:45:00Z to 2026-11-21 13:45:19Z
           for example: read (file=/etc/shadow command=cat /etc/shadow pid=0)
           always: container.id=host evt.time=1 fd.name=/etc/shadow proc.cmdline="cat /etc/shadow" proc.name=cat proc.pname=backup.sh
           varies: proc.pid (20)

        2. 5 (17.8%)  Read secrets  Warning
           read (file=/etc/pki/<n> command=less)
           from 2026-11-21 13:45:00Z to 2026-11-21 13:45:04Z
           for example: read (file=/etc/pki/0 command=less)
           always: proc.cmdline=less proc.name=less proc.pname=bash
           varies: fd.name (2)

        3. 3 (10.7%)  Only cat  Warning
           cat
           from 2026-11-21 13:45:00Z to 2026-11-21 13:45:02Z
           for example: cat
           always: proc.name=cat
    "#]]
    .assert_eq(&text);
    let json: Json = serde_json::from_slice(&lanner(&[&scene.alerts, "--json"]).stdout).unwrap();
    assert_eq!((&json["alerts"], &json["foreign_lines"]), (&json!(28), &json!(2)));
    assert_eq!(json["groups"][1]["varying"]["fd.name"]["values"], 2);
    assert_eq!(json["groups"][1]["percent"], 17.8);
}

#[test]
fn accepted_groups_become_exceptions_that_hold() {
    let scene = scene(&log());
    let output = lanner(&[&scene.alerts, "--rules", &scene.rules, "--accept", "1,2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let file = stdout(&output);
    expect_test::expect![[r#"
        # Exceptions for alerts that were accepted as noise. Load this file after the rules.
        - rule: Read secrets
          exceptions:
            # 20 alerts: read (file=/etc/shadow command=cat /etc/shadow pid=<n>)
            - name: container_id_proc_name_proc_pname_proc_cmdline_fd_name
              fields: [container.id, proc.name, proc.pname, proc.cmdline, fd.name]
              comps: ['=', '=', '=', '=', '=']
              values:
                - [host, cat, backup.sh, '"cat /etc/shadow"', /etc/shadow]
            # 5 alerts: read (file=/etc/pki/<n> command=less)
            - name: proc_name_proc_pname_proc_cmdline
              fields: [proc.name, proc.pname, proc.cmdline]
              comps: ['=', '=', '=']
              values:
                - [less, bash, less]
          override:
            exceptions: append
    "#]]
    .assert_eq(&file);
    let told = stderr(&output);
    assert!(told.starts_with("Read secrets: 25 alerts before, 0 after\n"), "{told}");
    assert!(told.contains("look at it again"), "{told}");

    // What was written is a rules file like any other.
    let exceptions = format!("{}.exceptions.yaml", scene.rules);
    fs::write(&exceptions, file).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_lanner"));
    let check = check.args(["rules", "check", &scene.rules, &exceptions]).output().unwrap();
    assert!(stdout(&check).ends_with("exceptions.yaml: Ok\n"), "{}", stdout(&check));
}

#[test]
fn fields_by_hand_and_what_they_take_with_them() {
    let scene = scene(&log());
    let run = |accept: &str, fields: &str| {
        let arguments = [&scene.alerts, "--json", "--rules", &scene.rules, "--accept", accept];
        let output = lanner(&[&arguments[..], &["--fields", fields]].concat());
        (output.status.code(), serde_json::from_slice::<Json>(&output.stdout).unwrap_or_default())
    };
    let (code, json) = run("2", "fd.name");
    let outcome = json!({"rule": "Read secrets", "before": 25, "after": 20, "not_judged": 0, "not_accepted": 0});
    assert_eq!((code, &json["tuned"]["rules"]), (Some(0), &json!([outcome])));
    let file = json["tuned"]["exceptions"].as_str().unwrap();
    assert!(file.contains("- [/etc/pki/0]\n        - [/etc/pki/1]\n"), "{file}");

    // Of the alerts of the second group nobody can tell.
    let (code, json) = run("1", "container.id");
    assert_eq!(code, Some(0));
    assert_eq!(json["tuned"]["rules"][0]["not_judged"], 5);

    // The third group's rule asks for nothing else.
    let (code, json) = run("3", "proc.name");
    assert_eq!((code, &json["tuned"]["exceptions"]), (Some(1), &Json::Null));
    let reason = json["tuned"]["refused"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("silence the whole rule"), "{reason}");

    // An alert that was not accepted goes with it.
    let text = format!("{}{}\n", log(), {
        let fields = json!({"proc.name": "cat", "fd.name": "/etc/shadow", "proc.pname": "nc"});
        alert(1, "Read secrets", "read by a thief", &fields)
    });
    fs::write(&scene.alerts, text).unwrap();
    let (_, json) = run("1", "proc.name,fd.name");
    assert_eq!(json["tuned"]["rules"][0]["not_accepted"], 1);
}

#[test]
fn standard_input_is_read_once() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanner"));
    let mut child = command
        .args(["rules", "noise", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(log().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(stdout(&output).starts_with("28 alerts in 3 groups"), "{}", stdout(&output));

    let output = lanner(&["-", "--rules", "x", "--accept", "1"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn wrong_use_and_bad_input() {
    let scene = scene("Nov 21 13:44:59 node systemd[1]: Started falco.\n");
    let [alerts, rules] = [scene.alerts.as_str(), scene.rules.as_str()];
    for (arguments, code) in [
        (vec![alerts], 1),
        (vec!["/nowhere"], 1),
        (vec![alerts, "--rules", rules, "--accept", "1"], 1),
        (vec![alerts, "--accept", "1"], 2),
        (vec![alerts, "--rules", rules], 2),
        (vec![alerts, "--rules", rules, "--accept", "0"], 2),
        (vec![alerts, "--fields", "proc.name"], 2),
        (vec![], 2),
    ] {
        let output = lanner(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn hostile_alerts_reach_neither_terminal_nor_rule() {
    let value = "\u{1b}[2J x, viewers or proc.name exists)) #\n- rule: y";
    let fields = json!({"proc.name": "cat", "proc.cmdline": value, "proc.pname": "sh"});
    let log = alert(1, "Read secrets", &format!("read {value}"), &fields);
    let scene = scene(&log);
    let output = lanner(&[&scene.alerts]);
    assert!(!output.stdout.contains(&0x1b), "{}", stdout(&output));
    let output = lanner(&[&scene.alerts, "--rules", &scene.rules, "--accept", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!output.stdout.contains(&0x1b), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 alert before, 0 after"), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().filter(|line| line.starts_with("- rule:")).count(), 1, "{text}");
}

#[test]
fn audit_alerts_are_tuned_alike() {
    let fields = json!({
        "ka.user.name": "system:serviceaccount:ci:deployer", "ka.verb": "create",
        "ka.target.resource": "pods/exec", "ka.target.namespace": "ci", "jevt.rawtime": 7,
        "ka.uri.param[command]": "sh",
    });
    let log: String = (0..3)
        .map(|second| {
            alert(second, "Exec", "exec by deployer", &fields).replace("syscall", "k8s_audit")
                + "\n"
        })
        .collect();
    let scene = scene(&log);
    let rule = "- rule: Exec\n  desc: d\n  condition: ka.verb=create and ka.target.resource=pods/exec\n  \
                output: exec by %ka.user.name\n  priority: NOTICE\n  source: k8s_audit\n";
    fs::write(&scene.rules, rule).unwrap();
    let run = |fields: &[&str]| {
        let arguments = [&scene.alerts, "--rules", &scene.rules, "--accept", "1"];
        lanner(&[&arguments[..], fields].concat())
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let row = "- [ci, 'system:serviceaccount:ci:deployer', create, pods/exec]\n";
    assert!(stdout(&output).contains(row), "{}", stdout(&output));
    assert!(stderr(&output).contains("3 alerts before, 0 after"), "{}", stderr(&output));

    let output = run(&["--fields", "ka.verb,ka.target.resource"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("silence the whole rule"), "{}", stderr(&output));
}
