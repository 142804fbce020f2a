//! Alerts that are alike: of one rule, with one pattern.

use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    alert::Alert,
    pattern::{cut, pattern},
};

/// How many groups, and rules, are kept; whoever floods the log must not fill the memory.
const GROUPS_MAX: usize = 1000;

/// How many fields of a group are looked at.
const FIELDS_MAX: usize = 64;

/// Up to how many different values of a field are counted.
const VALUES_MAX: usize = 32;

/// How much of a message, and of a value, is kept to be shown.
const EXAMPLE_BYTES_MAX: usize = 1024;
const VALUE_BYTES_MAX: usize = 120;

/// What the alerts of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    /// Empty for lines of text.
    pub(super) rule: String,
    pub(super) priority: String,
    pub(super) pattern: String,
}

impl Key {
    pub(super) fn of(alert: &Alert) -> Self {
        let (rule, priority) = (alert.rule.clone(), alert.priority.clone());
        Self { rule, priority, pattern: pattern(&alert.message) }
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) source: String,
    pub(super) count: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// The message of the first alert, cut.
    pub(super) example: String,
    pub(super) fields: BTreeMap<String, Seen>,
}

/// The values of one field.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How many alerts have a value.
    alerts: u64,
    /// The first value as text, cut.
    pub(super) sample: String,
    hashes: Vec<u64>,
    /// Whether there are more values than are counted.
    pub(super) more: bool,
}

impl Seen {
    /// How many different values there are, or at least are.
    pub(super) fn values(&self) -> usize {
        self.hashes.len()
    }
}

impl Group {
    /// The fields that have the same value in every alert.
    pub(super) fn constant(&self) -> impl Iterator<Item = (&String, &Seen)> {
        self.fields.iter().filter(|(_, seen)| self.is_constant(seen))
    }

    /// The fields that have several values, or none in some of the alerts.
    pub(super) fn varying(&self) -> impl Iterator<Item = (&String, &Seen)> {
        self.fields.iter().filter(|(_, seen)| !self.is_constant(seen) && seen.alerts > 0)
    }

    /// In how many alerts a field has no value.
    pub(super) fn missing(&self, seen: &Seen) -> u64 {
        self.count - seen.alerts
    }

    fn is_constant(&self, seen: &Seen) -> bool {
        seen.alerts == self.count && seen.values() == 1 && !seen.more
    }
}

/// All groups so far.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    by_key: HashMap<Key, usize>,
    hasher: RandomState,
    /// Alerts of small groups that had to make room.
    pub(super) ungrouped: u64,
}

impl Groups {
    pub(super) fn add(&mut self, alert: &Alert) {
        let key = Key::of(alert);
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => {
                if self.groups.len() >= GROUPS_MAX {
                    self.drop_small_groups();
                }
                self.by_key.insert(key.clone(), self.groups.len());
                self.groups.push(Group {
                    key,
                    source: alert.source.clone(),
                    count: 0,
                    first: None,
                    last: None,
                    example: cut(&alert.message, EXAMPLE_BYTES_MAX).to_owned(),
                    fields: BTreeMap::new(),
                });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[index];
        group.count += 1;
        group.first = group.first.into_iter().chain(alert.time).min();
        group.last = group.last.into_iter().chain(alert.time).max();
        for (name, value) in alert.fields.iter().flatten() {
            let known = group.fields.contains_key(name);
            if value.is_null() || name.len() > 128 || !known && group.fields.len() >= FIELDS_MAX {
                continue;
            }
            let seen = group.fields.entry(name.clone()).or_default();
            seen.alerts += 1;
            if seen.alerts == 1 {
                seen.sample = cut(&shown(value), VALUE_BYTES_MAX).to_owned();
            }
            let hash = self.hasher.hash_one(value);
            if !seen.hashes.contains(&hash) {
                if seen.hashes.len() < VALUES_MAX {
                    seen.hashes.push(hash);
                } else {
                    seen.more = true;
                }
            }
        }
    }

    /// Keeps the larger half, so that a flood of alerts that are all different hides no group
    /// that comes again and again, before or after it.
    fn drop_small_groups(&mut self) {
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let dropped = self.groups.split_off(GROUPS_MAX / 2);
        self.ungrouped += dropped.iter().map(|group| group.count).sum::<u64>();
        let keys = self.groups.iter().enumerate();
        self.by_key = keys.map(|(index, group)| (group.key.clone(), index)).collect();
    }

    /// The groups, the largest first; equal ones by name.
    pub(super) fn ranked(self) -> Vec<Group> {
        let mut groups = self.groups;
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}

/// A value as text, without the quotes of JSON.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(rule: &str, message: &str, fields: Json) -> Alert {
        Alert {
            rule: rule.to_owned(),
            message: message.to_owned(),
            fields: fields.as_object().cloned(),
            ..Alert::default()
        }
    }

    #[test]
    fn alike_alerts_are_one_group_and_large_groups_come_first() {
        let mut groups = Groups::default();
        groups.add(&alert("Dog", "bark", json!({})));
        for pid in 0..40 {
            let name = if pid % 2 == 0 { json!("cat") } else { Json::Null };
            let fields = json!({"proc.pid": pid, "fd.name": "/etc/shadow", "proc.name": name});
            groups.add(&alert("Cat", &format!("read it (pid={pid})"), fields));
        }
        let groups = groups.ranked();
        let names: Vec<_> = groups.iter().map(|one| (one.key.rule.as_str(), one.count)).collect();
        assert_eq!(names, [("Cat", 40), ("Dog", 1)]);
        let cat = &groups[0];
        assert_eq!(cat.key.pattern, "read it (pid=<n>)");
        let constant: Vec<_> =
            cat.constant().map(|(name, seen)| (&**name, &*seen.sample)).collect();
        assert_eq!(constant, [("fd.name", "/etc/shadow")]);
        let varying: Vec<_> = cat
            .varying()
            .map(|(name, seen)| (&**name, seen.values(), seen.more, cat.missing(seen)))
            .collect();
        assert_eq!(varying, [("proc.name", 1, false, 20), ("proc.pid", VALUES_MAX, true, 0)]);
    }

    #[test]
    fn groups_and_fields_are_bounded_and_what_is_left_out_is_counted() {
        let mut groups = Groups::default();
        let letters = |mut number: usize| {
            let mut word = String::new();
            while number > 0 {
                word.extend("ghijklmnopqrstuvwxyz".chars().nth(number % 20));
                number /= 20;
            }
            word
        };
        for number in 1..=3 * GROUPS_MAX {
            groups.add(&alert("Flood", &letters(number), json!({})));
            if number % 100 == 0 {
                groups.add(&alert("Often", "again", json!({})));
            }
        }
        let many: serde_json::Map<_, _> =
            (0..200).map(|index| (format!("f{index}"), json!(1))).collect();
        groups.add(&alert("Often", "again", Json::Object(many)));
        let ungrouped = groups.ungrouped;
        let ranked = groups.ranked();
        assert!(ranked.len() <= GROUPS_MAX);
        assert_eq!((ranked[0].key.rule.as_str(), ranked[0].count), ("Often", 31));
        assert_eq!(ranked[0].fields.len(), FIELDS_MAX);
        let grouped: u64 = ranked.iter().map(|group| group.count).sum();
        assert_eq!(grouped + ungrouped, 3 * GROUPS_MAX as u64 + 31);
    }
}
