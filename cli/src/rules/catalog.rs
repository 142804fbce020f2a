//! `lanner rules describe --markdown`: rules as a page to read.

use std::fmt::Write as _;

use lanner_engine::{Rule, RuleSet};

use crate::printable::acts_on_terminal;

const PREFACE: &str = "\
# Rules

What each rule sees, why that matters, and what sets it off by mistake. `lanner rules describe --markdown FILE...` prints such a page of any rules.

| rule | priority | tags |
|---|---|---|
";

/// A table of all rules that leads to what is said of each.
pub(super) fn page(rules: &RuleSet) -> String {
    let mut text = PREFACE.to_owned();
    for rule in rules.rules() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| [{}](#{}) | {} | {} |",
            plain(&rule.name),
            anchor(&rule.name),
            priority(rule),
            plain(&rule.tags.join(", ")),
        );
    }
    for rule in rules.rules() {
        let _ = write!(text, "\n## {}\n\n{}\n\n", plain(&rule.name), plain(rule.desc.trim()));
        let _ = writeln!(text, "Events: {}.", plain(&events(rule)));
    }
    text
}

fn priority(rule: &Rule) -> String {
    if rule.enabled { rule.priority.to_string() } else { format!("{}, off", rule.priority) }
}

fn events(rule: &Rule) -> String {
    /// More names than this say "nearly all".
    const SHOWN_MAX: usize = 20;
    let names = rule.event_types();
    if names.len() > SHOWN_MAX { format!("{} types", names.len()) } else { names.join(", ") }
}

/// The text on one line, without what a terminal, Markdown or HTML would take for its own.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut is_code = false;
    for char in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        is_code ^= char == '`';
        match char {
            char if acts_on_terminal(char) => plain.push(char::REPLACEMENT_CHARACTER),
            '<' if !is_code => plain.push_str("&lt;"),
            '*' | '[' | ']' if !is_code => plain.extend(['\\', char]),
            '|' => plain.push_str("\\|"),
            _ => plain.push(char),
        }
    }
    plain
}

/// Where a heading is found on its page, as GitHub makes it of the heading's text.
fn anchor(name: &str) -> String {
    let kept =
        name.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect::<String>().to_lowercase()
}
