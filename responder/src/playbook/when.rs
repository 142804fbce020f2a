//! Which alerts a playbook answers.

use std::collections::BTreeSet;

use lanner_alert::Priority;
use lanner_engine::Filter;
use rhai::Dynamic;

use super::{
    AlertFacts,
    head::{HeadResult, Keys, some_texts, text},
};

/// The conditions of `when`. Those that are given must all hold.
pub struct When {
    rules: Option<Vec<String>>,
    tags: Option<Vec<TagSet>>,
    priority: Option<PriorityBound>,
    source: Option<String>,
    condition: Option<Filter>,
}

/// Tags that an alert must all have: `"shell & container"`.
struct TagSet(Vec<String>);

enum PriorityBound {
    AtLeast(Priority),
    Exactly(Priority),
}

impl When {
    pub(super) fn parse(mut keys: Keys) -> HeadResult<Self> {
        let when = Self {
            rules: keys.optional("rules", some_texts)?,
            tags: keys.optional("tags", tag_sets)?,
            priority: keys.optional("priority", priority_bound)?,
            source: keys.optional("source", text)?,
            condition: keys.optional("where", |value| {
                Filter::compile(&text(value)?).map_err(|diagnostic| diagnostic.to_string())
            })?,
        };
        let narrows = when.rules.is_some()
            || when.tags.is_some()
            || when.priority.is_some()
            || when.condition.is_some();
        if !narrows {
            return Err(keys.error_here(
                "`when` must name rules, tags, priority or where: \
                 a playbook for every alert says so with `priority: \">=debug\"`",
            ));
        }
        keys.finish()?;
        Ok(when)
    }

    /// Whether the playbook answers this alert. A missing field never matches.
    pub(super) fn matches(&self, facts: &AlertFacts) -> bool {
        let alert = facts.alert();
        self.rules.as_ref().is_none_or(|rules| rules.contains(&alert.rule))
            && self.tags.as_ref().is_none_or(|sets| sets.iter().any(|set| set.is_in(&alert.tags)))
            && self.priority.as_ref().is_none_or(|bound| bound.holds(alert.priority))
            && self.source.as_ref().is_none_or(|source| *source == alert.source)
            && self.condition.as_ref().is_none_or(|condition| condition.matches(facts.event()))
    }
}

impl TagSet {
    fn is_in(&self, tags: &BTreeSet<String>) -> bool {
        self.0.iter().all(|tag| tags.contains(tag))
    }
}

impl PriorityBound {
    fn holds(&self, priority: Priority) -> bool {
        match self {
            Self::AtLeast(least) => priority >= *least,
            Self::Exactly(exactly) => priority == *exactly,
        }
    }
}

fn tag_sets(value: Dynamic) -> Result<Vec<TagSet>, String> {
    let set = |text: String| {
        let tags: Vec<String> = text.split('&').map(|tag| tag.trim().to_owned()).collect();
        if tags.iter().any(String::is_empty) {
            return Err(format!("{text:?} names an empty tag"));
        }
        Ok(TagSet(tags))
    };
    some_texts(value)?.into_iter().map(set).collect()
}

fn priority_bound(value: Dynamic) -> Result<PriorityBound, String> {
    let text = text(value)?;
    let (bound, name): (fn(Priority) -> PriorityBound, &str) = match text.strip_prefix(">=") {
        Some(name) => (PriorityBound::AtLeast, name),
        None => (PriorityBound::Exactly, &text),
    };
    name.trim().parse().map(bound).map_err(|error: lanner_alert::UnknownPriority| error.to_string())
}
