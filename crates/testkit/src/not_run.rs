//! A test that cannot run here says so where nobody can overlook it.

use std::{env, fs::File, io::Write as _};

/// Where the notes are gathered: `cargo xtask test` sets it, and prints them at
/// its very end.
pub const NOTES_FILE: &str = "LANNER_NOT_RUN";

/// Says that the test did not run, and why, past the capture of its output.
///
/// To be called right before the test returns: the test counts as passed, so
/// only for what the machine lacks and a user cannot be asked to have (root,
/// eBPF), never for a program that `cargo xtask tools` gets.
///
/// # Panics
/// When it cannot be said.
pub fn not_run(test: &str, why: &str) {
    let line = format!("NOT RUN: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("write to standard error");
    if let Some(path) = env::var_os(NOTES_FILE) {
        // One write, so that lines of tests in parallel do not mix.
        let mut file =
            File::options().create(true).append(true).open(path).expect("open the notes");
        file.write_all(line.as_bytes()).expect("write a note");
    }
}
