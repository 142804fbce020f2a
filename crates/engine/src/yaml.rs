//! YAML as a tree whose nodes know where they stand and whose scalars are still text.
//!
//! `items: [25, yes]` are two texts, and a condition's errors point into its block, so a
//! deserializer would know too little.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::traced::Place;

/// How many nodes a file may have, those that aliases repeat among them.
const NODES_MAX: usize = 1_000_000;

/// How many bytes anchors and aliases may copy.
const COPIED_BYTES_MAX: usize = 64 << 20;

/// How deep sequences and mappings may be in each other; yaml-cpp has the same limit.
const DEPTH_MAX: usize = 500;

/// A node and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(String),
    Null,
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Why a text is not YAML, and where.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) message: String,
    pub(crate) offset: usize,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a mapping's key; the first one, if it has the key twice.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Content::Mapping(entries) = &self.content else { return None };
        entries.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }
}

/// Reads all documents of a file; each gives its root.
pub(crate) fn parse(text: &str, file: usize) -> Result<Vec<Node>, YamlError> {
    let mut builder = Builder { text, file, ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax_error(text, &error))?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

fn syntax_error(text: &str, error: &ScanError) -> YamlError {
    let marker = error.marker();
    let by_chars = || text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    let offset = marker.byte_offset().unwrap_or_else(by_chars);
    YamlError { message: error.info().to_owned(), offset }
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    file: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    size: Size,
    copied_bytes: usize,
    documents: Vec<Node>,
}

/// How large a node is with all that is in it.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

/// A sequence or mapping whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// How large everything before it was.
    before: Size,
    /// A key that waits for its value.
    key: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let offset = span.start.byte_offset().unwrap_or_default();
        let place = Place { file: self.file, offset };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let size = Size { nodes: 1, bytes: text.len() };
                let written = self.text.get(offset..).unwrap_or_default();
                // The parser makes a `~` of a value that is not there.
                let node = if plain && text == "~" && !written.starts_with('~') {
                    Node { place: self.next_token(place), content: Content::Null }
                } else if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    let place = Place { offset: self.block_indicator(offset), ..place };
                    Node { place, content: Content::Scalar(text.into_owned()) }
                } else if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
                    Node { place, content: Content::Null }
                } else {
                    Node { place, content: Content::Scalar(text.into_owned()) }
                };
                self.add(node, anchor, size)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Node { place, content: Content::Sequence(Vec::new()) }, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Node { place, content: Content::Mapping(Vec::new()) }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let size = Size {
                        nodes: self.size.nodes - open.before.nodes + 1,
                        bytes: self.size.bytes - open.before.bytes,
                    };
                    self.size = open.before;
                    self.add(open.node, open.anchor, size)
                }
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((_, size)) => {
                    let size = *size;
                    self.check_copy(size, place)?;
                    let node = self.anchors.get(&id).map(|(node, _)| node.clone());
                    node.map_or(Ok(()), |node| self.add(node, 0, size))
                }
                None => Err(YamlError { message: "alias of nothing".to_owned(), offset }),
            },
            _ => Ok(()),
        }
    }

    /// Where yaml-cpp says that a missing value stands: at what comes next.
    fn next_token(&self, place: Place) -> Place {
        let mut rest = self.text.get(place.offset..).unwrap_or_default();
        rest = rest.strip_prefix(':').unwrap_or(rest);
        loop {
            rest = rest.trim_start();
            let Some(comment) = rest.strip_prefix('#') else { break };
            rest = comment.find('\n').and_then(|end| comment.get(end..)).unwrap_or_default();
        }
        Place { offset: self.text.len() - rest.len(), ..place }
    }

    /// Where the `|` or `>` of a block is whose text begins at `offset`.
    fn block_indicator(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or_default().trim_end();
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let header = before.get(line..).unwrap_or_default();
        let header = header.split_once(" #").map_or(header, |(header, _)| header);
        header.rfind(['|', '>']).map_or(offset, |at| line + at)
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        if self.open.len() == DEPTH_MAX {
            let message = format!("the file is nested deeper than {DEPTH_MAX} levels");
            return Err(YamlError { message, offset: node.place.offset });
        }
        self.open.push(Open { node, anchor, before: self.size, key: None });
        Ok(())
    }

    fn check_copy(&mut self, size: Size, place: Place) -> Result<(), YamlError> {
        self.copied_bytes += size.bytes + size.nodes * size_of::<Node>();
        if self.copied_bytes > COPIED_BYTES_MAX {
            let message = format!(
                "the file has more than {NODES_MAX} nodes, or {COPIED_BYTES_MAX} bytes, by its aliases"
            );
            return Err(YamlError { message, offset: place.offset });
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), YamlError> {
        self.size.nodes += size.nodes;
        self.size.bytes += size.bytes;
        if self.size.nodes > NODES_MAX {
            let message = format!("the file has more than {NODES_MAX} nodes");
            return Err(YamlError { message, offset: node.place.offset });
        }
        if anchor > 0 {
            self.check_copy(size, node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match (&mut open.node.content, open.key.take()) {
            (Content::Mapping(entries), Some(key)) => entries.push((key, node)),
            (Content::Mapping(_), None) => open.key = Some(node),
            (Content::Sequence(items), _) => items.push(node),
            (Content::Scalar(_) | Content::Null, _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Content, parse};

    #[test]
    fn scalars_stay_text_and_know_their_place() {
        let text = "- items: [25, yes, \"a\"]\n  condition: >\n    x and\n      y\n";
        let documents = parse(text, 0).unwrap();
        let Content::Sequence(items) = &documents[0].content else { panic!("no sequence") };
        let Content::Mapping(entries) = &items[0].content else { panic!("no mapping") };
        let Content::Sequence(values) = &entries[0].1.content else { panic!("no items") };
        let values: Vec<_> = values.iter().filter_map(super::Node::as_str).collect();
        assert_eq!(values, ["25", "yes", "a"]);
        assert_eq!(entries[1].1.place.offset, text.find('>').unwrap());
        assert_eq!(items[0].place.offset, 2);
        for text in ["a: |\n  x", "a: >-\n\n  x", "a: |+ # > |\n  x", "a: |2\n    x", "a: >\n"] {
            let documents = parse(text, 0).unwrap();
            assert_eq!(documents[0].get("a").unwrap().place.offset, 3, "{text:?}");
        }
    }

    #[test]
    fn nulls_are_what_yaml_cpp_takes_for_them() {
        for (value, is_null) in [
            ("", true),
            ("~", true),
            ("null", true),
            ("Null", true),
            ("NULL", true),
            ("nULL", false),
            ("'~'", false),
            ("\"\"", false),
            ("!!str null", false),
        ] {
            let documents = parse(&format!("key: {value}\n# comment\nnext: x"), 0).unwrap();
            assert_eq!(documents[0].get("key").unwrap().is_null(), is_null, "{value:?}");
        }
        let documents = parse("key: # comment\nnext: x", 0).unwrap();
        assert_eq!(documents[0].get("key").unwrap().place.offset, 15);
    }

    #[test]
    fn the_first_of_two_equal_keys_counts() {
        let documents = parse("a: 1\na: 2", 0).unwrap();
        assert_eq!(documents[0].get("a").and_then(super::Node::as_str), Some("1"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let laughs: String = (1..12).fold("- &a0 [x, x]\n".to_owned(), |text, level| {
            let before = level - 1;
            let aliases = format!("*a{before}, ").repeat(9);
            text + &format!("- &a{level} [{aliases}]\n")
        });
        assert!(parse(&laughs, 0).unwrap_err().message.contains("nodes"));
        assert!(parse(&"[".repeat(100_000), 0).is_err());
        assert!(parse(&"- ".repeat(100_000), 0).is_err());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(200), 0).is_ok());
        assert!(parse(&nested(501), 0).is_err());
        // Each level is copied again for its anchor.
        let long = "x".repeat(1 << 20);
        let anchors = (0..200).fold(long, |inner, level| format!("&a{level} [{inner}]"));
        assert!(parse(&anchors, 0).unwrap_err().message.contains("bytes"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(- |: |[a-z]|\n|  |>|\\||\\[|\\]|\\{|\"|'|&a |\\*a|#|é|\\PC){0,40}") {
            let _ = parse(&text, 0);
        }
    }
}
