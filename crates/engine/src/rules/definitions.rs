//! What the files define, after appending, overriding and redefining.

mod rule;

use indexmap::IndexMap;

pub(super) use rule::RuleDefinition;

use super::reader::{Entry, Item};
use crate::{
    diagnostic::{Code, Context, Diagnostic},
    sources::Sources,
    traced::{Place, TracedText},
    yaml::{Content, Node},
};

/// The version of the language that this engine speaks.
const ENGINE_VERSION: (u64, u64, u64) = (0, 63, 0);

/// A list. It sees the lists whose `index` is below its `visibility`.
#[derive(Debug)]
pub(super) struct ListDefinition {
    pub(super) items: Vec<String>,
    pub(super) place: Place,
    pub(super) index: usize,
    pub(super) visibility: usize,
}

/// A macro. It sees the macros whose `index` is below its `visibility`.
#[derive(Debug)]
pub(super) struct MacroDefinition {
    pub(super) condition: TracedText,
    pub(super) place: Place,
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
}

/// Why an item cannot be taken, and where.
type Refusal = (String, Place);

/// What is remarked on while items are taken.
type Remarks = Vec<(Code, String, Place)>;

const APPEND_IS_DEPRECATED: &str = "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";

impl Definitions {
    /// Takes the items of one file; what cannot be taken is told and left out.
    pub(super) fn take(
        &mut self,
        items: Vec<Item>,
        sources: &Sources,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for item in items {
            let mut remarks = Remarks::new();
            let (item_type, item_name, taken) = match item {
                Item::EngineVersion { version } => {
                    if let Err((message, place)) = check_engine_version(&version) {
                        diagnostics.push(sources.diagnostic(Code::YamlValidate, message, place));
                        return;
                    }
                    continue;
                }
                Item::PluginVersions => continue,
                Item::List(entry) => {
                    ("list", entry.name.clone(), self.take_list(&entry, &mut remarks))
                }
                Item::Macro(entry) => {
                    ("macro", entry.name.clone(), self.take_macro(&entry, &mut remarks))
                }
                Item::Rule(entry) => {
                    ("rule", entry.name.clone(), self.take_rule(&entry, &mut remarks))
                }
            };
            if let Err((message, place)) = taken {
                remarks.push((Code::YamlValidate, message, place));
            }
            diagnostics.extend(remarks.into_iter().map(|(code, message, place)| {
                let mut diagnostic = sources.diagnostic(code, message, place);
                diagnostic.context.push(Context { item_type, item_name: item_name.clone() });
                diagnostic
            }));
        }
    }

    fn take_list(&mut self, entry: &Entry, remarks: &mut Remarks) -> Result<(), Refusal> {
        let bare = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | '=' | ',');
        if !entry.name.chars().all(bare) {
            let message =
                "List has an invalid name. List names should match a regular expression: ";
            let message = format!("{message}[^()\"'[:space:]=,]+");
            remarks.push((Code::InvalidListName, message, entry.place));
        }
        let Some(node) = entry.keys.get("items") else {
            return Err(("List must have property items".to_owned(), entry.place));
        };
        let Content::Sequence(nodes) = &node.content else {
            return Err((format!("items must be a sequence, not {}", node.describe()), node.place));
        };
        let items = nodes.iter().map(|item| {
            let refusal =
                || (format!("an item must be a text, not {}", item.describe()), item.place);
            item.as_str().map(str::to_owned).ok_or_else(refusal)
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let changes = Changes::of(entry, &["items"], &["items"], remarks)?;
        let index = self.advance();
        if changes.appends("items") {
            let list = self.lists.get_mut(&entry.name).ok_or_else(|| undefined("List", entry))?;
            list.items.extend(items);
            list.visibility = index;
            return Ok(());
        }
        if changes.overrides() && !self.lists.contains_key(&entry.name) {
            return Err(undefined("List", entry));
        }
        let first_index = self.lists.get(&entry.name).map_or(index, |list| list.index);
        let place = entry.place;
        let list = ListDefinition { items, place, index: first_index, visibility: index };
        self.lists.insert(entry.name.clone(), list);
        Ok(())
    }

    fn take_macro(&mut self, entry: &Entry, remarks: &mut Remarks) -> Result<(), Refusal> {
        let name = entry.name.as_str();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let message =
                "Macro has an invalid name. Macro names should match a regular expression: ";
            let message = format!("{message}[a-zA-Z]+[a-zA-Z0-9_]*");
            remarks.push((Code::InvalidMacroName, message, entry.place));
        }
        let Some(condition) = entry.text("condition")? else {
            return Err(("Macro must have property condition".to_owned(), entry.place));
        };
        let changes = Changes::of(entry, &["condition"], &["condition"], remarks)?;
        let index = self.advance();
        if changes.appends("condition") {
            let known = self.macros.get_mut(name).ok_or_else(|| undefined("Macro", entry))?;
            known.condition.push_str(" ");
            known.condition.push(condition);
            known.visibility = index;
            return Ok(());
        }
        if changes.overrides() && !self.macros.contains_key(name) {
            return Err(undefined("Macro", entry));
        }
        let first_index = self.macros.get(name).map_or(index, |known| known.index);
        let (condition, place) = (condition.clone(), entry.place);
        let known = MacroDefinition { condition, place, index: first_index, visibility: index };
        self.macros.insert(name.to_owned(), known);
        Ok(())
    }

