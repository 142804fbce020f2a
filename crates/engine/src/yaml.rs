//! YAML as a tree whose nodes know where they stand and whose scalars are still text.
//!
//! `items: [25, yes]` are two texts, and a condition's errors point into its block, so a
//! deserializer would know too little.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::traced::{Place, TracedText};

/// Aliases may repeat what they name; a file that grows past this by it is refused.
const NODES_MAX: usize = 1_000_000;

/// A node and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(TracedText),
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
            Content::Scalar(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// What the node is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self.content {
            Content::Scalar(_) => "a text",
            Content::Null => "nothing",
            Content::Sequence(_) => "a sequence",
            Content::Mapping(_) => "a mapping",
        }
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
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: Vec<Node>,
}

/// A sequence or mapping whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// How many nodes there were before it.
    nodes_before: usize,
    /// A key that waits for its value.
    key: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let offset = span.start.byte_offset().unwrap_or_default();
        let place = Place { file: self.file, offset };
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let source = self.text.get(offset..).unwrap_or_default();
                let plain = style == ScalarStyle::Plain;
                let content = if plain && matches!(text.as_ref(), "" | "~" | "null") {
                    Content::Null
                } else {
                    Content::Scalar(TracedText::scalar(&text, source, place))
                };
                self.add(Node { place, content }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Node { place, content: Content::Sequence(Vec::new()) }, anchor);
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Node { place, content: Content::Mapping(Vec::new()) }, anchor);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let size = self.nodes - open.nodes_before + 1;
                    self.nodes = open.nodes_before;
                    self.add(open.node, open.anchor, size)
                }
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some((node, size)) => self.add(node, 0, size),
                None => Err(YamlError { message: "alias of nothing".to_owned(), offset }),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, node: Node, anchor: usize) {
        self.open.push(Open { node, anchor, nodes_before: self.nodes, key: None });
    }

    /// Puts a finished node of `size` nodes where it belongs.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), YamlError> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            let message = format!("the file has more than {NODES_MAX} nodes");
            return Err(YamlError { message, offset: node.place.offset });
        }
        if anchor > 0 {
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
        let Content::Scalar(condition) = &entries[1].1.content else { panic!() };
        assert_eq!(
            condition.place(condition.as_str().find('y').unwrap()).offset,
            text.rfind('y').unwrap()
        );
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
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(- |: |[a-z]|\n|  |>|\\||\\[|\\]|\\{|\"|'|&a |\\*a|#|é|\\PC){0,40}") {
            let _ = parse(&text, 0);
        }
    }
}
