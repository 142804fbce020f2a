//! What a person sees who wrote a wrong configuration.

use std::path::Path;

use expect_test::{Expect, expect};
use lanner_service::config;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    servers: Vec<String>,
    #[serde(default)]
    output: Output,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Output {
    #[default]
    Socket,
    Stdout,
}

#[track_caller]
fn check(yaml: &str, expected: Expect) {
    let error = config::parse::<Config>(yaml, Path::new("/etc/lanner/x.yaml")).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn a_typo_is_told_with_its_place_and_the_key_that_was_meant() {
    check(
        "output: stdout\nserver: [a]\n",
        expect![[r#"
        /etc/lanner/x.yaml:2:1: unknown key `server`; did you mean `servers`?
         --> /etc/lanner/x.yaml:2:1
          |
        1 | output: stdout
        2 | server: [a]
          | ^ unknown field `server`, expected one of servers, output"#]],
    );
}

#[test]
fn a_strange_key_is_told_with_the_keys_there_are() {
    check(
        "password: x\n",
        expect![[r#"
        /etc/lanner/x.yaml:1:1: unknown key `password`; known here: servers, output
         --> /etc/lanner/x.yaml:1:1
          |
        1 | password: x
          | ^ unknown field `password`, expected one of servers, output"#]],
    );
}

#[test]
fn a_value_that_was_not_meant() {
    check(
        "output: stdot\n",
        expect![[r#"
        /etc/lanner/x.yaml:1:9: unknown value `stdot`; did you mean `stdout`?
         --> /etc/lanner/x.yaml:1:9
          |
        1 | output: stdot
          |         ^ unknown variant `stdot`, expected one of socket, stdout"#]],
    );
}

#[test]
fn broken_yaml() {
    check(
        "servers: [a\noutput: stdout\n",
        expect![[r#"
            /etc/lanner/x.yaml:2:7: illegal placement of ':' indicator
             --> /etc/lanner/x.yaml:2:7
              |
            1 | servers: [a
            2 | output: stdout
              |       ^ illegal placement of ':' indicator"#]],
    );
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "# nothing\n", "---\n"] {
        let config: Config = config::parse(text, Path::new("x.yaml")).unwrap();
        assert!(config.servers.is_empty());
        assert!(matches!(config.output, Output::Socket));
    }
}
