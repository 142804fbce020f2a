//! Secrets in alerts: what goes, and what has to stay.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::LazyLock};

use lanner_alert::{Alert, FalcoInput};
use lanner_bus_forwarder::{RedactionConfig, Redactor};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

fn config(yaml: &str) -> RedactionConfig {
    lanner_service::config::parse(yaml, Path::new("forwarder.yaml")).unwrap()
}

fn redactor(yaml: &str) -> Redactor {
    Redactor::new(&config(yaml)).unwrap()
}

fn alert(output: &str, fields: Value) -> Alert {
    let falco = json!({
        "rule": "password=rule", "priority": "error", "time": "2026-11-21T00:00:00Z",
        "hostname": "token=host", "tags": ["secret_key=tag"], "source": "syscall",
        "output": output, "output_fields": fields,
    });
    let input = FalcoInput { node: "password=node".to_owned(), cluster: None };
    input.read(falco.to_string().as_bytes()).unwrap()
}

/// Made once: to compile the patterns takes longer than all cases.
static DEFAULTS: LazyLock<Redactor> = LazyLock::new(|| redactor("{}"));

/// The alert after redaction, and whether it says that there was something.
fn redact(redactor: &Redactor, mut alert: Alert) -> (Alert, bool) {
    let before = alert.clone();
    let json = alert.to_json().unwrap();
    let changed = redactor.redact(&mut alert, &json);
    assert_eq!(changed, alert != before);
    let kept = |alert: &Alert| {
        let Alert { rule, priority, tags, time, node, hostname, entity, id, .. } = alert.clone();
        (rule, priority, tags, time, node, hostname, entity, id)
    };
    assert_eq!(kept(&alert), kept(&before));
    (alert, changed)
}

#[derive(Deserialize)]
struct Cases {
    masked: Vec<String>,
    left: Vec<String>,
}

fn cases() -> Cases {
    let text = include_str!("redaction.yaml");
    lanner_service::config::parse(text, Path::new("redaction.yaml")).unwrap()
}

/// The case as a process has it, and as it must arrive.
fn before_and_after(case: &str) -> (String, String) {
    let mut after = String::new();
    let mut rest = case;
    while let Some((before, from)) = rest.split_once('«') {
        let (_secret, behind) = from.split_once('»').unwrap();
        after = after + before + "[redacted]";
        rest = behind;
    }
    (case.replace(['«', '»'], ""), after + rest)
}

#[test]
fn the_defaults_mask_what_is_secret_and_leave_what_is_not() {
    let redactor = &*DEFAULTS;
    for case in cases().masked {
        let (before, after) = before_and_after(&case);
        assert_ne!(before, after);
        assert_eq!(redactor.redact_text(&before), after);
        // Idempotent, so that an alert may pass two forwarders.
        assert_eq!(redactor.redact_text(&after), after);
    }
    for case in cases().left {
        assert_eq!(redactor.redact_text(&case), case);
    }
}

#[test]
fn every_text_of_an_alert_is_looked_at_and_what_changed_is_named() {
    for case in cases().masked {
        let (before, after) = before_and_after(&case);
        let fields = json!({"a": before, "deep": {"list": [1, before]}, "n": 7, "clean": "x y"});
        let (mut alert, changed) = redact(&DEFAULTS, alert(&before, fields));
        assert!(changed);
        let told = alert.output_fields.remove("lanner.redacted").unwrap();
        assert_eq!(told, json!(["a", "deep", "output"]));
        assert_eq!(alert.output, after);
        let fields = json!({"a": after, "deep": {"list": [1, after]}, "n": 7, "clean": "x y"});
        assert_eq!(Value::from(alert.output_fields), fields);
    }
}

#[test]
fn an_alert_without_a_secret_stays_as_it_is() {
    for case in cases().left {
        let fields = json!({"proc.cmdline": case});
        assert!(!redact(&DEFAULTS, alert(&case, fields)).1, "{case}");
    }
}

#[test]
fn arguments_are_read_with_their_program_and_the_message_follows() {
    let fields = json!({"proc.name": "mysql", "proc.args": "-u root -phunter2 shop"});
    let before = alert("args=-u root -phunter2 shop by x", fields.clone());
    let (alert, _) = redact(&DEFAULTS, before);
    assert_eq!(alert.output_fields["proc.args"], "-u root -p[redacted] shop");
    assert_eq!(alert.output, "args=-u root -p[redacted] shop by x");

    // Nothing is hidden but what the pattern says.
    let sly = json!({"proc.cmdline": "x --password=/etc/shadow", "fd.name": "/etc/shadow"});
    let (alert, _) = redact(&DEFAULTS, self::alert("file=/etc/shadow", sly));
    assert_eq!(
        (alert.output.as_str(), &alert.output_fields["fd.name"]),
        ("file=/etc/shadow", &json!("/etc/shadow"))
    );
}

