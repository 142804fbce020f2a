//! A rule as written, and what later items make of it.

use std::collections::BTreeSet;

use super::{Definitions, append_flag, overrides::Overrides};
use crate::{
    diagnostic::Code,
    priority::{Priority, UnknownPriority},
    rules::{
        decode::Keys,
        exceptions::{self, Exception, Exceptions},
        report::{Problem, Refusal, invalid, malformed},
        trail::{ItemType, Trail},
    },
    sources::Sources,
    suggest,
    traced::{Place, TracedText},
};

/// A rule, with what later items made of it.
#[derive(Clone, Debug)]
pub(in crate::rules) struct RuleDefinition {
    pub(in crate::rules) trail: Trail,
    pub(in crate::rules) condition: TracedText,
    /// Where the condition begins that others were appended to.
    pub(in crate::rules) condition_place: Place,
    pub(in crate::rules) output: TracedText,
    pub(in crate::rules) output_place: Place,
    pub(in crate::rules) desc: String,
    pub(in crate::rules) priority: Priority,
    pub(in crate::rules) source: String,
    pub(in crate::rules) enabled: bool,
    pub(in crate::rules) capture: bool,
    pub(in crate::rules) warn_event_types: bool,
    pub(in crate::rules) skip_if_unknown_filter: bool,
    pub(in crate::rules) tags: BTreeSet<String>,
    pub(in crate::rules) exceptions: Exceptions,
}

/// How often a name is looked for among all those that are known.
const SUGGESTIONS_MAX: usize = 100;

/// The sources whose events this engine knows.
const SOURCES: [&str; 2] = ["syscall", "k8s_audit"];

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

const NO_PREVIOUS_APPEND: &str =
    "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists";

const NO_PREVIOUS_REPLACE: &str =
    "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists";

impl Definitions {
    pub(in crate::rules) fn take_rule(
        &mut self,
        name: &str,
        keys: Keys<'_, '_>,
        sources: &Sources,
        remarks: &mut Vec<Problem>,
    ) -> Result<(), Refusal> {
        let source = keys.scalar_or_empty("source")?;
        let append = append_flag(keys, remarks)?;
        let overrides = Overrides::read(keys, APPENDABLE, REPLACEABLE, remarks)?;
        overrides.check_alone(append, keys.trail)?;
        if overrides.any() {
            return self.override_rule(name, keys, source, &overrides, sources, remarks);
        }
        if append {
            let mut update = Update::default();
            if keys.has("condition") {
                update.condition = Some(text(keys, "condition", sources)?);
            }
            if keys.has("exceptions") {
                update.exceptions = Some(exceptions::read(keys, true, remarks)?);
            }
            let rule = self.rule_to_append(name, source, keys.trail, &mut update)?;
            rule.append(update);
            return Ok(());
        }
        let required = ["condition", "output", "desc", "priority"];
        if required.into_iter().any(|key| keys.has(key)) {
            let rule = RuleDefinition::new(keys, sources, remarks)?;
            self.check_source(name, &rule.source, keys.trail)?;
            self.rules.insert(name.to_owned(), rule);
            return Ok(());
        }
        let Some(enabled) = keys.flag("enabled")? else {
            return Err(malformed("Item has no mapping for key 'enabled'", keys.trail));
        };
        remarks.push(Problem::new(Code::DeprecatedItem, ENABLED_IS_DEPRECATED, keys.trail));
        let Some(rule) = self.rules.get_mut(name) else {
            let message = "Rule has 'enabled' key but no rule by that name already exists";
            return Err(self.with_meant(invalid(message, keys.trail), name));
        };
        rule.enabled = enabled;
        Ok(())
    }

