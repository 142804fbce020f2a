//! A rule file to its items: documents, the sequence in each, and what kind of item each is.

use std::collections::HashSet;

use super::{
    decode::Keys,
    definitions::Definitions,
    report::{Problem, Refusal, Report, malformed},
    requirements,
    trail::{ItemType, Trail},
};
use crate::{
    diagnostic::{Code, Severity},
    sources::Sources,
    suggest,
    traced::Place,
    yaml::{self, Content, Node},
};

/// What a file is read into.
pub(super) struct Reader<'a> {
    pub(super) definitions: &'a mut Definitions,
    pub(super) sources: &'a Sources,
    pub(super) report: &'a mut Report,
}

/// An item by its first key that says what it is, and the keys that it may have.
const KINDS: [(&str, &[&str]); 5] = [
    ("required_engine_version", &["required_engine_version"]),
    ("required_plugin_versions", &["required_plugin_versions"]),
    ("list", &["list", "items", "append", "override"]),
    ("macro", &["macro", "condition", "append", "override"]),
    (
        "rule",
        &[
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
        ],
    ),
];

impl Reader<'_> {
    /// Takes the items of a file, in order. What is no item is told and left out.
    pub(super) fn read(&mut self, file: usize) {
        let trail = Trail::of_file(file);
        let documents = match yaml::parse(self.sources.text(file), file) {
            Ok(documents) => documents,
            Err(error) => {
                let place = Place { file, offset: error.offset };
                let trail = trail.step(ItemType::ValueFor, "", place);
                self.tell(Problem::new(Code::YamlParse, error.message, &trail));
                return;
            }
        };
        for document in &documents {
            match &document.content {
                Content::Null => {}
                Content::Sequence(nodes) => {
                    for node in nodes.iter().filter(|node| !node.is_null()) {
                        match self.item(node, &trail) {
                            Ok(true) => {}
                            // Nothing in the file is meant for this engine.
                            Ok(false) => return,
                            Err(refusal) => self.tell(*refusal),
                        }
                    }
                }
                Content::Mapping(_) => {
                    let message = "Rules content is not yaml array of objects";
                    self.tell(malformed(message, &trail).at(document.place));
                }
                Content::Scalar(_) => {
                    let message = "Rules content is not yaml";
                    self.tell(malformed(message, &trail).at(document.place));
                }
            }
        }
    }

    fn tell(&mut self, problem: Problem) {
        self.report.tell(self.sources, problem);
    }

    /// Takes an item; false if the file needs another engine.
    fn item(&mut self, node: &Node, parent: &Trail) -> Result<bool, Refusal> {
        let anonymous = parent.step(ItemType::RulesContentItem, "", node.place);
        let Content::Mapping(entries) = &node.content else {
            let message =
                "Unexpected element type. Each element should be a yaml associative array.";
            return Err(malformed(message, &anonymous));
        };
        let Some((kind, known)) = KINDS.into_iter().find(|(kind, _)| node.get(kind).is_some())
        else {
            self.tell(Problem::new(Code::UnknownItem, "Unknown top level item", &anonymous));
            return Ok(true);
        };
        let item_type = match kind {
            "required_engine_version" => ItemType::RequiredEngineVersion,
            "required_plugin_versions" => ItemType::RequiredPluginVersions,
            "list" => ItemType::List,
            "macro" => ItemType::Macro,
            _ => ItemType::Rule,
        };
        let trail = parent.step(item_type, "", node.place);
        let (trail, taken) = match item_type {
            ItemType::RequiredEngineVersion => {
                if let Err(refusal) = requirements::check_engine(Keys::new(node, &trail)) {
                    self.tell(*refusal);
                    return Ok(false);
                }
                (trail, Ok(()))
            }
            ItemType::RequiredPluginVersions => {
                let refusals = requirements::check_plugins(node, parent);
                refusals.into_iter().for_each(|refusal| self.tell(*refusal));
                (trail, Ok(()))
            }
            _ => {
                let (name, _) = Keys::new(node, &trail).scalar(kind)?;
                let trail = parent.step(item_type, name, node.place);
                let mut remarks = Vec::new();
                let keys = Keys::new(node, &trail);
                let taken = match item_type {
                    ItemType::List => self.definitions.take_list(name, keys, &mut remarks),
                    ItemType::Macro => {
                        self.definitions.take_macro(name, keys, self.sources, &mut remarks)
                    }
                    _ => self.definitions.take_rule(name, keys, self.sources, &mut remarks),
                };
                remarks.into_iter().for_each(|remark| self.tell(remark));
                (trail, taken)
            }
        };
        if let Err(refusal) = taken {
            self.tell(*refusal);
        }
        self.check_keys(entries, known, &trail);
        Ok(true)
    }

    fn check_keys(&mut self, entries: &[(Node, Node)], known: &[&str], trail: &Trail) {
        let mut seen = HashSet::new();
        for (key, _) in entries {
            let name = key.as_str().unwrap_or_default();
            if !seen.insert(name) {
                let message = format!("Key '{name}' stands twice. The first one counts.");
                self.tell(Problem::new(Code::DuplicateKey, message, trail).at(key.place));
            } else if !known.contains(&name) {
                let message = format!("Unknown key '{name}'. The key will be ignored.");
                let mut unknown = Problem::new(Code::UnknownKey, message, trail).at(key.place);
                if self.report.has_room(Severity::Warning) {
                    unknown.suggestion = suggest::nearest(name, known.iter().copied());
                }
                self.tell(unknown);
            }
        }
    }
}
