//! Reads rule files, says what is wrong with them, and changes the rules in use.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context as _;
use lanner_engine::{Diagnostic, FieldRef, Options, Rule, RuleSet, Severity, SourceFile, load};
use tokio::sync::watch;

/// Loads rule files in order. What is wrong with a rule leaves out that rule, and a file that
/// is no text is left out.
///
/// # Errors
/// When a file cannot be read.
pub fn read(files: &[PathBuf], options: &Options) -> anyhow::Result<(RuleSet, Vec<Diagnostic>)> {
    let mut sources = Vec::new();
    let mut unusable = Vec::new();
    for path in files {
        let bytes =
            fs::read(path).with_context(|| format!("cannot read rules {}", path.display()))?;
        match SourceFile::from_bytes(&path.display().to_string(), bytes) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => unusable.push(*diagnostic),
        }
    }
    let (set, diagnostics) = load(&sources, options);
    unusable.extend(diagnostics);
    Ok((set, unusable))
}

/// How many of the diagnostics are errors.
pub fn count_errors(diagnostics: &[Diagnostic]) -> usize {
    errors(diagnostics).count()
}

/// Those that are errors.
pub fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Enabled rules for system calls that can never fire, as none of the events that they look at
/// is reported; with the types of these. `is_reported` knows an event type.
pub fn blind(rules: &RuleSet, is_reported: impl Fn(&str) -> bool) -> Vec<(&str, Vec<&str>)> {
    let ours = rules.rules().filter(|rule| rule.enabled && rule.source == SYSCALL);
    let types = ours.map(|rule| (rule.name.as_str(), rule.event_types()));
    types
        .filter(|(_, types)| !types.is_empty() && !types.iter().any(|name| is_reported(name)))
        .collect()
}

/// The source that rules about system calls name.
pub const SYSCALL: &str = "syscall";

/// The rules in use, and everything that follows when they change.
pub struct LiveRules {
    current: watch::Sender<Arc<RuleSet>>,
    followers: Vec<Follower>,
}

/// Somebody who must know the rules before events are evaluated with them.
type Follower = Box<dyn FnMut(&RuleSet) + Send>;

impl LiveRules {
    pub fn new(rules: RuleSet) -> Self {
        Self { current: watch::Sender::new(Arc::new(rules)), followers: Vec::new() }
    }

    /// For a partition: it looks whether there are others before each event.
    pub fn watch(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.current.subscribe()
    }

    /// Tells `follower` the rules now and at each change, before the partitions have them: what
    /// the new rules want must pass the kernel by then.
    pub fn follow(&mut self, mut follower: impl FnMut(&RuleSet) + Send + 'static) {
        follower(&self.current.borrow());
        self.followers.push(Box::new(follower));
    }

    /// Changes the rules for all partitions at once, and says what is different.
    pub fn apply(&mut self, rules: RuleSet) -> Difference {
        for follower in &mut self.followers {
            follower(&rules);
        }
        let rules = Arc::new(rules);
        let old = self.current.send_replace(Arc::clone(&rules));
        Difference::between(&old, &rules)
    }
}

/// What a change of the rules changes, by the names of enabled rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
}

impl Difference {
    fn between(old: &RuleSet, new: &RuleSet) -> Self {
        let (old, new) = (enabled(old), enabled(new));
        let mut difference = Self::default();
        for (name, rule) in &new {
            match old.get(name) {
                None => difference.added.push((*name).to_owned()),
                Some(before) if looks(before) != looks(rule) => {
                    difference.changed.push((*name).to_owned());
                }
                Some(_) => {}
            }
        }
        let removed = old.keys().filter(|name| !new.contains_key(*name));
        difference.removed = removed.map(|name| (*name).to_owned()).collect();
        difference
    }

    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

fn enabled(rules: &RuleSet) -> BTreeMap<&str, &Rule> {
    let enabled = rules.rules().filter(|rule| rule.enabled);
    enabled.map(|rule| (rule.name.as_str(), rule)).collect()
}

fn looks(rule: &Rule) -> (String, &str, &[String], &str, lanner_engine::Priority) {
    (rule.condition_compiled(), &rule.output, &rule.tags, &rule.desc, rule.priority)
}

/// The names of the enabled rules whose condition or output asks for what only a container's
/// runtime knows.
pub fn needing_runtime(rules: &RuleSet) -> HashSet<String> {
    let is_late = |FieldRef { field, .. }: &FieldRef| match field.name() {
        "container.id" | "container.full_id" => false,
        name => name.starts_with("container.") || name.starts_with("k8s."),
    };
    let enabled = rules.rules().filter(|rule| rule.enabled);
    enabled.filter(|rule| rule.fields().iter().any(is_late)).map(|rule| rule.name.clone()).collect()
}
