//! Our own programs, built and run as processes.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// One of our binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Sensor,
    Forwarder,
    Responder,
    Tool,
}

impl Binary {
    const ALL: [Self; 4] = [Self::Sensor, Self::Forwarder, Self::Responder, Self::Tool];

    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sensor => "lanner-sensor",
            Self::Forwarder => "lanner-forwarder",
            Self::Responder => "lanner-responder",
            Self::Tool => "lanner",
        }
    }

    /// The program, built from the sources as they are now, in the profile of
    /// the running program.
    ///
    /// # Panics
    /// When it does not build; the message holds what the compiler said.
    pub fn path(self) -> PathBuf {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        FOLDER.get_or_init(build).join(self.name())
    }
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit is two below")
}

/// Cargo, in the workspace, as whoever runs the tests would call it.
///
/// A test has the variables that Cargo sets for it. A build script that looks at one of them,
/// as *ring*'s does, would run again for each package whose tests build something, and all that
/// is built on it be compiled anew each time.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    for (name, _) in env::vars_os() {
        let is_of_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"]
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start));
        if is_of_package {
            command.env_remove(name);
        }
    }
    command
}

/// Builds all of them: Cargo makes binaries for the tests of their own package
/// only, and a test of the whole chain must not meet an old one.
fn build() -> PathBuf {
    let folder = folder_of_this_profile();
    let mut command = cargo();
    command.args(["build", "--quiet", "--workspace"]);
    for binary in Binary::ALL {
        command.args(["--bin", binary.name()]);
    }
    if folder.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "our programs do not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder
}

/// `target/debug` for `target/debug/xtask` and for `target/debug/deps/chain-0123`.
fn folder_of_this_profile() -> PathBuf {
    let program = env::current_exe().expect("a process knows its program");
    let folder = program.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") {
        return folder.parent().expect("deps lies in the profile's folder").to_owned();
    }
    folder.to_owned()
}
