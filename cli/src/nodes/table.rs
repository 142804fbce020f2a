use std::{fmt::Write as _, time::Duration};

use lanner_alert::{Drops, SpoolBrief};

use super::{Judged, State};
use crate::printable::Printable;

const COLUMNS: usize = 9;
const HEAD: [&str; COLUMNS] =
    ["NODE", "CLUSTER", "STATE", "FORWARDER", "SENSOR", "RULES", "LOST", "SPOOL", "CLOCK"];
/// Enough of a hash to tell it from others.
const HASH_SHOWN: usize = 8;

/// The nodes as a table for people. What stands in it came from the nodes.
pub(super) fn of(nodes: &[Judged<'_>]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(nodes.iter().map(row));
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn row(node: &Judged<'_>) -> [String; COLUMNS] {
    let beat = &node.health.beat;
    let sensor = beat.sensor.as_ref();
    let rules = sensor.map(|sensor| {
        let hash: String = sensor.rules_hash.chars().take(HASH_SHOWN).collect();
        format!("{hash}{}", if node.rules_differ { "*" } else { "" })
    });
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        beat.node.clone(),
        or_none(beat.cluster.clone()),
        match &node.state {
            State::Ok => "ok".to_owned(),
            State::Silent(age) => format!("silent for {}", short(*age)),
            State::Degraded(troubles) => troubles.join(","),
        },
        beat.forwarder_version.clone(),
        or_none(sensor.map(|sensor| sensor.version.clone())),
        or_none(rules),
        lost(beat.drops),
        spool(beat.spool),
        format!("{:+.1}s", node.clock_skew_seconds),
    ]
    .map(|cell| Printable(&cell).to_string())
}

fn lost(drops: Drops) -> String {
    let alerts = drops.sensor_alerts.saturating_add(drops.forwarder_alerts);
    match (drops.events, alerts) {
        (0, 0) => "0".to_owned(),
        (events, 0) => format!("{events} events"),
        (0, alerts) => format!("{alerts} alerts"),
        (events, alerts) => format!("{events} events, {alerts} alerts"),
    }
}

fn spool(spool: SpoolBrief) -> String {
    let size = match spool.size_bytes {
        bytes @ ..1024 => format!("{bytes} B"),
        bytes if bytes < 1 << 20 => format!("{} KiB", bytes >> 10),
        bytes => format!("{} MiB", bytes >> 20),
    };
    match spool.oldest_age_seconds {
        Some(age) => format!("{size}, {}", short(Duration::from_secs(age))),
        None => size,
    }
}

/// The two largest units are for clocks; one is enough here.
fn short(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds}s"),
        seconds if seconds < 2 * 3600 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}
