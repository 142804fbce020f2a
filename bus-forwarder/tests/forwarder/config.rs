use std::path::Path;

use expect_test::{Expect, expect};
use lanner_bus_forwarder::Config;

const EXAMPLE: &str = include_str!("../../forwarder.yaml");

fn parse(text: &str) -> Result<Config, lanner_service::config::ConfigError> {
    lanner_service::config::parse(text, Path::new("forwarder.yaml"))
}

#[track_caller]
fn check_refused(text: &str, expected: Expect) {
    let error = match parse(text) {
        Err(error) => error.to_string(),
        Ok(config) => format!("{:#}", config.check().unwrap_err()),
    };
    expected.assert_eq(&error);
}

#[test]
fn the_example_names_every_key() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.node().unwrap(), "ip-10-0-0-7.eu-west-1.compute.internal");
    assert_eq!(config.inputs.pipe.unwrap().mode, 0o600);

    // With each commented default set, it says the same.
    let keys = [
        "subject_root:",
        "name:",
        "uids:",
        "mode:",
        "stdin:",
        "http:",
        "listen:",
        "tls:",
        "cert_file:",
        "key_file:",
        "client_ca_file:",
        "allow_plain_text:",
        "custom_fields:",
        "custom_tags:",
        "redact:",
        "defaults:",
        "hash_key_file:",
        "rules:",
        "bad_inputs:",
        "spool:",
        "dir:",
        "size_bytes_max:",
        "durability:",
        "sync_interval_seconds:",
        "stop_seconds_max:",
    ];
    let uncommented: Vec<String> = EXAMPLE
        .lines()
        .map(|line| match line.split_once("# ") {
            Some((indent, rest))
                if indent.trim().is_empty()
                    && keys.iter().any(|key| rest.trim_start().starts_with(key)) =>
            {
                format!("{indent}{rest}")
            }
            _ => line.to_owned(),
        })
        .collect();
    let text = uncommented.join("\n");
    for key in keys {
        assert!(text.lines().any(|line| line.trim_start().starts_with(key)), "{key} is not shown");
    }
    let all = parse(&text).unwrap();
    assert_eq!(all.stop_seconds_max, config.stop_seconds_max);
    assert_eq!(all.spool.dir, config.spool.dir);
    assert_eq!(all.spool.size_bytes_max, config.spool.size_bytes_max);
    assert_eq!(all.spool.durability, config.spool.durability);
    assert_eq!(all.spool.sync_interval_seconds, config.spool.sync_interval_seconds);
    assert_eq!(all.subject_root, config.subject_root);
}

#[test]
fn a_typo_is_named_with_its_place() {
    check_refused(
        "bus: {servers: ['nats://localhost'], cert_fil: x, insecure_for_tests: true}\ninputs: {stdin: true}\n",
        expect![[r#"
            forwarder.yaml:1:38: unknown key `cert_fil`; did you mean `cert_file`?
             --> forwarder.yaml:1:38
              |
            1 | bus: {servers: ['nats://localhost'], cert_fil: x, insecure_for_tests: true}
              |                                      ^ unknown field `cert_fil`, expected one of servers, ca_file, cert_file, key_file, creds_file, name, insecure_for_tests
            2 | inputs: {stdin: true}
              |"#]],
    );
}

#[test]
fn what_cannot_work_is_told_with_its_key() {
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {}\n",
        expect!["inputs: name at least one of socket, pipe, stdin, http"],
    );
    check_refused(
        "bus: {servers: ['nats://10.0.0.1']}\ninputs: {stdin: true}\n",
        expect![
            "bus: servers: nats://10.0.0.1 would be without TLS; write tls:// instead of nats://, which is for tests on loopback that say insecure_for_tests"
        ],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {socket: {path: run/x.sock}}\n",
        expect!["inputs.socket.path: not an absolute path"],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {http: {listen: '0.0.0.0:2801'}}\n",
        expect![
            "inputs.http: listen: 0.0.0.0:2801 is not loopback and would be without TLS; set tls, or allow_plain_text: true"
        ],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\ncustom_fields: {env: '%LANNER_NOT_SET'}\n",
        expect![
            "custom_fields.env: %LANNER_NOT_SET is a variable of the environment, and not set; %% begins a percent sign: environment variable not found"
        ],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\nbad_inputs: {dir: bad}\n",
        expect!["bad_inputs.dir: not an absolute path"],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\nredact: {rules: [{fields: [x], with: hash}]}\n",
        expect!["redact.rules[0]: with: hash needs redact.hash_key_file"],
    );
    check_refused(
        "bus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {pipe: {path: /run/x, mode: '0888'}}\n",
        expect![[r#"
            forwarder.yaml:2:37: expected permissions in octal, such as "0620"
             --> forwarder.yaml:2:37
              |
            1 | bus: {servers: ['nats://localhost'], insecure_for_tests: true}
            2 | inputs: {pipe: {path: /run/x, mode: '0888'}}
              |                                     ^ expected permissions in octal, such as "0620""#]],
    );
    check_refused(
        "spool: {size_bytes_max: 1000}\nbus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\n",
        expect!["spool.size_bytes_max: less than 1048576"],
    );
    check_refused(
        "spool: {dir: spool}\nbus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\n",
        expect!["spool.dir: not an absolute path"],
    );
    check_refused(
        "node: ''\nbus: {servers: ['nats://localhost'], insecure_for_tests: true}\ninputs: {stdin: true}\n",
        expect!["node: not 1 to 253 bytes long"],
    );
}
