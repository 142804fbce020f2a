use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::run::repository;

/// Files of this repository that a target may begin with, beside its own seeds.
const SHIPPED_SEEDS: [(&str, &str); 6] = [
    ("alert_json", "crates/alert/tests/golden"),
    ("health", "crates/alert/tests/golden"),
    ("cri_answer", "sensor/tests/data/cri"),
    ("falco_json", "crates/alert/tests/golden"),
    ("playbook", "playbooks"),
    ("rule_file", "rules"),
];

/// An input that takes longer hangs whoever reads it.
const INPUT_SECONDS_MAX: u32 = 10;
const MEMORY_MIB_MAX: u32 = 2048;

/// One program of `tests/fuzz/targets`.
pub(super) struct Target {
    name: String,
}

/// How a run ended.
pub(super) struct Ending {
    runs: u64,
    /// Edges of the control flow that were taken.
    edges: u64,
    /// The same, with how often and with which comparisons.
    features: u64,
    /// Inputs worth keeping.
    inputs: u64,
    crash: Option<Crash>,
}

struct Crash {
    /// What the program said.
    reason: String,
    /// How to see it again.
    reproduce: String,
}

/// The folder of targets, seeds and their own workspace.
pub(super) fn folder() -> PathBuf {
    repository().join("tests/fuzz")
}

impl Target {
    /// These, or all.
    pub(super) fn named(names: &[String]) -> anyhow::Result<Vec<Self>> {
        let folder = folder().join("targets");
        let mut known = Vec::new();
        for entry in fs::read_dir(&folder).context("cannot read the folder of targets")? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                known.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        known.sort();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            anyhow::bail!("no target {unknown:?}; known: {}", known.join(", "));
        }
        let wanted = known.into_iter().filter(|name| names.is_empty() || names.contains(name));
        Ok(wanted.map(|name| Self { name }).collect())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The first line of its source.
    pub(super) fn purpose(&self) -> anyhow::Result<String> {
        let source = folder().join("targets").join(format!("{}.rs", self.name));
        let text = fs::read_to_string(&source).context("cannot read a target")?;
        let line = text.lines().next().unwrap_or_default();
        Ok(line.trim_start_matches("//!").trim().to_owned())
    }

    /// Runs the program that was built into `programs`.
    pub(super) fn run(&self, programs: &Path, seconds: u32) -> anyhow::Result<Ending> {
        let program = programs.join(&self.name);
        let corpus = super::output().join("corpus").join(&self.name);
        let artifacts = super::output().join("artifacts").join(&self.name);
        let log = super::output().join(format!("{}.log", self.name));
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let output =
            fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let status = Command::new(&program)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            // What is found is kept in the first folder; the others are only read.
            .arg(&corpus)
            .args(self.seeds())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        let mut ending = Ending::read(&said);
        if !status.success() {
            let reason = reason(&said).unwrap_or_else(|| format!("ended with {status}"));
            let reproduce = match said.split("Test unit written to ").nth(1) {
                Some(rest) => {
                    let file = rest.lines().next().unwrap_or_default();
                    format!("{} {file}", program.display())
                }
                None => format!("see {}", log.display()),
            };
            ending.crash = Some(Crash { reason, reproduce });
        }
        Ok(ending)
    }

    fn seeds(&self) -> Vec<PathBuf> {
        let shipped = SHIPPED_SEEDS.iter().filter(|(name, _)| *name == self.name);
        let shipped = shipped.map(|(_, folder)| repository().join(folder));
        let own = Some(folder().join("seeds").join(&self.name)).filter(|folder| folder.is_dir());
        own.into_iter().chain(shipped).collect()
    }
}

impl Ending {
    /// From what libFuzzer prints:
    ///
    /// ```text
    /// #8192  pulse  cov: 123 ft: 456 corp: 78/9kb lim: 21 exec/s: 4096 rss: 40Mb
    /// stat::number_of_executed_units: 8192
    /// ```
    fn read(said: &str) -> Self {
        let last = said.lines().rfind(|line| line.contains(" cov: ")).unwrap_or_default();
        let runs = "stat::number_of_executed_units:";
        let statistics = said.lines().rfind(|line| line.starts_with(runs)).unwrap_or_default();
        let number_after = |line: &str, name: &str| {
            let rest = line.split_once(name).map_or("", |(_, rest)| rest).trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        Self {
            runs: number_after(statistics, runs),
            edges: number_after(last, " cov: "),
            features: number_after(last, " ft: "),
            inputs: number_after(last, " corp: "),
            crash: None,
        }
    }

    pub(super) fn is_crash(&self) -> bool {
        self.crash.is_some()
    }
}

/// The line that says what went wrong: a panic, and what follows it, or libFuzzer's own.
fn reason(said: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|line| !line.contains(" panicked at "));
    if let Some(panic) = lines.next() {
        return Some(format!("{} {}", panic.trim(), lines.next().unwrap_or_default()));
    }
    let error = said.lines().find(|line| line.contains("ERROR: libFuzzer: "))?;
    Some(error.to_owned())
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, edges, features, inputs, crash } = self;
        write!(f, "{runs:>10} {edges:>8} {features:>9} {inputs:>7}")?;
        match crash {
            Some(Crash { reason, reproduce }) => {
                write!(f, "  FAILED: {reason}\n{:15} again: {reproduce}", "")
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_read_off_the_last_lines() {
        let ending = Ending::read(
            "#2\tINITED cov: 7 ft: 8 corp: 1/1b exec/s: 0 rss: 40Mb\n\
             #8192\tpulse  cov: 123 ft: 456 corp: 78/9kb lim: 21 exec/s: 4096 rss: 40Mb\n\
             stat::number_of_executed_units: 8200\n",
        );
        assert_eq!((ending.runs, ending.edges, ending.features), (8200, 123, 456));
        assert_eq!((ending.inputs, ending.is_crash()), (78, false));
    }

    #[test]
    fn a_failure_says_why() {
        for (said, expected) in [
            (
                "#1\nthread 'x' (7) panicked at a.rs:1:2:\nboom\nstack",
                "thread 'x' (7) panicked at a.rs:1:2: boom",
            ),
            (
                "==7== ERROR: libFuzzer: timeout after 10 seconds\n",
                "==7== ERROR: libFuzzer: timeout after 10 seconds",
            ),
        ] {
            assert_eq!(reason(said).as_deref(), Some(expected));
        }
        assert_eq!(reason("#1\n"), None);
    }

    #[test]
    fn every_target_is_in_the_manifest_and_says_what_it_holds() {
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        let targets = Target::named(&[]).unwrap();
        assert!(targets.len() >= 12);
        for target in targets {
            assert!(
                manifest.contains(&format!("name = \"{}\"\n", target.name())),
                "{}",
                target.name()
            );
            assert!(!target.purpose().unwrap().is_empty(), "{}", target.name());
        }
    }
}
