//! The configuration file: the example, and what people get wrong.

use std::path::Path;

use expect_test::{Expect, expect};
use lanner_engine::{AppendOutput, ExtraField, Matching, Priority, Selection, Selector};
use lanner_sensor::config::Config;
use lanner_service::config;

#[test]
fn the_example_is_usable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sensor.yaml");
    let config: Config = config::load(&path).unwrap();
    config.check().unwrap();
    assert!(config.outputs.socket.is_some());
    assert!(config.outputs.file.is_none());
}

#[track_caller]
fn check_refused(yaml: &str, expected: Expect) {
    let parsed = config::parse::<Config>(yaml, Path::new("sensor.yaml"));
    let text = match parsed {
        Err(error) => error.to_string(),
        Ok(config) => config.check().unwrap_err().to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_typo_is_named_with_its_place() {
    check_refused(
        "rules_files: [/r]\noutputs:\n  sockt: {}\n",
        expect![[r#"
            sensor.yaml:3:3: unknown key `sockt`; did you mean `socket`?
             --> sensor.yaml:3:3
              |
            1 | rules_files: [/r]
            2 | outputs:
            3 |   sockt: {}
              |   ^ unknown field `sockt`, expected one of socket, stdout, file, syslog, fifo"#]],
    );
}

#[test]
fn a_sensor_that_tells_nobody_is_refused() {
    check_refused(
        "rules_files: [/r]\n",
        expect!["outputs: name at least one of socket, stdout, file, syslog, fifo (`stdout: {}`)"],
    );
    check_refused(
        "outputs: { stdout: {} }\n",
        expect!["rules_files: name at least one file or folder"],
    );
    check_refused(
        "rules_files: [/r]\noutputs: { stdout: {} }\nebpf: { ring_size_bytes: 100000 }\n",
        expect!["ebpf.ring_size_bytes: 100000 is not a power of two of at least 65536"],
    );
}

#[test]
fn rules_are_chosen_as_in_falco_yaml() {
    // As people have it in falco.yaml.
    let yaml = "
rules_files:
  - /etc/falco/falco_rules.yaml
rules:
  - disable:
      rule: \"*\"
  - enable:
      rule: Netcat Remote Code Execution in Container
      tag: network
rule_matching: first
priority: info
append_output:
  - suggested_output: true
  - match:
      source: syscall
      tags: [persistence]
      rule: some rule name
    extra_output: \"on CPU %evt.cpu\"
    extra_fields:
      - home: \"static %evt.num\"
      - evt.hostname
outputs: {stdout: {}}
";
    let config: Config = config::parse(yaml, Path::new("sensor.yaml")).unwrap();
    config.check().unwrap();
    let options = config.rule_options();
    let rule = |name: &str| Selector::Rule(name.to_owned());
    assert_eq!(
        options.selections,
        [
            Selection { enable: false, which: rule("*") },
            Selection { enable: true, which: rule("Netcat Remote Code Execution in Container") },
            Selection { enable: true, which: Selector::Tag("network".to_owned()) },
        ]
    );
    assert_eq!(options.matching, Matching::First);
    assert_eq!(options.min_priority, Some(Priority::Informational));
    let text = |text: &str| text.to_owned();
    assert_eq!(
        options.append_output,
        [
            AppendOutput { suggested_output: true, ..AppendOutput::default() },
            AppendOutput {
                source: Some(text("syscall")),
                rule: Some(text("some rule name")),
                tags: [text("persistence")].into(),
                extra_output: Some(text("on CPU %evt.cpu")),
                extra_fields: vec![
                    ExtraField::Text(text("home"), text("static %evt.num")),
                    ExtraField::Field(text("evt.hostname")),
                ],
                suggested_output: false,
            },
        ]
    );
    let unset: Config =
        config::parse("rules_files: [/r]\noutputs: {stdout: {}}\n", Path::new("s")).unwrap();
    let options = unset.rule_options();
    assert_eq!(options.matching, Matching::All);
    assert_eq!((options.min_priority, options.selections.len()), (None, 0));
    assert!(options.append_output.is_empty());
}

/// The first line of what is said about settings of rules.
#[track_caller]
fn check_rules_refused(yaml: &str, expected: &str) {
    let error = config::parse::<Config>(yaml, Path::new("sensor.yaml")).unwrap_err().to_string();
    assert_eq!(error.lines().next(), Some(expected), "{error}");
}

#[test]
fn settings_of_rules_that_make_no_sense_are_refused() {
    for (yaml, expected) in [
        (
            "outputs: {}\nrules: [/etc/lanner/rules]\n",
            "sensor.yaml:2:9: rules turns rules on and off; write files and folders under \
             rules_files: `rules_files: [/etc/lanner/rules]`",
        ),
        (
            "rules:\n  - enable: {name: x}\n",
            "sensor.yaml:2:14: unknown key `name`; known here: rule, tag",
        ),
        ("rules: [{enable: {}}]\n", "sensor.yaml:1:9: say which rules: `rule: NAME` or `tag: TAG`"),
        (
            "rules: [{enable: {tag: a}, disable: {tag: b}}]\n",
            "sensor.yaml:1:9: write one of `enable` and `disable`",
        ),
        (
            "rules: [{disabled: {tag: a}}]\n",
            "sensor.yaml:1:10: unknown key `disabled`; did you mean `disable`?",
        ),
        ("rule_matching: frst\n", "sensor.yaml:1:16: unknown value `frst`; did you mean `first`?"),
        (
            "priority: high\n",
            "sensor.yaml:1:11: invalid priority 'high': use one of Emergency, Alert, Critical, \
             Error, Warning, Notice, Informational, Debug",
        ),
        (
            "append_output: [{extra_fields: [{a: b, c: d}]}]\n",
            "sensor.yaml:1:33: write one `name: format` for each `-`",
        ),
        (
            "append_output: [{match: {tag: [x]}}]\n",
            "sensor.yaml:1:26: unknown key `tag`; did you mean `tags`?",
        ),
    ] {
        check_rules_refused(yaml, expected);
    }
}
