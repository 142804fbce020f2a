//! Finds the field's official rule files, which are not ours to copy.

use std::{env, fs, io::Write as _, path::Path};

use lanner_engine::SourceFile;

/// One of the official files (`falco_rules.yaml`, `falco-incubating_rules.yaml`, ...), or `None`
/// after saying why a test does not run.
///
/// It is looked for where `LANNER_FALCO_RULES` says where the first of them is, else beside the
/// workspace.
pub(crate) fn file(name: &str) -> Option<SourceFile> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/falco_rules.yaml");
    let first = env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    let path = if name == "falco_rules.yaml" { first } else { first.with_file_name(name) };
    match fs::read_to_string(&path) {
        Ok(text) => Some(SourceFile { name: name.to_owned(), text }),
        Err(error) => {
            let path = path.display();
            // Not by a macro: the test harness would hide what those print.
            let said = writeln!(
                std::io::stderr(),
                "NOT RUN: no official rules at {path} ({error}); set LANNER_FALCO_RULES"
            );
            said.ok().and(None)
        }
    }
}
