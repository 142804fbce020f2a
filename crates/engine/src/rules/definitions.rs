//! What the files define, after appending, overriding and redefining.

mod overrides;
mod rule;

use indexmap::IndexMap;

pub(super) use rule::RuleDefinition;

use super::{
    decode::Keys,
    report::{Problem, Refusal, invalid, malformed},
    trail::Trail,
};
use crate::{
    diagnostic::Code,
    sources::Sources,
    traced::{Place, TracedText},
};
use overrides::Overrides;

/// A list. It sees the lists whose `index` is below its `visibility`.
#[derive(Debug)]
pub(super) struct ListDefinition {
    pub(super) items: Vec<String>,
    pub(super) trail: Trail,
    pub(super) index: usize,
    pub(super) visibility: usize,
}

/// A macro. It sees the macros whose `index` is below its `visibility`.
#[derive(Debug)]
pub(super) struct MacroDefinition {
    pub(super) condition: TracedText,
    /// Where the condition begins that others were appended to.
    pub(super) condition_place: Place,
    pub(super) trail: Trail,
    pub(super) index: usize,
    pub(super) visibility: usize,
}

/// Everything defined so far, each kind in the order of its first definition.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) lists: IndexMap<String, ListDefinition>,
    pub(super) macros: IndexMap<String, MacroDefinition>,
    pub(super) rules: IndexMap<String, RuleDefinition>,
    next_index: usize,
    suggestions: usize,
}

const APPEND_IS_DEPRECATED: &str = "'append' key is deprecated. Add an 'append' entry \
     (e.g. 'condition: append') under 'override' instead.";

const NO_PREVIOUS_LIST: &str =
    "List uses 'append' or 'override.items: append' but no list by that name already exists";

const NO_PREVIOUS_MACRO: &str = "Macro uses 'append' or 'override.condition: append' but no macro \
     by that name already exists";

impl Definitions {
    pub(super) fn take_list(
        &mut self,
        name: &str,
        keys: Keys<'_, '_>,
        remarks: &mut Vec<Problem>,
    ) -> Result<(), Refusal> {
        let bare = |c: char| !is_space(c) && !matches!(c, '(' | ')' | '"' | '\'' | '=' | ',');
        if !name.chars().all(bare) {
            let message = "List has an invalid name. List names should match a regular \
                 expression: ([^()\"'[:space:]=,]+)";
            remarks.push(Problem::new(Code::InvalidListName, message, keys.trail));
        }
        let items = match keys.scalars("items")? {
            Some(items) => items.into_iter().map(str::to_owned).collect(),
            None => {
                let message = "Item has no mapping for key 'items'";
                return Err(malformed(message, keys.trail));
            }
        };
        let append = appends(keys, "items", remarks)?;
        let index = self.next_index;
        let known = self.lists.get_mut(name);
        if append {
            let known = known.ok_or_else(|| invalid(NO_PREVIOUS_LIST, keys.trail))?;
            known.items.extend(items);
            known.visibility = index;
        } else {
            let first_index = known.map_or(index, |known| known.index);
            let trail = keys.trail.clone();
            let list = ListDefinition { items, trail, index: first_index, visibility: index };
            self.lists.insert(name.to_owned(), list);
        }
        self.next_index += 1;
        Ok(())
    }

    pub(super) fn take_macro(
        &mut self,
        name: &str,
        keys: Keys<'_, '_>,
        sources: &Sources,
        remarks: &mut Vec<Problem>,
    ) -> Result<(), Refusal> {
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let message = "Macro has an invalid name. Macro names should match a regular \
                 expression: ([a-zA-Z]+[a-zA-Z0-9_]*)";
            remarks.push(Problem::new(Code::InvalidMacroName, message, keys.trail));
        }
        let (condition, node) = keys.scalar("condition")?;
        let append = appends(keys, "condition", remarks)?;
        let condition = sources.trace(condition, node.place);
        let index = self.next_index;
        let known = self.macros.get_mut(name);
        if append {
            let known = known.ok_or_else(|| invalid(NO_PREVIOUS_MACRO, keys.trail))?;
            known.condition.push_str(" ");
            known.condition.push(&condition);
            known.visibility = index;
        } else {
            let first_index = known.map_or(index, |known| known.index);
            let known = MacroDefinition {
                condition,
                condition_place: node.place,
                trail: keys.trail.clone(),
                index: first_index,
                visibility: index,
            };
            self.macros.insert(name.to_owned(), known);
        }
        self.next_index += 1;
        Ok(())
    }
}

/// Whether the one key that a list or macro has is to be appended.
fn appends(keys: Keys<'_, '_>, key: &str, remarks: &mut Vec<Problem>) -> Result<bool, Refusal> {
    let append = append_flag(keys, remarks)?;
    let overrides = Overrides::read(keys, &[key], &[key], remarks)?;
    overrides.check_alone(append, keys.trail)?;
    Ok(append || overrides.append.contains_key(key))
}

/// The deprecated `append: true`.
fn append_flag(keys: Keys<'_, '_>, remarks: &mut Vec<Problem>) -> Result<bool, Refusal> {
    let append = keys.flag("append")?.unwrap_or(false);
    if append {
        let mut remark = Problem::new(Code::DeprecatedItem, APPEND_IS_DEPRECATED, keys.trail);
        remark.place = keys.get("append").map_or(remark.place, |node| node.place);
        remarks.push(remark);
    }
    Ok(append)
}

/// POSIX's `[[:space:]]`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}
