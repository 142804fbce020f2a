//! Alerts that are alike: some go out, the others become one summary.

use lanner_alert::{Alert, AlertId, Entity, Priority, SCHEMA};
use lanner_sensor::{
    alerts::AlertMaker,
    enrich::process::ProcessKey,
    repetition::{Repetition, Scope},
};

const SECOND_NS: i64 = 1_000_000_000;

fn alert(rule: &str, priority: Priority, at_s: i64) -> Alert {
    let time = jiff::Timestamp::from_second(1_800_000_000 + at_s).unwrap();
    Alert {
        id: AlertId::new(),
        schema: SCHEMA,
        time,
        node: "n".to_owned(),
        cluster: None,
        hostname: "n".to_owned(),
        rule: rule.to_owned(),
        priority,
        source: "syscall".to_owned(),
        tags: ["shell".to_owned()].into(),
        output: format!("10:00:00.000000000: {priority} shell at {at_s}"),
        output_fields: Default::default(),
        entity: Entity { pid: Some(at_s), ..Entity::default() },
        other: Default::default(),
    }
}

fn at_ns(second: i64) -> Option<i64> {
    Some((1_800_000_000 + second) * SECOND_NS)
}

fn container(name: &str) -> Scope {
    Scope::Container(name.to_owned())
}

fn admitted(repetition: &mut Repetition, scope: &Scope, priority: Priority, at_s: i64) -> bool {
    repetition.admit(alert("r", priority, at_s), || scope.clone()).is_some()
}

#[test]
fn a_loop_gives_its_share_and_one_summary_a_minute() {
    let (mut repetition, maker) = (Repetition::new(6), AlertMaker::new("n", None));
    let scope = container("a");
    let passed: Vec<i64> = (0..50)
        .filter(|second| admitted(&mut repetition, &scope, Priority::Warning, *second))
        .collect();
    assert_eq!(passed, [0, 1, 2, 3, 4, 5]);
    assert!(repetition.due(at_ns(65), &maker).is_empty(), "the minute is not over");
    let due = repetition.due(at_ns(66), &maker);
    let [summary] = due.as_slice() else { panic!("{} summaries", due.len()) };
    assert_eq!((summary.rule.as_str(), summary.priority), ("r", Priority::Warning));
    assert_eq!(summary.entity.pid, Some(49), "of the last");
    assert!(summary.tags.contains("shell"));
    assert_eq!(summary.output_fields["repetition.count"], 44);
    assert_eq!(summary.output_fields["repetition.first"], "2027-01-15T08:00:06Z");
    assert_eq!(summary.output_fields["repetition.last"], "2027-01-15T08:00:49Z");
    let message = "Warning 44 more like this in the last minute, first at 2027-01-15T08:00:06Z, \
                   last at 2027-01-15T08:00:49Z: shell at 49";
    assert!(summary.output.ends_with(message), "{}", summary.output);
    assert!(repetition.due(at_ns(200), &maker).is_empty(), "told once");
    // The bucket is full again.
    assert!(admitted(&mut repetition, &scope, Priority::Warning, 200));
    assert_eq!(repetition.kept_back(), 44);
}

#[test]
fn a_slow_one_always_passes() {
    let mut repetition = Repetition::new(6);
    let all = (0..100)
        .all(|turn| admitted(&mut repetition, &container("a"), Priority::Warning, turn * 10));
    assert!(all && repetition.kept_back() == 0);
}

#[test]
fn a_clock_that_is_set_back_takes_no_alert_away() {
    const HOUR: i64 = 3600;
    let (mut repetition, maker) = (Repetition::new(6), AlertMaker::new("n", None));
    let scope = container("a");
    let admitted = |repetition: &mut Repetition, at_s: i64| {
        admitted(repetition, &scope, Priority::Warning, at_s)
    };
    let passed = (HOUR..HOUR + 10).filter(|second| admitted(&mut repetition, *second)).count();
    assert_eq!(passed, 6);
    // A second back is disorder. An hour is not, and what was kept back is told at once.
    assert!(repetition.due(at_ns(HOUR - 1), &maker).is_empty());
    let due = repetition.due(at_ns(0), &maker);
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].output_fields["repetition.count"], 4);
    // It gains its share as before: one each ten seconds.
    let passed: Vec<i64> =
        [1, 11, 18, 21].into_iter().filter(|at_s| admitted(&mut repetition, *at_s)).collect();
    assert_eq!(passed, [1, 11]);
    assert_eq!(repetition.due(at_ns(78), &maker).len(), 1, "kept back at 18");
}

#[test]
fn rules_containers_and_trees_do_not_share() {
    let mut repetition = Repetition::new(1);
    let tree = |pid| Scope::Tree(ProcessKey { pid, start_ticks: 1 });
    for scope in [container("a"), container("b"), tree(7), tree(8)] {
        assert!(admitted(&mut repetition, &scope, Priority::Notice, 0), "{scope:?}");
        assert!(!admitted(&mut repetition, &scope, Priority::Notice, 0), "{scope:?}");
    }
    assert!(repetition.admit(alert("other", Priority::Notice, 0), || container("a")).is_some());
}

#[test]
fn nothing_urgent_is_kept_back_and_nothing_without_a_limit() {
    let mut repetition = Repetition::new(1);
    for _ in 0..100 {
        assert!(admitted(&mut repetition, &container("a"), Priority::Critical, 0));
    }
    let mut unlimited = Repetition::new(0);
    for _ in 0..100 {
        assert!(admitted(&mut unlimited, &container("a"), Priority::Debug, 0));
    }
}

#[test]
fn many_containers_take_bounded_memory_and_lose_no_count() {
    let (mut repetition, maker) = (Repetition::new(1), AlertMaker::new("n", None));
    let (mut out, mut told) = (0, 0);
    let count = |alerts: Vec<Alert>| -> u64 {
        alerts.iter().map(|alert| alert.output_fields["repetition.count"].as_u64().unwrap()).sum()
    };
    for number in 0..20_000 {
        let scope = container(&number.to_string());
        for _ in 0..3 {
            out += u64::from(admitted(&mut repetition, &scope, Priority::Notice, 0));
            if repetition.is_full() {
                told += count(repetition.due(at_ns(0), &maker));
            }
            assert!(!repetition.is_full());
        }
    }
    told += count(repetition.due(None, &maker));
    assert_eq!(out + told, 60_000);
    assert!(repetition.evicted() > 10_000, "{}", repetition.evicted());
}