    /// Appends first, then replaces; nothing is changed unless all of it can be.
    fn override_rule(
        &mut self,
        name: &str,
        keys: Keys<'_, '_>,
        source: &str,
        overrides: &Overrides,
        sources: &Sources,
        remarks: &mut Vec<Problem>,
    ) -> Result<(), Refusal> {
        let operations = [("append", &overrides.append), ("replace", &overrides.replace)];
        for (operation, names) in operations {
            if let Some((key, place)) = names.iter().find(|(key, _)| !keys.has(key)) {
                let message = format!(
                    "An {operation} override for '{key}' was specified but '{key}' is not defined"
                );
                return Err(Box::new(malformed(message, keys.trail).at(*place)));
            }
        }
        let appends = |key: &str| overrides.append.contains_key(key);
        let replaces = |key: &str| overrides.replace.contains_key(key);
        let mut update = Update::read(keys, &appends, true, sources, remarks)?;
        // Falco looks at the source of an item only if it changes the condition.
        let source_if = |changed: bool| if changed { source } else { "" };
        if !overrides.append.is_empty() {
            let source = source_if(appends("condition"));
            self.rule_to_append(name, source, keys.trail, &mut update)?;
        }
        let replacement = Update::read(keys, &replaces, false, sources, remarks)?;
        let known_source = match self.rules.get(name) {
            Some(rule) => rule.has_known_source(),
            None => {
                let refusal = invalid(NO_PREVIOUS_REPLACE, keys.trail);
                return Err(self.with_meant(refusal, name));
            }
        };
        self.check_source(name, source_if(replaces("condition")), keys.trail)?;
        let replacement = replacement.completed(known_source)?;
        // In the order of their names, as Falco finds them.
        let mut unexpected: Vec<&str> = REPLACEABLE.to_vec();
        unexpected.retain(|key| keys.has(key) && !appends(key) && !replaces(key));
        if let Some(key) = unexpected.iter().min() {
            let place = keys.get(key).map_or(keys.node.place, |node| node.place);
            let trail = keys.trail.step(ItemType::Override, key, place);
            let message = format!(
                "Unexpected key '{key}': no corresponding entry under 'override' is defined."
            );
            return Err(malformed(message, &trail));
        }
        if let Some(rule) = self.rules.get_mut(name) {
            rule.append(update);
            rule.replace(replacement);
        }
        Ok(())
    }

    /// The rule that an update can be appended to.
    fn rule_to_append(
        &mut self,
        name: &str,
        source: &str,
        trail: &Trail,
        update: &mut Update,
    ) -> Result<&mut RuleDefinition, Refusal> {
        self.check_source(name, source, trail)?;
        if !self.rules.contains_key(name) {
            return Err(self.with_meant(invalid(NO_PREVIOUS_APPEND, trail), name));
        }
        if !update.has_any_to_append() {
            let message = "Appended rule must have exceptions or condition property";
            return Err(invalid(message, trail));
        }
        match self.rules.get_mut(name) {
            Some(rule) => {
                if let Some(appended) = &mut update.exceptions {
                    let known_source = rule.has_known_source();
                    rule.exceptions.check_appended(appended, known_source)?;
                }
                Ok(rule)
            }
            None => Err(invalid(NO_PREVIOUS_APPEND, trail)),
        }
    }

    fn check_source(&self, name: &str, source: &str, trail: &Trail) -> Result<(), Refusal> {
        match self.rules.get(name) {
            Some(known) if !source.is_empty() && known.source != source => {
                Err(invalid("Rule has been re-defined with a different source", trail))
            }
            _ => Ok(()),
        }
    }

    /// Adds the rule that may have been meant, unless enough was suggested already.
    fn with_meant(&mut self, refusal: Refusal, name: &str) -> Refusal {
        if self.suggestions == SUGGESTIONS_MAX {
            return refusal;
        }
        self.suggestions += 1;
        let meant = suggest::nearest(name, self.rules.keys().map(String::as_str));
        Box::new(refusal.suggesting(meant))
    }
}

impl RuleDefinition {
    fn new(
        keys: Keys<'_, '_>,
        sources: &Sources,
        remarks: &mut Vec<Problem>,
    ) -> Result<Self, Refusal> {
        let (condition, condition_node) = keys.scalar("condition")?;
        let (output, output_node) = keys.scalar("output")?;
        let (desc, _) = keys.scalar("desc")?;
        let priority = priority(keys)?;
        let source = keys.optional_scalar("source")?.map_or("syscall", |(source, _)| source);
        let mut rule = Self {
            trail: keys.trail.clone(),
            condition: sources.trace(condition, condition_node.place),
            condition_place: condition_node.place,
            output: sources.trace(output, output_node.place).trimmed(),
            output_place: output_node.place,
            desc: desc.trim().to_owned(),
            priority,
            source: source.to_owned(),
            enabled: keys.flag("enabled")?.unwrap_or(true),
            capture: keys.flag("capture")?.unwrap_or(false),
            warn_event_types: true,
            skip_if_unknown_filter: false,
            tags: BTreeSet::new(),
            exceptions: Exceptions::default(),
        };
        keys.number("capture_duration")?;
        rule.warn_event_types = keys.flag("warn_evttypes")?.unwrap_or(true);
        rule.skip_if_unknown_filter = keys.flag("skip-if-unknown-filter")?.unwrap_or(false);
        rule.tags = keys.tags()?;
        let mut exceptions = exceptions::read(keys, false, remarks)?;
        if !rule.has_known_source() {
            let message = format!("Unknown source {}, skipping", rule.source);
            let mut remark = Problem::new(Code::UnknownSource, message, keys.trail);
            remark.suggestion = suggest::nearest(&rule.source, SOURCES);
            remark.place = keys.get("source").map_or(remark.place, |node| node.place);
            remarks.push(remark);
        }
        complete(&mut exceptions, rule.has_known_source())?;
        rule.exceptions = Exceptions::new(exceptions);
        Ok(rule)
    }

