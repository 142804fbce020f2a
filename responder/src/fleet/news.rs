//! What is new about the nodes. No I/O: the same heartbeats and the same record give the same
//! news to every replica, but for the ids of the alerts, which are those of who writes first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use lanner_alert::{Alert, AlertId, Entity, FLEET, Priority, SCHEMA, Silence, SilenceRecord};
use lanner_bus::Fleet;
use serde_json::{Map, Value as Json};

/// Silent nodes that are remembered. The record of more would be too long for
/// the bus, and what is wrong then is not the nodes.
const SILENT_MAX: usize = 4096;
/// Alerts that wait because the bus does not take them; the oldest go first.
const TO_PUBLISH_MAX: usize = 256;
/// Nodes that a summary names.
const NAMED_MAX: usize = 20;

/// When several nodes become one alert.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// What changes within that after the first change is told together with it.
    pub window: Duration,
    /// So many nodes are told in one alert.
    pub many: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { window: Duration::from_secs(15), many: 5 }
    }
}

/// What a replica sees.
pub(super) struct Seen<'f> {
    pub(super) fleet: &'f Fleet,
    /// For how long it could have seen a heartbeat, had there been one.
    pub(super) watched_for: Duration,
}

/// Compares what is seen with what was told.
pub(super) struct News {
    pub(super) cluster: Option<String>,
    pub(super) thresholds: Thresholds,
}

/// What happened to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    Silent,
    Back,
}

impl News {
    /// `record` with what is new, and with the alerts about it.
    pub(super) fn since(&self, record: &SilenceRecord, seen: &Seen<'_>) -> SilenceRecord {
        let mut newer = record.clone();
        self.find_back(&mut newer, seen);
        self.find_silent(&mut newer, seen);
        newer
    }

    fn find_back(&self, record: &mut SilenceRecord, seen: &Seen<'_>) {
        let (nodes, now) = (&seen.fleet.nodes, seen.fleet.now);
        // Forgotten, by its age or by the admin: nobody waits for it any more.
        record.silent.retain(|token, _| nodes.contains_key(token));
        for (token, silence) in &mut record.silent {
            let is_heard = nodes.get(token).is_some_and(|node| !node.is_silent(now));
            silence.back = match silence.back {
                _ if !is_heard => None,
                None => Some(now),
                told => told,
            };
        }
        let back: BTreeMap<String, Timestamp> = record
            .silent
            .iter()
            .filter_map(|(token, silence)| Some((token.clone(), silence.back?)))
            .collect();
        if self.is_time(back.values(), now) {
            record.silent.retain(|token, _| !back.contains_key(token));
            self.tell(record, Happened::Back, &back, seen);
        }
    }

    fn find_silent(&self, record: &mut SilenceRecord, seen: &Seen<'_>) {
        let now = seen.fleet.now;
        let silent = seen.fleet.nodes.iter().filter(|(token, node)| {
            node.is_silent(now)
                && seen.watched_for > node.beat.silent_after()
                && !record.silent.contains_key(*token)
        });
        let room = SILENT_MAX.saturating_sub(record.silent.len());
        let silent: Vec<_> = silent.take(room).collect();
        let fell_silent = |stored: Timestamp, after: Duration| {
            // A timestamp so near the end of time is nobody's.
            stored.checked_add(after).unwrap_or(stored)
        };
        let at: Vec<Timestamp> = silent
            .iter()
            .map(|(_, node)| fell_silent(node.stored, node.beat.silent_after()))
            .collect();
        if !self.is_time(at.iter(), now) {
            return;
        }
        let silent: BTreeMap<String, Timestamp> =
            silent.into_iter().map(|(token, node)| (token.clone(), node.stored)).collect();
        let since = |since: &Timestamp| Silence { since: *since, back: None };
        record.silent.extend(silent.iter().map(|(token, at)| (token.clone(), since(at))));
        self.tell(record, Happened::Silent, &silent, seen);
    }

    /// Whether the first of these changes is long enough ago to be told with
    /// those that came with it.
    fn is_time<'t>(&self, at: impl Iterator<Item = &'t Timestamp>, now: Timestamp) -> bool {
        let window = i128::try_from(self.thresholds.window.as_nanos()).unwrap_or(i128::MAX);
        at.min().is_some_and(|first| now.as_nanosecond() - first.as_nanosecond() >= window)
    }

    fn tell(
        &self,
        record: &mut SilenceRecord,
        what: Happened,
        nodes: &BTreeMap<String, Timestamp>,
        seen: &Seen<'_>,
    ) {
        if nodes.len() >= self.thresholds.many.max(2) {
            record.to_publish.push(self.alert(what, nodes, seen));
        } else {
            for (token, at) in nodes {
                let one = BTreeMap::from([(token.clone(), *at)]);
                record.to_publish.push(self.alert(what, &one, seen));
            }
        }
        let too_many = record.to_publish.len().saturating_sub(TO_PUBLISH_MAX);
        record.to_publish.drain(..too_many);
    }

    fn alert(&self, what: Happened, nodes: &BTreeMap<String, Timestamp>, seen: &Seen<'_>) -> Alert {
        let names: Vec<&str> = nodes
            .keys()
            .filter_map(|token| seen.fleet.nodes.get(token))
            .map(|node| node.beat.node.as_str())
            .collect();
        let first = nodes.values().min().copied().unwrap_or(seen.fleet.now);
        let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = match names.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (rule, priority) = match what {
            Happened::Silent => ("Lanner node silent", Priority::Critical),
            Happened::Back => ("Lanner node back", Priority::Notice),
        };
        let output = match (what, &names[..]) {
            (Happened::Silent, [name]) => {
                format!("Node {name} is silent: no heartbeat since {first}")
            }
            (Happened::Back, [name]) => format!("Node {name} is heard again since {first}"),
            (Happened::Silent, _) => {
                format!("{} nodes are silent, the first since {first}: {shown}{more}", names.len())
            }
            (Happened::Back, _) => format!(
                "{} nodes are heard again, the first since {first}: {shown}{more}",
                names.len()
            ),
        };
        let mut fields = Map::new();
        let mut add = |name: &str, value: Json| fields.insert(name.to_owned(), value);
        add("fleet.nodes", format!("{shown}{more}").into());
        add("fleet.nodes.count", names.len().into());
        add("fleet.since", first.to_string().into());
        Alert {
            // Nobody can guess it, and so nobody has it taken for a copy. All replicas have the
            // same: it is part of the record, which one of them writes.
            id: AlertId::new(),
            schema: SCHEMA,
            time: seen.fleet.now,
            node: FLEET.to_owned(),
            cluster: self.cluster.clone(),
            hostname: match names[..] {
                [name] => name.to_owned(),
                _ => FLEET.to_owned(),
            },
            rule: rule.to_owned(),
            priority,
            source: "internal".to_owned(),
            tags: BTreeSet::from(["fleet".to_owned(), "lanner".to_owned()]),
            output,
            output_fields: fields,
            entity: Entity::default(),
            other: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests;
