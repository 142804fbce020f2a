//! The field's official stable rules load, and fire on what they are meant for.

use std::{env, fs, path::Path};

use lanner_engine::{Options, RuleSet, Severity, SourceFile, load};

fn official_rules() -> Option<SourceFile> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/falco_rules.yaml");
    let path = env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    match fs::read_to_string(&path) {
        Ok(text) => Some(SourceFile { name: "falco_rules.yaml".to_owned(), text }),
        Err(error) => {
            eprintln!(
                "NOT RUN: the official rules are not at {}: {error}; set LANNER_FALCO_RULES",
                path.display()
            );
            None
        }
    }
}

fn load_official() -> Option<RuleSet> {
    let (rules, diagnostics) = load(&[official_rules()?], &Options::default());
    for diagnostic in &diagnostics {
        assert_ne!(diagnostic.severity, Severity::Error, "{diagnostic}");
    }
    for d in &diagnostics {
        eprintln!("{d}\n");
    }
    Some(rules)
}

#[test]
fn the_official_rules_load_without_error() {
    let Some(rules) = load_official() else { return };
    assert_eq!(rules.rules().count(), 25);
}
