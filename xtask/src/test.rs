//! `cargo xtask test`: all tests, after getting what they need.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;
use lanner_testkit::{not_run::NOTES_FILE, product};

use crate::{
    run::{is_root, repository, run},
    tools::{self, Tool},
};

/// What is run, in this order.
const STEPS: [Step; 3] = [
    // One failed test must not hide the others.
    Step {
        what: "all crates' tests",
        cargo: &["test", "--workspace", "--no-fail-fast"],
        of: "Cargo.toml",
    },
    Step {
        what: "the rules' tests",
        cargo: &["run", "--quiet", "--package", "lanner-cli", "--", "rules", "test", "rules"],
        of: "rules",
    },
    Step {
        what: "the playbooks' tests",
        cargo: &[
            "run",
            "--quiet",
            "--package",
            "lanner-cli",
            "--",
            "playbook",
            "test",
            "playbooks",
        ],
        of: "playbooks",
    },
];

struct Step {
    what: &'static str,
    cargo: &'static [&'static str],
    /// The file or folder that is tested.
    of: &'static str,
}

/// Runs everything, and says at the end what could not be run here.
pub(crate) fn main() -> anyhow::Result<()> {
    get_tools()?;
    let notes = tempfile::NamedTempFile::new().context("cannot make a file for notes")?;
    let mut failed = Vec::new();
    for step in STEPS {
        eprintln!("\n== {}", step.what);
        // The steps after a failed one are run, too.
        if let Err(error) = step.run(notes.path()) {
            eprintln!("error: {error:#}");
            failed.push(step.what);
        }
    }
    print_notes(notes.path())?;
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

impl Step {
    fn run(&self, notes: &Path) -> anyhow::Result<()> {
        let path = repository().join(self.of);
        anyhow::ensure!(path.exists(), "{} is missing", path.display());
        run(cargo(self.cargo).env(NOTES_FILE, notes))
    }
}

/// A cargo command in this repository.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = product::cargo();
    command.args(args);
    command
}

/// As root everything, so that the local cluster is tested too; else only what
/// tests cannot do without.
fn get_tools() -> anyhow::Result<()> {
    if is_root() { tools::get(&Tool::all()) } else { tools::get(&Tool::FOR_TESTS) }
}

fn print_notes(path: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).context("cannot read the notes")?;
    if text.is_empty() {
        eprintln!("\nevery test ran");
    } else {
        eprintln!("\n== THESE TESTS DID NOT RUN ON THIS MACHINE\n{text}");
    }
    Ok(())
}