    fn advance(&mut self) -> usize {
        self.next_index += 1;
        self.next_index
    }
}

fn undefined(kind: &str, entry: &Entry) -> Refusal {
    let lower = kind.to_lowercase();
    let message = format!(
        "{kind} has 'append' key or an append override but no {lower} by that name already exists"
    );
    (message, entry.place)
}

/// Which keys of an item append to, or replace, what was defined before.
#[derive(Debug, Default)]
struct Changes {
    append: Vec<String>,
    replace: Vec<String>,
}

impl Changes {
    /// Reads `append` and `override`.
    fn of(
        entry: &Entry,
        appendable: &[&str],
        replaceable: &[&str],
        remarks: &mut Remarks,
    ) -> Result<Self, Refusal> {
        let mut changes = Self::default();
        let append = entry.flag("append")?.unwrap_or(false);
        if entry.get("append").is_some() {
            remarks.push((Code::DeprecatedItem, APPEND_IS_DEPRECATED.to_owned(), entry.place));
        }
        let Some(node) = entry.get("override") else {
            if append {
                changes.append = appendable.iter().map(|key| (*key).to_owned()).collect();
            }
            return Ok(changes);
        };
        if append {
            let message = "Keys 'override' and 'append: true' cannot be used together.";
            return Err((message.to_owned(), node.place));
        }
        let Content::Mapping(operations) = &node.content else {
            return Err(("'override' must be a mapping".to_owned(), node.place));
        };
        for (key, operation) in operations {
            let name = key.as_str().unwrap_or_default();
            let (known, list, advice) = match operation.as_str() {
                Some("append") => (appendable, &mut changes.append, ", use 'replace' instead"),
                Some("replace") => (replaceable, &mut changes.replace, ""),
                other => {
                    let other = other.unwrap_or_default();
                    let message = format!(
                        "Invalid override operation for key '{name}': '{other}'. Allowed values are: append, replace"
                    );
                    return Err((message, operation.place));
                }
            };
            if !known.contains(&name) {
                let verb = if advice.is_empty() { "replaced" } else { "appended to" };
                return Err((format!("Key '{name}' cannot be {verb}{advice}"), key.place));
            }
            if !entry.keys.contains_key(name) {
                let message =
                    format!("An override for '{name}' was specified but '{name}' is not defined");
                return Err((message, key.place));
            }
            list.push(name.to_owned());
        }
        Ok(changes)
    }

    fn appends(&self, key: &str) -> bool {
        self.append.iter().any(|name| name == key)
    }

    fn replaces(&self, key: &str) -> bool {
        self.replace.iter().any(|name| name == key)
    }

    fn overrides(&self) -> bool {
        !self.replace.is_empty()
    }

    fn any(&self) -> bool {
        !self.append.is_empty() || !self.replace.is_empty()
    }
}

fn check_engine_version(node: &Node) -> Result<(), Refusal> {
    let text = node.as_str().unwrap_or_default();
    let version = match text.parse() {
        Ok(minor) => Some((0, minor, 0)),
        Err(_) => {
            let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                    Some((major, minor, patch))
                }
                _ => None,
            }
        }
    };
    let Some(wanted) = version else {
        let message = "Unable to parse engine version: an unsigned int or a version is wanted, such as 0.57.0";
        return Err((message.to_owned(), node.place));
    };
    if wanted > ENGINE_VERSION {
        let (major, minor, patch) = wanted;
        let (our_major, our_minor, our_patch) = ENGINE_VERSION;
        let message = format!(
            "Rules require engine version {major}.{minor}.{patch}, but engine version is {our_major}.{our_minor}.{our_patch}"
        );
        return Err((message, node.place));
    }
    Ok(())
}
