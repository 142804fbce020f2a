//! `cargo xtask fuzz`: bytes of our making into every parser of outside bytes.
//!
//! ```text
//! tests/fuzz/targets/*.rs ─ instrumented ─▶ target/fuzz/.../TARGET ─▶ target/fuzz/corpus/TARGET     found inputs
//! tests/fuzz/seeds/TARGET, our own files ─────────▲                 └▶ target/fuzz/artifacts/TARGET  crashes
//! ```
//!
//! libFuzzer itself is linked in by each target; the stable compiler has all
//! that it needs.

mod target;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use anyhow::Context as _;

use self::target::{Ending, Target};
use crate::{
    run::{output_of, repository, run},
    test::cargo,
};

/// What libFuzzer needs to see which way an input took. Debug assertions bring
/// overflow checks with them.
const COMPILER_FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Targets to run, see --list; all unless given
    targets: Vec<String>,

    /// How long each runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// List the targets, and what they hold
    #[arg(long)]
    list: bool,
}

/// Fails when a target crashed, hung or took too much memory.
pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let targets = Target::named(&arguments.targets)?;
    if arguments.list {
        for target in &targets {
            println!("{:<15} {}", target.name(), target.purpose()?);
        }
        return Ok(());
    }
    let folder = build(&targets)?;
    let endings = run_all(&targets, &folder, arguments.seconds)?;
    println!("\n{:<15} {:>10} {:>8} {:>9} {:>7}", "target", "runs", "edges", "features", "inputs");
    for (target, ending) in targets.iter().zip(&endings) {
        println!("{:<15} {ending}", target.name());
    }
    let crashed = endings.iter().filter(|ending| ending.is_crash()).count();
    anyhow::ensure!(crashed == 0, "{crashed} of {} targets failed", endings.len());
    Ok(())
}

/// Returns the folder of the programs.
fn build(targets: &[Target]) -> anyhow::Result<PathBuf> {
    let host = host()?;
    let mut command = cargo(&["build", "--locked", "--release", "--manifest-path"]);
    command.arg(target::folder().join("Cargo.toml")).arg("--target-dir").arg(output());
    // With a target named, build scripts are not instrumented: they could not be linked.
    command.args(["--target", &host]).env("RUSTFLAGS", COMPILER_FLAGS.join(" "));
    for target in targets {
        command.args(["--bin", target.name()]);
    }
    run(&mut command)?;
    Ok(output().join(host).join("release"))
}

/// Two at a time: more only take turns on a small machine, and a run is timed.
fn run_all(targets: &[Target], folder: &Path, seconds: u32) -> anyhow::Result<Vec<Ending>> {
    let queue = Mutex::new(targets.iter().enumerate());
    let work = || {
        let mut endings = Vec::new();
        loop {
            let next = queue.lock().expect("nobody panics with it").next();
            let Some((number, target)) = next else { return anyhow::Ok(endings) };
            eprintln!("{}: {seconds} s", target.name());
            endings.push((number, target.run(folder, seconds)?));
        }
    };
    let mut endings = thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut endings = work()?;
        endings.extend(other.join().expect("a worker does not panic")?);
        anyhow::Ok(endings)
    })?;
    endings.sort_by_key(|(number, _)| *number);
    Ok(endings.into_iter().map(|(_, ending)| ending).collect())
}

/// Where everything that this makes lies.
fn output() -> PathBuf {
    repository().join("target/fuzz")
}

fn host() -> anyhow::Result<String> {
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}