    /// Whether this engine has events for it.
    pub(in crate::rules) fn has_known_source(&self) -> bool {
        SOURCES.contains(&self.source.as_str())
    }

    fn append(&mut self, update: Update) {
        for (text, more) in
            [(&mut self.condition, update.condition), (&mut self.output, update.output)]
        {
            if let Some(more) = more {
                text.push_str(" ");
                text.push(&more);
            }
        }
        if let Some(desc) = update.desc {
            self.desc.push(' ');
            self.desc.push_str(desc.trim());
        }
        self.tags.extend(update.tags.into_iter().flatten());
        self.exceptions.append(update.exceptions.unwrap_or_default());
    }

    fn replace(&mut self, update: Update) {
        fn set<T>(value: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *value = new;
            }
        }
        set(&mut self.condition, update.condition);
        set(&mut self.output, update.output);
        set(&mut self.desc, update.desc.map(|desc| desc.trim().to_owned()));
        set(&mut self.tags, update.tags);
        set(&mut self.exceptions, update.exceptions.map(Exceptions::new));
        set(&mut self.priority, update.priority);
        set(&mut self.enabled, update.enabled);
        set(&mut self.capture, update.capture);
        set(&mut self.warn_event_types, update.warn_event_types);
        set(&mut self.skip_if_unknown_filter, update.skip_if_unknown_filter);
    }
}

/// What one item changes of a rule.
#[derive(Debug, Default)]
struct Update {
    condition: Option<TracedText>,
    output: Option<TracedText>,
    desc: Option<String>,
    tags: Option<BTreeSet<String>>,
    exceptions: Option<Vec<Exception>>,
    priority: Option<Priority>,
    enabled: Option<bool>,
    capture: Option<bool>,
    warn_event_types: Option<bool>,
    skip_if_unknown_filter: Option<bool>,
}

impl Update {
    /// Reads the keys that `wants` names; these are known to be there.
    fn read(
        keys: Keys<'_, '_>,
        wants: &dyn Fn(&str) -> bool,
        appending: bool,
        sources: &Sources,
        remarks: &mut Vec<Problem>,
    ) -> Result<Self, Refusal> {
        let mut update = Self::default();
        if wants("condition") {
            update.condition = Some(text(keys, "condition", sources)?);
        }
        if wants("exceptions") {
            update.exceptions = Some(exceptions::read(keys, appending, remarks)?);
        }
        if wants("output") {
            update.output = Some(text(keys, "output", sources)?);
        }
        if wants("desc") {
            update.desc = Some(keys.scalar("desc")?.0.to_owned());
        }
        if wants("tags") {
            update.tags = Some(keys.tags()?);
        }
        if wants("priority") {
            update.priority = Some(priority(keys)?);
        }
        if wants("capture") {
            update.capture = keys.flag("capture")?;
        }
        if wants("capture_duration") {
            keys.number("capture_duration")?;
        }
        for (key, flag) in [
            ("enabled", &mut update.enabled),
            ("warn_evttypes", &mut update.warn_event_types),
            ("skip-if-unknown-filter", &mut update.skip_if_unknown_filter),
        ] {
            if wants(key) {
                *flag = keys.flag(key)?;
            }
        }
        Ok(update)
    }

    fn completed(mut self, known_source: bool) -> Result<Self, Refusal> {
        complete(self.exceptions.as_deref_mut().unwrap_or_default(), known_source)?;
        Ok(self)
    }

    fn has_any_to_append(&self) -> bool {
        self.condition.is_some()
            || self.output.is_some()
            || self.desc.is_some()
            || self.tags.is_some()
            || self.exceptions.is_some()
    }
}

/// Checks exceptions that stand for themselves.
fn complete(exceptions: &mut [Exception], known_source: bool) -> Result<(), Refusal> {
    for exception in exceptions {
        if !exception.has_fields() {
            let message = "Rule exception item must have fields property with a list of fields";
            return Err(invalid(message, &exception.trail));
        }
        exception.complete(known_source)?;
    }
    Ok(())
}

fn text(keys: Keys<'_, '_>, key: &str, sources: &Sources) -> Result<TracedText, Refusal> {
    let (text, node) = keys.scalar(key)?;
    Ok(sources.trace(text, node.place))
}

fn priority(keys: Keys<'_, '_>) -> Result<Priority, Refusal> {
    let (text, node) = keys.scalar("priority")?;
    text.parse().map_err(|UnknownPriority(text)| {
        let trail = keys.trail.step(ItemType::RulePriority, "", node.place);
        let names = Priority::ALL.iter().map(|priority| priority.as_str());
        let meant = suggest::nearest(&text, names);
        Box::new(malformed("Invalid priority", &trail).suggesting(meant))
    })
}
