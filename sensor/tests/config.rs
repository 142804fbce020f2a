//! The configuration file: the example, and what people get wrong.

use std::path::Path;

use expect_test::{Expect, expect};
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
        "rules: [/r]\noutputs:\n  sockt: {}\n",
        expect![[r#"
            sensor.yaml:3:3: unknown key `sockt`; did you mean `socket`?
             --> sensor.yaml:3:3
              |
            1 | rules: [/r]
            2 | outputs:
            3 |   sockt: {}
              |   ^ unknown field `sockt`, expected one of socket, stdout, file, syslog, fifo"#]],
    );
}

#[test]
fn a_sensor_that_tells_nobody_is_refused() {
    check_refused(
        "rules: [/r]\n",
        expect!["outputs: name at least one of socket, stdout, file, syslog, fifo (`stdout: {}`)"],
    );
    check_refused("outputs: { stdout: {} }\n", expect!["rules: name at least one file or folder"]);
    check_refused(
        "rules: [/r]\noutputs: { stdout: {} }\nebpf: { ring_size_bytes: 100000 }\n",
        expect!["ebpf.ring_size_bytes: 100000 is not a power of two of at least 65536"],
    );
}