#[test]
fn rules_name_fields_and_patterns_and_come_before_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    fs::write(&key_file, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let redactor = redactor(&format!(
        r#"
hash_key_file: {}
rules:
  - {{fields: [user.email], with: hash}}
  - {{fields: ["proc.env*", user.loginuid], with: drop}}
  - {{fields: [fd.name], with: mask}}
  - {{pattern: 'card=(\d+)', with: drop}}
  - {{fields: [proc.cmdline], pattern: '--password=(\S+)', with: hash}}
"#,
        key_file.display()
    ));
    let fields = json!({
        "user.email": "a@b.c", "proc.env": "A=1", "proc.env[x]": ["B=2"], "user.loginuid": 1000,
        "fd.name": "/home/a", "other": "card=4111 x", "proc.cmdline": "x --password=hunter2",
        "proc.aname": "x --password=hunter2", "null": null, "user.name": "root",
    });
    let (alert, _) = redact(&redactor, alert("a@b.c did /home/a with A=1 1000 card=4111", fields));
    let fields = &alert.output_fields;
    assert_eq!(
        (&fields["fd.name"], &fields["other"], &fields["proc.aname"]),
        (&json!("[redacted]"), &json!("card= x"), &json!("x --password=[redacted]"))
    );
    for gone in ["proc.env", "proc.env[x]", "user.loginuid"] {
        assert!(!fields.contains_key(gone), "{gone}");
    }
    assert!(fields["proc.cmdline"].as_str().unwrap().starts_with("x --password=[hmac:"));
    assert_eq!(fields["user.name"], "root");
    let hashed = fields["user.email"].as_str().unwrap();
    assert_eq!(alert.output, format!("{hashed} did [redacted] with A=1  card="));
}

#[test]
fn a_hash_is_the_same_for_the_same_secret_and_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let hash = |key: &str, secret: &str| {
        let key_file = dir.path().join("key");
        fs::write(&key_file, key.repeat(32)).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
        let yaml = format!(
            "{{hash_key_file: {}, rules: [{{fields: [f], with: hash}}]}}",
            key_file.display()
        );
        let (alert, _) = redact(&redactor(&yaml), alert("o", json!({"f": secret})));
        alert.output_fields["f"].as_str().unwrap().to_owned()
    };
    // printf secret | openssl dgst -sha256 -hmac "$(printf 'k%.0s' {1..32})"
    assert_eq!(hash("k", "secret"), "[hmac:ead256ccb47a97d5f4efd6f4da905f03]");
    assert_ne!(hash("k", "secret"), hash("k", "secret2"));
    assert_ne!(hash("k", "secret"), hash("l", "secret"));
}

#[test]
fn defaults_can_be_turned_off() {
    let before = alert("--password=x", json!({}));
    assert!(!redact(&redactor("defaults: false"), before).1);
}

#[track_caller]
fn check_refused(yaml: &str, expected: &str) {
    let error = format!("{:#}", Redactor::new(&config(yaml)).unwrap_err());
    assert!(error.contains(expected), "{error:?} does not tell {expected:?}");
}

#[test]
fn what_cannot_work_is_told_with_its_key() {
    check_refused("rules: [{with: mask}]", "redact.rules[0]: names neither fields nor a pattern");
    check_refused("rules: [{pattern: '(', with: mask}]", "redact.rules[0]: pattern: regex parse");
    check_refused("rules: [{pattern: 'x*', with: mask}]", "matches the empty text");
    check_refused(r"rules: [{pattern: '\w{3000}', with: mask}]", "size limit");
    check_refused("rules: [{pattern: x, with: hash}]", "with: hash needs redact.hash_key_file");
    check_refused("hash_key_file: /no/such/file", "redact.hash_key_file: cannot read");
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    fs::write(&key_file, "short").unwrap();
    let yaml = format!("hash_key_file: {}", key_file.display());
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    check_refused(&yaml, "can be read or changed by others");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    check_refused(&yaml, "holds less than 32 bytes");
}

proptest! {
    #[test]
    fn whatever_is_in_it_no_secret_stays_and_no_alert_is_broken(
        before in "[a-z ]{0,20}", secret in "[A-Z0-9!#$%^&*+/=?_|~.:,;-]{8,40}x", after in "( [a-z ]{0,20})?",
        noise in any::<String>(),
    ) {
        let text = format!("{before} --password={secret}{after}");
        let fields = json!({"proc.cmdline": text, "noise": noise, "fd.name": "/etc/shadow"});
        let (alert, changed) = redact(&DEFAULTS, alert(&format!("{noise} {text}"), fields));
        prop_assert!(changed);
        let json = alert.to_json().unwrap();
        prop_assert!(!String::from_utf8_lossy(&json).contains(&secret), "{:?}", alert);
        prop_assert_eq!(&Alert::from_json(&json).unwrap(), &alert);
        prop_assert_eq!(&alert.output_fields["fd.name"], "/etc/shadow");
    }
}
