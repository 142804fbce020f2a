//! Any text as a recorded event, against the shipped rules.
#![no_main]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use lanner_engine::{Options, RecordedEvent, RuleSet, SourceFile, load};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let entries =
        fs::read_dir(folder).expect("the shipped rules").map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    let file = |path: &PathBuf| SourceFile {
        name: path.display().to_string(),
        text: fs::read_to_string(path).expect("a rule file"),
    };
    let files: Vec<SourceFile> = paths.iter().map(file).collect();
    let (rules, _) = load(&files, &Options::default());
    assert!(rules.rules().count() > 0);
    rules
});

fuzz_target!(|text: &str| {
    let Ok(event) = RecordedEvent::from_json(text) else { return };
    for matched in RULES.evaluate("syscall", &event) {
        let _ = matched.falco_output();
    }
});
