#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use expect_test::{Expect, expect};
use lanner_alert::{Drops, HEARTBEAT_SCHEMA, Heartbeat, SpoolBrief};
use lanner_bus::NodeHealth;

use super::*;

const START: &str = "2026-11-21T10:00:00Z";
const LONG: Duration = Duration::from_secs(3600);

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = START.parse().unwrap();
    start + jiff::SignedDuration::from_secs(seconds)
}

/// Nodes, and the second in which each was heard last, at second `now`.
fn fleet(now: i64, heard: &[(&str, i64)]) -> Fleet {
    let node = |(name, second): &(&str, i64)| {
        let beat = Heartbeat {
            schema: HEARTBEAT_SCHEMA,
            node: (*name).to_owned(),
            cluster: None,
            time: at(*second),
            interval_seconds: 15,
            forwarder_version: String::new(),
            sensor: None,
            drops: Drops::default(),
            spool: SpoolBrief::default(),
            troubles: Vec::new(),
        };
        ((*name).to_owned(), NodeHealth { stored: at(*second), beat })
    };
    Fleet { now: at(now), nodes: heard.iter().map(node).collect(), unreadable: 0 }
}

fn news() -> News {
    News { cluster: Some("eu-1".to_owned()), thresholds: Thresholds::default() }
}

/// What becomes of the record, and what is told, as of a replica that has
/// watched for long and publishes at once.
fn look(record: &mut SilenceRecord, fleet: &Fleet) -> Vec<Alert> {
    *record = news().since(record, &Seen { fleet, watched_for: LONG });
    std::mem::take(&mut record.to_publish)
}

#[track_caller]
fn check(alerts: &[Alert], expected: Expect) {
    let lines = alerts.iter().map(|alert| {
        format!("{} | {} | {} | {}\n", alert.priority, alert.rule, alert.hostname, alert.output)
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn a_silence_is_told_once_and_its_end_once() {
    let mut record = SilenceRecord::default();
    let others = |now: i64| [("n1", 0), ("n2", now - 3)];
    // 45 seconds are three heartbeats, and 15 are for others that follow.
    for now in [10, 45, 46, 59] {
        assert_eq!(look(&mut record, &fleet(now, &others(now))), []);
    }
    let told = look(&mut record, &fleet(60, &others(60)));
    check(
        &told,
        expect![[r#"
        Critical | Lanner node silent | n1 | Node n1 is silent: no heartbeat since 2026-11-21T10:00:00Z
    "#]],
    );
    assert_eq!((told[0].node.as_str(), told[0].cluster.as_deref()), ("_fleet", Some("eu-1")));
    for now in [61, 3600] {
        assert_eq!(look(&mut record, &fleet(now, &others(now))), []);
    }
    assert_eq!(look(&mut record, &fleet(4000, &[("n1", 3999)])), []);
    let told = look(&mut record, &fleet(4015, &[("n1", 4014)]));
    check(
        &told,
        expect![[r#"
        Notice | Lanner node back | n1 | Node n1 is heard again since 2026-11-21T11:06:40Z
    "#]],
    );
    assert_eq!(record, SilenceRecord::default());
}

/// Who could guess an id could have the alert taken for a copy of something else.
#[test]
fn nobody_can_know_the_id_of_an_alert_before_it_is_raised() {
    let ids = || {
        let fleet = fleet(100, &[("n1", 0)]);
        look(&mut SilenceRecord::default(), &fleet).iter().map(|alert| alert.id).collect::<Vec<_>>()
    };
    assert_ne!(ids(), ids());
}

#[test]
fn many_at_once_are_one_alert_and_so_is_their_return() {
    let mut record = SilenceRecord::default();
    let names: Vec<String> = (10..40).map(|n| format!("n{n}")).collect();
    let heard = |seconds: &dyn Fn(usize) -> i64| -> Vec<(&str, i64)> {
        names.iter().enumerate().map(|(n, name)| (name.as_str(), seconds(n))).collect()
    };
    // Their last heartbeats spread over an interval.
    let nodes = heard(&|n| i64::try_from(n % 15).unwrap());
    assert_eq!(look(&mut record, &fleet(59, &nodes)), []);
    check(
        &look(&mut record, &fleet(60, &nodes)),
        expect![[r#"
        Critical | Lanner node silent | _fleet | 30 nodes are silent, the first since 2026-11-21T10:00:00Z: n10, n11, n12, n13, n14, n15, n16, n17, n18, n19, n20, n21, n22, n23, n24, n25, n26, n27, n28, n29 and 10 more
    "#]],
    );
    assert_eq!(record.silent.len(), 30);
    assert_eq!(look(&mut record, &fleet(100, &heard(&|_| 99))), []);
    check(
        &look(&mut record, &fleet(115, &heard(&|_| 114))),
        expect![[r#"
        Notice | Lanner node back | _fleet | 30 nodes are heard again, the first since 2026-11-21T10:01:40Z: n10, n11, n12, n13, n14, n15, n16, n17, n18, n19, n20, n21, n22, n23, n24, n25, n26, n27, n28, n29 and 10 more
    "#]],
    );
}

#[test]
fn four_are_told_one_by_one() {
    let nodes = [("n1", 0), ("n2", 0), ("n3", 0), ("n4", 0)];
    assert_eq!(look(&mut SilenceRecord::default(), &fleet(100, &nodes)).len(), 4);
}

#[test]
fn a_replica_that_could_not_have_heard_says_nothing() {
    let fleet = fleet(1000, &[("n1", 0)]);
    let after = |watched_for| {
        let seen = Seen { fleet: &fleet, watched_for: Duration::from_secs(watched_for) };
        news().since(&SilenceRecord::default(), &seen).silent.len()
    };
    assert_eq!((after(0), after(45), after(46)), (0, 0, 1));
}

#[test]
fn a_node_that_is_heard_only_once_is_not_back() {
    let mut record = SilenceRecord::default();
    assert_eq!(look(&mut record, &fleet(60, &[("n1", 0)])).len(), 1);
    assert_eq!(look(&mut record, &fleet(101, &[("n1", 100)])), []);
    assert!(record.silent["n1"].back.is_some());
    // Between looks it fell silent again.
    assert_eq!(look(&mut record, &fleet(200, &[("n1", 100)])), []);
    assert_eq!(record.silent["n1"], Silence { since: at(0), back: None });
}

#[test]
fn who_is_forgotten_is_not_missed() {
    let mut record = SilenceRecord::default();
    look(&mut record, &fleet(60, &[("n1", 0)]));
    assert_eq!(look(&mut record, &fleet(70, &[])), []);
    assert_eq!(record, SilenceRecord::default());
}

#[test]
fn no_more_is_remembered_than_the_bus_takes() {
    let names: Vec<String> = (0..SILENT_MAX + 10).map(|n| format!("ip-10-0-{n}-1")).collect();
    let nodes: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let mut record = SilenceRecord::default();
    assert_eq!(look(&mut record, &fleet(100, &nodes)).len(), 1);
    assert_eq!(record.silent.len(), SILENT_MAX);
    // The server's default `max_payload`.
    assert!(serde_json::to_vec(&record).unwrap().len() < 1 << 20);
}
