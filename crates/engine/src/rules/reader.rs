//! YAML nodes to the items of a rule file: what was written, before anything is looked up.

use std::collections::HashMap;

use crate::{
    diagnostic::{Code, Diagnostic},
    sources::Sources,
    suggest,
    traced::{Place, TracedText},
    yaml::{self, Content, Node},
};

/// One item of a file.
#[derive(Debug)]
pub(super) enum Item {
    EngineVersion { version: Node },
    PluginVersions,
    List(Entry),
    Macro(Entry),
    Rule(Entry),
}

/// A list, macro or rule: its name and its keys.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) keys: HashMap<String, Node>,
}

impl Entry {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.keys.get(key).filter(|node| !matches!(node.content, Content::Null))
    }

    /// The text of a key, if it has one.
    pub(super) fn text(&self, key: &str) -> Result<Option<&TracedText>, (String, Place)> {
        match self.get(key) {
            None => Ok(None),
            Some(Node { content: Content::Scalar(text), .. }) => Ok(Some(text)),
            Some(node) => {
                Err((format!("'{key}' must be a text, not {}", node.describe()), node.place))
            }
        }
    }

    /// A key that is `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, (String, Place)> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "no" | "off") => Ok(Some(false)),
            _ => Err((format!("'{key}' must be true or false"), node.place)),
        }
    }
}

const LIST_KEYS: &[&str] = &["list", "items", "append", "override"];
const MACRO_KEYS: &[&str] = &["macro", "condition", "append", "override"];
const RULE_KEYS: &[&str] = &[
    "rule",
    "condition",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "capture",
    "capture_duration",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "tags",
    "exceptions",
    "override",
    "append",
];

/// The items of a file, in order. What is no item is told and left out.
pub(super) fn read(
    sources: &Sources,
    file: usize,
    text: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Item> {
    let mut reader = Reader { sources, diagnostics };
    let documents = match yaml::parse(text, file) {
        Ok(documents) => documents,
        Err(error) => {
            let place = Place { file, offset: error.offset };
            reader.tell(Code::YamlParse, error.message, place);
            return Vec::new();
        }
    };
    let mut items = Vec::new();
    for document in documents {
        match document.content {
            Content::Null => {}
            Content::Sequence(nodes) => {
                items.extend(nodes.into_iter().filter_map(|node| reader.item(node)));
            }
            _ => {
                let message = "Rules content is not yaml array of objects".to_owned();
                reader.tell(Code::YamlValidate, message, document.place);
            }
        }
    }
    items
}

struct Reader<'a> {
    sources: &'a Sources,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn tell(&mut self, code: Code, message: String, place: Place) {
        self.diagnostics.push(self.sources.diagnostic(code, message, place));
    }

    fn item(&mut self, node: Node) -> Option<Item> {
        let place = node.place;
        let Content::Mapping(entries) = node.content else {
            let message =
                "Unexpected element type. Each element should be a yaml associative array.";
            self.tell(Code::YamlValidate, message.to_owned(), place);
            return None;
        };
        let mut keys = HashMap::new();
        let mut key_places = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.as_str().map(str::to_owned) else { continue };
            key_places.push((name.clone(), key.place));
            if keys.insert(name.clone(), value).is_some() {
                self.tell(Code::YamlValidate, format!("key '{name}' stands twice"), key.place);
                return None;
            }
        }
        if let Some(version) = keys.remove("required_engine_version") {
            return Some(Item::EngineVersion { version });
        }
        if keys.contains_key("required_plugin_versions") {
            return Some(Item::PluginVersions);
        }
        let kinds = [("list", LIST_KEYS), ("macro", MACRO_KEYS), ("rule", RULE_KEYS)];
        let Some((kind, known)) = kinds.into_iter().find(|(kind, _)| keys.contains_key(*kind))
        else {
            self.tell(Code::UnknownItem, "Unknown top level item".to_owned(), place);
            return None;
        };
        for (key, key_place) in &key_places {
            if !known.contains(&key.as_str()) {
                let message = format!("Unknown key '{key}' in {kind}");
                let mut unknown = self.sources.diagnostic(Code::UnknownKey, message, *key_place);
                unknown.suggestion = suggest::nearest(key, known.iter().copied());
                self.diagnostics.push(unknown);
            }
        }
        let name = keys.get(kind).and_then(Node::as_str).filter(|name| !name.is_empty());
        let Some(name) = name.map(str::to_owned) else {
            self.tell(Code::YamlValidate, format!("{kind} name is empty"), place);
            return None;
        };
        let entry = Entry { name, place, keys };
        Some(match kind {
            "list" => Item::List(entry),
            "macro" => Item::Macro(entry),
            _ => Item::Rule(entry),
        })
    }
}
