//! docs/playbooks.md, run as it stands: its files are written, its commands
//! run, and what they print is compared.

mod guide;
mod plans;

use std::{fs, path::Path, process::Command};

use guide::{Block, blocks};

/// What a block promises about the commands in it.
#[derive(Clone, Copy, PartialEq)]
enum Promise {
    /// They succeed and print exactly this.
    Exact,
    /// They succeed, and each line is among what they print.
    Contains,
    /// They fail and print exactly this.
    Fails,
}

#[test]
fn the_guide_says_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let mut commands = 0;
    for block in blocks() {
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "") => commands += run_all(dir.path(), &block, Promise::Exact),
            ("console", "contains") => commands += run_all(dir.path(), &block, Promise::Contains),
            ("console", "fails") => commands += run_all(dir.path(), &block, Promise::Fails),
            // plans.rs runs these, against real servers.
            ("console", "plan") => {}
            ("rhai", "respond") => check_body(&block.text),
            (_, kind) => match kind.strip_prefix("file=") {
                Some(file) => write(dir.path(), file, &block.text),
                None => panic!("line {}: no test runs this block", block.line),
            },
        }
    }
    assert!(commands >= 7, "only {commands} commands were found");
}

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The body of a `respond` with every capability.
fn check_body(body: &str) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "playbook(#{{ name: \"p\", owner: \"o\", when: #{{ rules: [\"r\"] }}, needs: [\"pods:delete\", \
         \"pods:label\", \"namespaces:label\", \"network:isolate\", \"notify\"] }});\n\
         fn respond(alert) {{\n{body}}}\n"
    );
    write(dir.path(), "playbooks/p.rhai", &text);
    let test = "playbook: p\ncases:\n  - name: c\n    alert: { rule: r, pod: shop/cart }\n    plan:\n\
        \x20     - verb: label\n      - verb: isolate\n      - verb: isolate\n      - verb: label\n\
        \x20     - verb: delete\n      - verb: notify\n";
    write(dir.path(), "playbooks/tests/p.test.yaml", test);
    let (printed, good) = lanner(dir.path(), &["playbook", "test"]);
    assert!(good, "{printed}");
}

fn run_all(dir: &Path, block: &Block, promise: Promise) -> usize {
    let mut runs: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.text.lines() {
        match line.strip_prefix("$ lanner ") {
            Some(command) => runs.push((command, Vec::new())),
            None => runs.last_mut().expect("a command first").1.push(line),
        }
    }
    for (command, expected) in &runs {
        let args: Vec<&str> = command.split(' ').collect();
        let (printed, good) = lanner(dir, &args);
        assert_eq!(good, promise != Promise::Fails, "lanner {command}: {printed}");
        if promise == Promise::Contains {
            for line in expected {
                assert!(printed.lines().any(|printed| printed == *line), "{line:?} in:\n{printed}");
            }
        } else {
            assert_eq!(printed.trim_end(), expected.join("\n"), "lanner {command}");
        }
    }
    runs.len()
}

fn lanner(dir: &Path, args: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_lanner")).args(args).current_dir(dir).output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout) + text(&output.stderr).as_str(), output.status.success())
}
