//! Builds the programs that are shipped.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::run::{find_program, output_of, repository};

/// The programs that are shipped.
const PROGRAMS: [&str; 4] = ["lanner-sensor", "lanner-forwarder", "lanner-responder", "lanner"];

/// What the programs need of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Libc {
    /// Nothing: they are static.
    Static,
    /// Debian's C library, of the system they were built on.
    Debian,
}

/// Programs that were built.
pub(crate) struct Programs {
    pub(crate) files: Vec<PathBuf>,
    pub(super) libc: Libc,
}

impl Programs {
    /// The program called `lanner`.
    pub(crate) fn tool(&self) -> &Path {
        let tool = self.files.iter().find(|path| path.ends_with("lanner"));
        tool.expect("all programs were built")
    }
}

/// Builds them, statically where the toolchain can.
pub(super) fn build(profile: &str) -> anyhow::Result<Programs> {
    let target = static_target();
    let mut command = Command::new("cargo");
    command.current_dir(repository()).args(["build", "--profile", profile]);
    command.arg("--message-format=json-render-diagnostics");
    // As parts of the whole workspace, so that dependencies have the features
    // that they are tested with, and nothing is built twice.
    command.arg("--workspace");
    for program in PROGRAMS {
        command.args(["--bin", program]);
    }
    if let Some(target) = &target {
        command.args(["--target", target]);
    }
    eprintln!("building our programs with profile {profile}");
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    anyhow::ensure!(output.status.success(), "our programs do not build");

    let messages = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect();
    files.sort();
    anyhow::ensure!(
        files.len() == PROGRAMS.len(),
        "cargo built {} programs instead of {}",
        files.len(),
        PROGRAMS.len()
    );
    let libc = if target.is_some() { Libc::Static } else { Libc::Debian };
    Ok(Programs { files, libc })
}

/// The target whose programs need no libraries, if the toolchain has it and a C
/// compiler for it.
fn static_target() -> Option<String> {
    find_program("musl-gcc")?;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let libdir = ["--print", "target-libdir", "--target", &target];
    let dir = output_of(Command::new("rustc").args(libdir)).ok()?;
    PathBuf::from(dir.trim()).is_dir().then_some(target)
}
