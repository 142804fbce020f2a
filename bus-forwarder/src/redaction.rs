//! Secrets go before an alert is kept or leaves this node.
//!
//! ```text
//! alert's JSON ─▶ does any literal of a default pattern stand in it? ─no─▶ as it came
//!                           │ yes, or rules of the configuration
//!                           ▼
//!     each text: output, output_fields, other keys ─▶ rules, in order ─▶ changed fields
//!                                                                  are named in `lanner.redacted`
//! ```
//!
//! Promises:
//! - Rule, priority, tags, time, node, hostname and `entity` stay: who answers
//!   an alert aims by these.
//! - Where a field changed, its old value is also replaced in `output`, which
//!   was rendered from it.
//! - Time is linear in the alert's length, whatever is in it.
//!
//! Not here: secrets that no pattern knows, and those that a process was given
//! in another way than by its arguments.

mod config;
mod defaults;
mod rule;

use std::{borrow::Cow, ops::BitOr};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use anyhow::Context as _;
use lanner_alert::Alert;
use serde_json::{Map, Value};

pub use self::config::{RedactionConfig, RedactionRule, With};
use self::{defaults::Default, rule::Rule};

/// Shorter values stand in a message by chance.
const REPLACED_BYTES_MIN: usize = 4;
/// Most old values that are looked for in a message.
const REPLACED_MAX: usize = 64;
/// Among the `output_fields`: names what was changed.
const REDACTED: &str = "lanner.redacted";

/// Takes secrets out of alerts.
#[derive(Debug)]
pub struct Redactor {
    /// Of the configuration; tried on every alert.
    rules: Vec<Rule>,
    /// Tried where one of their literals is.
    defaults: Vec<Rule>,
    /// `None` without defaults.
    literals: Option<Literals>,
}

#[derive(Debug)]
struct Literals {
    automaton: AhoCorasick,
    /// For each literal, the default that needs it, as a bit.
    bits: Vec<u64>,
}

impl Redactor {
    /// Reads the key file, if there is one, and makes ready what `config` says.
    ///
    /// # Errors
    /// The message names the key and the cure.
    pub fn new(config: &RedactionConfig) -> anyhow::Result<Self> {
        let hash_key = config.hash_key()?;
        let rules = config.rules.iter().enumerate().map(|(index, rule)| {
            let key = hash_key.as_ref();
            Rule::configured(rule, key).with_context(|| format!("redact.rules[{index}]"))
        });
        let rules: Vec<Rule> = rules.collect::<anyhow::Result<_>>()?;
        if !config.defaults {
            return Ok(Self { rules, defaults: Vec::new(), literals: None });
        }
        let (mut defaults, mut literals, mut bits) = (Vec::new(), Vec::new(), Vec::new());
        for (index, Default { needs, pattern, .. }) in defaults::read()?.into_iter().enumerate() {
            defaults.push(Rule::masking(&pattern)?);
            bits.extend(needs.iter().map(|_| 1_u64 << index));
            literals.extend(needs);
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(literals)
            .context("the default patterns")?;
        Ok(Self { rules, defaults, literals: Some(Literals { automaton, bits }) })
    }

    /// Takes secrets out of `alert`, whose JSON, as [`Alert::to_json`] writes
    /// it, is `json`. Whether there was any.
    pub fn redact(&self, alert: &mut Alert, json: &[u8]) -> bool {
        let rules = self.rules_for(json);
        if rules.is_empty() {
            return false;
        }
        let mut work = Work { rules, changed: Vec::new(), replaced: Vec::new() };
        let program = alert.output_fields.get("proc.name").and_then(Value::as_str);
        let program = program.map(str::to_owned);
        work.fields(&mut alert.output_fields, program.as_deref());
        work.fields(&mut alert.other, None);
        work.message("output", &mut alert.output);
        if let Some(Value::String(message)) = alert.other.get_mut("message") {
            work.message("message", message);
        }
        let changed = !work.changed.is_empty();
        if changed {
            alert.output_fields.insert(REDACTED.to_owned(), work.changed.into());
        }
        changed
    }

    /// Takes secrets out of a text that is no alert. Rules for certain fields
    /// do not apply.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for rule in self.rules_for(text.as_bytes()).iter().filter(|rule| rule.is_for_any_field()) {
            if let Some(redacted) = rule.replace(&text) {
                text = Cow::Owned(redacted);
            }
        }
        text
    }

    /// What may find something in these bytes. The configuration's come first:
    /// they may want to hash what a default would mask.
    fn rules_for(&self, bytes: &[u8]) -> Vec<&Rule> {
        let mut wanted = 0;
        if let Some(Literals { automaton, bits }) = &self.literals {
            for found in automaton.find_overlapping_iter(bytes) {
                wanted |= bits.get(found.pattern().as_usize()).copied().unwrap_or_default();
            }
        }
        let defaults = self.defaults.iter().enumerate();
        let defaults = defaults.filter(|(index, _)| wanted & (1 << index) != 0);
        self.rules.iter().chain(defaults.map(|(_, rule)| rule)).collect()
    }
}

