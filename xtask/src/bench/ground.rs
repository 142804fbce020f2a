//! What every bench of the sensor stands on, and what it promises.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{
    run::{is_root, repository, run},
    test::cargo,
};

/// Release builds, rules, and a folder for all that is written.
pub(super) struct Ground {
    folder: TempDir,
    pub(super) rules: Vec<String>,
}

impl Ground {
    pub(super) fn prepare() -> anyhow::Result<Self> {
        anyhow::ensure!(is_root(), "kernel events need root");
        let packages = ["-p", "lanner-sensor", "-p", "lanner-bus-forwarder"];
        run(cargo(&["build", "--locked", "--release"]).args(packages))?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        Ok(Self { folder, rules: rules()? })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The official stable rules where they are, else our own.
fn rules() -> anyhow::Result<Vec<String>> {
    let beside = repository().join("../shared/data/falco_rules.yaml");
    let official = std::env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    if official.exists() {
        println!("rules: {}", official.display());
        return Ok(vec![official.display().to_string()]);
    }
    let own = repository().join("rules");
    anyhow::ensure!(own.exists(), "no rules at {}", own.display());
    println!("rules: {} (set LANNER_FALCO_RULES for the field's)", own.display());
    Ok(vec![own.display().to_string()])
}

/// Where cargo puts a program.
pub(crate) fn release_build(name: &str) -> PathBuf {
    let elsewhere = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    elsewhere.unwrap_or_else(|| repository().join("target")).join("release").join(name)
}

/// What is promised of all that is measured. One that is broken does not keep the rest from being
/// measured.
///
/// Each is a count, or a ratio or limit so generous that only a regression breaks it, not a machine
/// that does something else, too.
#[derive(Default)]
pub(super) struct Promises {
    broken: Vec<String>,
}

impl Promises {
    pub(super) fn hold(&mut self, is_kept: bool, broken: impl FnOnce() -> String) {
        if !is_kept {
            let broken = broken();
            println!("BROKEN: {broken}");
            self.broken.push(broken);
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.broken.is_empty(), "{}", self.broken.join("; "));
        Ok(())
    }
}

/// Of the sorted values the one that as many of a hundred are below.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
}

pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
pub(super) fn f64_of(number: u64) -> f64 {
    number as f64
}
