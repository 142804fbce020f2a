//! The fenced blocks of docs/playbooks.md.

use std::{fs, path::PathBuf};

/// One block: ```` ```language kind ````.
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) language: String,
    /// `file=...`, `contains`, `fails`, `plan`, `respond`, or nothing.
    pub(crate) kind: String,
    pub(crate) text: String,
}

pub(crate) fn blocks() -> Vec<Block> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/playbooks.md");
    let guide = fs::read_to_string(path).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(guide.lines()) {
        match (text.strip_prefix("```"), inside) {
            (Some(info), false) => {
                let (language, kind) = info.split_once(' ').unwrap_or((info, ""));
                blocks.push(Block {
                    line,
                    language: language.to_owned(),
                    kind: kind.to_owned(),
                    text: String::new(),
                });
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
