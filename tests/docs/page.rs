//! The fenced blocks of a page.

use std::fs;

use lanner_testkit::product::workspace;

/// One block: ```` ```language kind ````.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// A command of a `console` block, and the lines that it prints.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) command: String,
    pub(crate) printed: Vec<String>,
}

/// The text of docs/`page`.
pub(crate) fn text(page: &str) -> String {
    fs::read_to_string(workspace().join("docs").join(page)).unwrap()
}

/// The blocks of docs/`page`, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(text(page).lines()) {
        match (text.strip_prefix("```"), inside) {
            (Some(info), false) => {
                let (language, kind) = info.split_once(' ').unwrap_or((info, ""));
                let (language, kind) = (language.to_owned(), kind.to_owned());
                blocks.push(Block { line, language, kind, text: String::new() });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(text);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    blocks
}

impl Block {
    /// The commands of a `console` block.
    pub(crate) fn commands(&self) -> Vec<Shown> {
        let mut commands: Vec<Shown> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => {
                    commands.push(Shown { command: command.to_owned(), printed: Vec::new() });
                }
                (None, Some(shown)) => shown.printed.push(line.to_owned()),
                (None, None) => panic!("line {}: {line:?} stands before any command", self.line),
            }
        }
        commands
    }
}

/// Whether `line` is as `shown`, where `...` stands for anything.
pub(crate) fn is_as_shown(shown: &str, line: &str) -> bool {
    let mut parts = shown.split("...");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn dots_stand_for_anything() {
    for (shown, line, same) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("... INFO x", "2026 INFO x", true),
        ("a...c", "abbc", true),
        ("a...b...c", "a-c-b", false),
        ("a...", "abc", true),
        ("a...b...", "a", false),
    ] {
        assert_eq!(is_as_shown(shown, line), same, "{shown:?} {line:?}");
    }
}
