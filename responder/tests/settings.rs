//! `lanner-responder check`, `doctor` and `version`, and what is wrong with settings.

use std::{fs, path::Path, process::Command};

use expect_test::{Expect, expect};

const GOOD_PLAYBOOK: &str = r#"playbook(#{ name: "p", owner: "o", needs: [], when: #{ rules: ["r"] } });
fn respond(alert) {}
"#;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("playbooks")).unwrap();
        fs::write(dir.path().join("playbooks/p.rhai"), GOOD_PLAYBOOK).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a subcommand on these settings; gives the exit code and what was printed.
    fn run(&self, subcommand: &str, settings: &str) -> (i32, String) {
        fs::write(self.path().join("responder.yaml"), settings).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_lanner-responder"))
            .args([subcommand, "--config", "responder.yaml"])
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let printed = text(&output.stdout) + text(&output.stderr).as_str();
        (output.status.code().unwrap(), printed.trim_end().to_owned())
    }
}

const BUS: &str =
    "bus: { servers: [nats://127.0.0.1:1], insecure_for_tests: true }\nplaybooks: [playbooks]\n";

#[track_caller]
fn check(settings: &str, code: i32, expected: Expect) {
    let (exit, printed) = Place::new().run("check", settings);
    expected.assert_eq(&printed);
    assert_eq!(exit, code);
}

#[test]
fn good_settings() {
    check(BUS, 0, expect!["responder.yaml: ok"]);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_its_cure() {
    check(
        &format!("{BUS}mod: enforce\n"),
        1,
        expect![[r#"
            lanner-responder: responder.yaml:3:1: unknown key `mod`; did you mean `mode`?
             --> responder.yaml:3:1
              |
            1 | bus: { servers: [nats://127.0.0.1:1], insecure_for_tests: true }
            2 | playbooks: [playbooks]
            3 | mod: enforce
              | ^ unknown field `mod`, expected one of bus, subject_root, restricted_tags, cluster, mode, playbooks, protected_namespaces, gateways, alert_age_max, lease, kubeconfig"#]],
    );
    check(
        &format!("{BUS}mode: enforced\n"),
        1,
        expect![[r#"
        lanner-responder: responder.yaml:3:7: unknown value `enforced`; did you mean `enforce`?
         --> responder.yaml:3:7
          |
        1 | bus: { servers: [nats://127.0.0.1:1], insecure_for_tests: true }
        2 | playbooks: [playbooks]
        3 | mode: enforced
          |       ^ unknown variant `enforced`, expected one of observe, enforce"#]],
    );
    check(
        "bus: { server: [x] }\nplaybooks: []\n",
        1,
        expect![[r#"
        lanner-responder: responder.yaml:1:8: unknown key `server`; did you mean `servers`?
         --> responder.yaml:1:8
          |
        1 | bus: { server: [x] }
          |        ^ unknown field `server`, expected one of servers, ca_file, cert_file, key_file, creds_file, name, insecure_for_tests
        2 | playbooks: []
          |"#]],
    );
}

#[test]
fn values_that_cannot_work() {
    check(
        "bus: { servers: [nats://127.0.0.1:1], insecure_for_tests: true }\nplaybooks: []\n",
        1,
        expect![
            "lanner-responder: playbooks: name at least one folder; without playbooks nothing is responded to"
        ],
    );
    check(
        "bus: { servers: [nats://10.0.0.1:1] }\nplaybooks: [playbooks]\n",
        1,
        expect![
            "lanner-responder: servers: nats://10.0.0.1:1 would be without TLS; write tls:// instead of nats://, which is for tests on loopback that say insecure_for_tests"
        ],
    );
    check(
        &format!("{BUS}alert_age_max: soon\n"),
        1,
        expect![[r#"
        lanner-responder: responder.yaml:3:16: failed to parse input in the "friendly" duration format: expected duration to start with a unit value (a decimal integer) after an optional sign, but no integer was found
         --> responder.yaml:3:16
          |
        1 | bus: { servers: [nats://127.0.0.1:1], insecure_for_tests: true }
        2 | playbooks: [playbooks]
        3 | alert_age_max: soon
          |                ^ failed to parse input in the "friendly" duration format: expected duration to start with a unit value (a decimal integer) after an optional sign, but no integer was found"#]],
    );
    check(
        &format!("{BUS}lease: 1s\n"),
        1,
        expect!["lanner-responder: lease: 1s is not between 3s and 1h"],
    );
}

#[test]
fn a_bad_playbook_fails_the_check() {
    let place = Place::new();
    fs::write(place.path().join("playbooks/q.rhai"), "fn respond(alert) { nope() }").unwrap();
    let (code, printed) = place.run("check", BUS);
    expect!["lanner-responder: q.rhai: no playbook(#{ ... }) in this file"].assert_eq(&printed);
    assert_eq!(code, 1);
}

#[test]
fn doctor_says_what_is_missing() {
    let place = Place::new();
    fs::write(place.path().join("playbooks/q.rhai"), "fn (").unwrap();
    let (code, printed) = place.run("doctor", &format!("{BUS}kubeconfig: none.yaml\n"));
    assert_eq!(code, 1);
    for part in [
        "ok       playbook p (p.rhai)",
        "missing  playbook file q.rhai: q.rhai:1:4: ",
        "FATAL    bus nats://127.0.0.1:1: cannot connect to nats://127.0.0.1:1",
        "FATAL    kubernetes api by none.yaml: ",
    ] {
        assert!(printed.contains(part), "{part:?} in:\n{printed}");
    }
}
