//! The field's official rule files, which are not ours to copy.
//!
//! The engine knows no crate of ours: its tests take this file and `not_run.rs` as they are.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::not_run::not_run;

/// The stable rules.
pub const STABLE: &str = "falco_rules.yaml";

/// All of them, in the order in which Falco loads them.
pub const ALL: [&str; 3] = [STABLE, "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"];

/// One of [`ALL`], or `None` after saying that the test does not run.
///
/// They are looked for where `LANNER_FALCO_RULES` says where the stable ones are, else beside the
/// workspace.
pub fn file(test: &str, name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(STABLE);
    let stable = env::var_os("LANNER_FALCO_RULES").map_or_else(beside, PathBuf::from);
    let path = if name == STABLE { stable } else { stable.with_file_name(name) };
    match fs::metadata(&path) {
        Ok(found) if found.is_file() => return Some(path),
        Ok(_) => not_run(test, &format!("{} is no file", path.display())),
        Err(error) => {
            let path = path.display();
            not_run(
                test,
                &format!("no official rules at {path} ({error}); set LANNER_FALCO_RULES"),
            );
        }
    }
    None
}
