//! `override`: which keys of an item append to, or replace, what was defined before.

use std::collections::BTreeMap;

use crate::{
    diagnostic::Code,
    rules::{
        decode::Keys,
        report::{Problem, Refusal, malformed},
        trail::{ItemType, Trail},
    },
    suggest,
    traced::Place,
    yaml::Content,
};

/// The keys by operation, each with where it stands under `override`.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub(super) append: BTreeMap<String, Place>,
    pub(super) replace: BTreeMap<String, Place>,
}

const BOTH: &str = "Keys 'override' and 'append: true' cannot be used together. Add an 'append' \
     entry (e.g. 'condition: append') under 'override' instead.";

impl Overrides {
    pub(super) fn read(
        keys: Keys<'_, '_>,
        appendable: &[&str],
        replaceable: &[&str],
        remarks: &mut Vec<Problem>,
    ) -> Result<Self, Refusal> {
        let mut overrides = Self::default();
        let Some(node) = keys.get("override") else { return Ok(overrides) };
        let trail = keys.trail.step(ItemType::Override, "", keys.node.place);
        let operations = match &node.content {
            Content::Mapping(operations) => operations,
            Content::Sequence(_) => {
                return Err(malformed("'override' must be a mapping", &trail));
            }
            Content::Null | Content::Scalar(_) => {
                let message = "'override' is not a mapping and will be ignored.";
                remarks.push(Problem::new(Code::UnknownKey, message, &trail).at(node.place));
                return Ok(overrides);
            }
        };
        for (key, operation) in operations {
            let name = key.as_str().unwrap_or_default();
            let at_key = || trail.step(ItemType::Override, name, key.place);
            let (can_append, can_replace) =
                (appendable.contains(&name), replaceable.contains(&name));
            let refusal = match operation.as_str().unwrap_or_default() {
                "append" if can_append => {
                    overrides.append.insert(name.to_owned(), key.place);
                    continue;
                }
                "replace" if can_replace => {
                    overrides.replace.insert(name.to_owned(), key.place);
                    continue;
                }
                "append" => {
                    let message =
                        format!("Key '{name}' cannot be appended to, use 'replace' instead");
                    malformed(message, &at_key())
                }
                "replace" => malformed(format!("Key '{name}' cannot be replaced"), &at_key()),
                other => {
                    let allowed = [(can_append, "append "), (can_replace, "replace ")];
                    let allowed = allowed.iter().filter(|(can, _)| *can).map(|(_, word)| *word);
                    let message = format!(
                        "Invalid override operation for key '{name}': '{other}'. Allowed values are: {}",
                        allowed.collect::<String>()
                    );
                    let trail = trail.step(ItemType::ValueFor, name, operation.place);
                    let meant = suggest::nearest(other, ["append", "replace"]);
                    Box::new(malformed(message, &trail).suggesting(meant))
                }
            };
            return Err(refusal);
        }
        Ok(overrides)
    }

    /// The old way and the new one do not go together.
    pub(super) fn check_alone(&self, append: bool, trail: &Trail) -> Result<(), Refusal> {
        if append && self.any() { Err(malformed(BOTH, trail)) } else { Ok(()) }
    }

    pub(super) fn any(&self) -> bool {
        !self.append.is_empty() || !self.replace.is_empty()
    }
}
