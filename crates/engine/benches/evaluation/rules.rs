//! The rules to measure with: the field's stable ones, and many copies of them.

use std::{collections::HashSet, env, fmt::Write as _, fs, path::Path};

use lanner_engine::{Options, RuleSet, Severity, SourceFile, load};

/// The text of the official stable rules, beside the workspace or at `LANNER_FALCO_RULES`.
///
/// # Errors
/// Says where it looked.
pub(crate) fn stable() -> Result<String, String> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/falco_rules.yaml");
    let path = env::var_os("LANNER_FALCO_RULES").map_or(beside, Into::into);
    fs::read_to_string(&path).map_err(|error| {
        let path = path.display();
        format!("no official rules at {path} ({error}); set LANNER_FALCO_RULES to falco_rules.yaml")
    })
}

/// Loads rules that have no error.
pub(crate) fn loaded(text: String) -> RuleSet {
    let file = SourceFile { name: "rules.yaml".to_owned(), text };
    let (rules, diagnostics) = load(&[file], &Options::default());
    if let Some(error) = diagnostics.iter().find(|one| one.severity == Severity::Error) {
        panic!("{error}");
    }
    rules
}

/// The rules, and copies of them under other names that look at other paths.
pub(crate) fn copied(text: &str, copies: usize) -> String {
    let named = |line: &str, kinds: &[&str]| {
        kinds.iter().find_map(|kind| line.strip_prefix(&format!("- {kind}: ")).map(str::to_owned))
    };
    // A macro may have the name of an event type: its copies are the same macro again.
    let is_event_type = |name: &str| {
        let of_types = text.lines().filter(|line| line.contains("evt.type"));
        of_types.flat_map(|line| line.split([' ', '(', ')', ','])).any(|word| word == name)
    };
    let names = text.lines().filter_map(|line| named(line, &["macro", "list"]));
    let names: HashSet<String> = names.filter(|name| !is_event_type(name)).collect();
    let mut all = text.to_owned();
    for copy in 1..=copies {
        all.push('\n');
        let mut is_requirement = false;
        for line in text.lines() {
            if line.starts_with("- ") {
                is_requirement = line.starts_with("- required_");
            }
            if is_requirement {
                continue;
            }
            match named(line, &["rule"]) {
                Some(rule) => writeln!(all, "- rule: {rule} {copy}").unwrap(),
                None => {
                    copy_line(&mut all, line, &names, copy);
                    all.push('\n');
                }
            }
        }
    }
    all
}

/// Renames the macros and lists in a line, and puts a folder before each path.
fn copy_line(to: &mut String, line: &str, names: &HashSet<String>, copy: usize) {
    let is_in_word = |c: char| c.is_alphanumeric() || "_.-/%".contains(c);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_in_word(c) != is_in_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if names.contains(word) {
            write!(to, "{word}_{copy}").unwrap();
        } else if word.starts_with('/') {
            write!(to, "/copy{copy}{word}").unwrap();
        } else {
            to.push_str(word);
        }
        rest = after;
    }
}