/// One alert under way.
struct Work<'a> {
    rules: Vec<&'a Rule>,
    /// Names of what was changed.
    changed: Vec<String>,
    /// Old values and what stands in their place.
    replaced: Vec<(String, String)>,
}

impl Work<'_> {
    fn fields(&mut self, fields: &mut Map<String, Value>, program: Option<&str>) {
        let mut dropped = Vec::new();
        for (name, value) in fields.iter_mut() {
            // The one option of a program that no name tells is found where its
            // program stands in front.
            let front = program.filter(|_| name == "proc.args").unwrap_or_default();
            let Some(deed) = self.value(name, value, front) else { continue };
            if deed == Deed::Dropped {
                dropped.push(name.clone());
            }
            self.note(name);
        }
        for name in dropped {
            fields.remove(&name);
        }
    }

    /// Changes `value`; `None` when there is nothing to change.
    fn value(&mut self, name: &str, value: &mut Value, front: &str) -> Option<Deed> {
        let mut deed = None;
        for rule in self.rules.clone().into_iter().filter(|rule| rule.is_for(name)) {
            if rule.takes_all() {
                if value.is_null() {
                    continue;
                }
                let whole = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let instead = rule.instead_of(&whole);
                let instead_text = instead.clone().unwrap_or_default();
                self.replace_later(whole, instead_text);
                let Some(instead) = instead else { return Some(Deed::Dropped) };
                *value = Value::String(instead);
                deed = Some(Deed::Changed);
            } else if self.texts(rule, value, front) {
                deed = Some(Deed::Changed);
            }
        }
        deed
    }

    /// Applies a pattern to every text in `value`.
    fn texts(&mut self, rule: &Rule, value: &mut Value, front: &str) -> bool {
        match value {
            Value::String(text) => {
                let redacted = if front.is_empty() {
                    rule.replace(text)
                } else {
                    let whole = format!("{front} {text}");
                    let redacted = rule.replace(&whole);
                    // Who hides the program's name has hidden what follows.
                    redacted.map(|whole| match whole.strip_prefix(&format!("{front} ")) {
                        Some(rest) => rest.to_owned(),
                        None => whole,
                    })
                };
                let Some(redacted) = redacted else { return false };
                self.replace_later(std::mem::replace(text, redacted.clone()), redacted);
                true
            }
            Value::Array(values) => values
                .iter_mut()
                .map(|value| self.texts(rule, value, front))
                .fold(false, BitOr::bitor),
            Value::Object(values) => values
                .values_mut()
                .map(|value| self.texts(rule, value, front))
                .fold(false, BitOr::bitor),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn replace_later(&mut self, old: String, new: String) {
        if old.len() >= REPLACED_BYTES_MIN && self.replaced.len() < REPLACED_MAX {
            self.replaced.push((old, new));
        }
    }

    /// The text that was rendered from the fields, or is part of it.
    fn message(&mut self, name: &str, text: &mut String) {
        let mut changed = false;
        // A short value may stand within a longer one.
        self.replaced.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        for (old, new) in &self.replaced {
            if text.contains(old) {
                *text = text.replace(old, new);
                changed = true;
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.is_for(name)) {
            if rule.takes_all() {
                *text = rule.instead_of(text).unwrap_or_default();
                changed = true;
            } else if let Some(redacted) = rule.replace(text) {
                *text = redacted;
                changed = true;
            }
        }
        if changed {
            self.note(name);
        }
    }

    fn note(&mut self, name: &str) {
        if !self.changed.iter().any(|known| known == name) {
            self.changed.push(name.to_owned());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Changed,
    Dropped,
}
