//! A rule as written.

use std::collections::BTreeSet;

use super::{Changes, Definitions, Refusal, Remarks, undefined};
use crate::{
    diagnostic::Code,
    priority::Priority,
    rules::{
        exceptions::{self, Exception},
        reader::Entry,
    },
    traced::{Place, TracedText},
    yaml::{Content, Node},
};

/// A rule, with what later items made of it.
#[derive(Clone, Debug)]
pub(in crate::rules) struct RuleDefinition {
    pub(in crate::rules) place: Place,
    pub(in crate::rules) condition: TracedText,
    pub(in crate::rules) output: TracedText,
    pub(in crate::rules) desc: String,
    pub(in crate::rules) priority: Priority,
    pub(in crate::rules) source: String,
    pub(in crate::rules) enabled: bool,
    pub(in crate::rules) warn_event_types: bool,
    pub(in crate::rules) skip_if_unknown_filter: bool,
    pub(in crate::rules) tags: BTreeSet<String>,
    pub(in crate::rules) exceptions: Vec<Exception>,
}

const APPENDABLE: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];
const REPLACEABLE: &[&str] = &[
    "condition",
    "output",
    "desc",
    "tags",
    "exceptions",
    "priority",
    "capture",
    "capture_duration",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
];

const ENABLED_IS_DEPRECATED: &str = "The standalone 'enabled' key usage is deprecated. \
     The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').";

impl Definitions {
    pub(super) fn take_rule(
        &mut self,
        entry: &Entry,
        remarks: &mut Remarks,
    ) -> Result<(), Refusal> {
        let written: BTreeSet<&str> = entry.keys.keys().map(String::as_str).collect();
        if written == BTreeSet::from(["rule", "enabled"]) {
            remarks.push((Code::DeprecatedItem, ENABLED_IS_DEPRECATED.to_owned(), entry.place));
            let rule = self.rules.get_mut(&entry.name);
            let refusal =
                || ("Rule does not exist to be enabled or disabled".to_owned(), entry.place);
            rule.ok_or_else(refusal)?.enabled = entry.flag("enabled")?.unwrap_or(true);
            return Ok(());
        }
        let changes = Changes::of(entry, APPENDABLE, REPLACEABLE, remarks)?;
        if !changes.any() {
            let rule = RuleDefinition::new(entry, remarks)?;
            if let Some(known) = self.rules.get(&entry.name)
                && known.source != rule.source
            {
                let message = "Rule has been re-defined with a different source";
                return Err((message.to_owned(), entry.place));
            }
            self.rules.insert(entry.name.clone(), rule);
            return Ok(());
        }
        let rule = self.rules.get_mut(&entry.name).ok_or_else(|| undefined("Rule", entry))?;
        // Only a rule whose changes can all be made is changed.
        let mut changed = rule.clone();
        changed.change(entry, &changes, remarks)?;
        *rule = changed;
        Ok(())
    }
}

impl RuleDefinition {
    fn new(entry: &Entry, remarks: &mut Remarks) -> Result<Self, Refusal> {
        let wanted = |key: &str| {
            let missing = || {
                let message =
                    "Rule must have properties 'condition', 'output', 'desc', and 'priority'";
                (message.to_owned(), entry.place)
            };
            entry.text(key)?.ok_or_else(missing)
        };
        let (condition, output) = (wanted("condition")?.clone(), wanted("output")?.clone());
        let desc = wanted("desc")?.as_str().trim().to_owned();
        wanted("priority")?;
        let exceptions = match entry.get("exceptions") {
            Some(node) => exceptions::read(node)?,
            None => Vec::new(),
        };
        check_exceptions(&exceptions, remarks)?;
        Ok(Self {
            place: entry.place,
            condition,
            output,
            desc,
            priority: priority(entry)?,
            source: entry.text("source")?.map_or("syscall", TracedText::as_str).to_owned(),
            enabled: entry.flag("enabled")?.unwrap_or(true),
            warn_event_types: entry.flag("warn_evttypes")?.unwrap_or(true),
            skip_if_unknown_filter: entry.flag("skip-if-unknown-filter")?.unwrap_or(false),
            tags: tags(entry.get("tags"))?,
            exceptions,
        })
    }

    fn change(
        &mut self,
        entry: &Entry,
        changes: &Changes,
        remarks: &mut Remarks,
    ) -> Result<(), Refusal> {
        for key in ["condition", "output", "desc"] {
            let Some(text) = entry.text(key)? else { continue };
            match key {
                "condition" => amend(&mut self.condition, text, changes, key),
                "output" => amend(&mut self.output, text, changes, key),
                _ => {
                    let mut desc = TracedText::made_at(&self.desc, self.place);
                    amend(&mut desc, text, changes, key);
                    self.desc = desc.as_str().trim().to_owned();
                }
            }
        }
        if changes.replaces("tags") {
            self.tags.clear();
        }
        if changes.appends("tags") || changes.replaces("tags") {
            self.tags.extend(tags(entry.get("tags"))?);
        }
        if let Some(node) = entry.get("exceptions") {
            let read = exceptions::read(node)?;
            if changes.replaces("exceptions") {
                self.exceptions = read;
            } else if changes.appends("exceptions") {
                for exception in read {
                    let known =
                        self.exceptions.iter_mut().find(|known| known.name == exception.name);
                    let place = exception.place;
                    match known {
                        Some(known) => {
                            known.append(exception).map_err(|message| (message, place))?
                        }
                        None => self.exceptions.push(exception),
                    }
                }
            }
            check_exceptions(&self.exceptions, remarks)?;
        }
        if changes.replaces("priority") {
            self.priority = priority(entry)?;
        }
        for (key, flag) in [
            ("enabled", &mut self.enabled),
            ("warn_evttypes", &mut self.warn_event_types),
            ("skip-if-unknown-filter", &mut self.skip_if_unknown_filter),
        ] {
            if changes.replaces(key) {
                *flag = entry.flag(key)?.unwrap_or(*flag);
            }
        }
        Ok(())
    }
}

fn amend(text: &mut TracedText, with: &TracedText, changes: &Changes, key: &str) {
    if changes.replaces(key) {
        *text = with.clone();
    } else if changes.appends(key) {
        text.push_str(" ");
        text.push(with);
    }
}

fn check_exceptions(exceptions: &[Exception], remarks: &mut Remarks) -> Result<(), Refusal> {
    for (index, exception) in exceptions.iter().enumerate() {
        exception.check().map_err(|message| (message, exception.place))?;
        if exceptions.iter().take(index).any(|earlier| earlier.name == exception.name) {
            let message = format!("Multiple definitions of exception '{}'", exception.name);
            remarks.push((Code::ExceptionNameNotUnique, message, exception.place));
        }
    }
    Ok(())
}

fn priority(entry: &Entry) -> Result<Priority, Refusal> {
    let text = entry.text("priority")?.map_or("", TracedText::as_str);
    let place = entry.get("priority").map_or(entry.place, |node| node.place);
    text.trim()
        .parse()
        .map_err(|error: crate::priority::UnknownPriority| (error.to_string(), place))
}

fn tags(node: Option<&Node>) -> Result<BTreeSet<String>, Refusal> {
    let Some(node) = node else { return Ok(BTreeSet::new()) };
    let Content::Sequence(items) = &node.content else {
        return Err(("tags must be a sequence".to_owned(), node.place));
    };
    let tag = |item: &Node| {
        item.as_str().map(str::to_owned).ok_or(("a tag must be a text".to_owned(), item.place))
    };
    items.iter().map(tag).collect()
}
