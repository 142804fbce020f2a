//! Plans, records and outcomes as they are stored and published: the golden
//! files are the contract, and what an older version wrote is still read.

use std::{collections::BTreeMap, fs, path::Path};

use expect_test::expect_file;
use lanner_alert::{
    Action, AlertId, Entity, Mode, Outcome, PLAN_SCHEMA, Place, Plan, PlanId, PlanRecord, Priority,
    Status, Step, StepOutcome, StepState, Target, Undo, UndoRequest,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

fn alert_id() -> AlertId {
    "0199c5a2-7d3e-7a10-8f4e-2f6d1c0b9a87".parse().unwrap()
}

fn step(action: Action, target: Option<Target>, line: u32) -> Step {
    let at = Place { file: "p.rhai".to_owned(), line, column: 5 };
    Step { class: action.class(), action, target, at }
}

fn plan() -> Plan {
    let pod = Some(Target::Pod {
        namespace: "shop".to_owned(),
        name: "cart-7f".to_owned(),
        uid: Some("0b7c".to_owned()),
    });
    let namespace = Some(Target::Namespace { name: "shop".to_owned() });
    let labels = BTreeMap::from([("state".to_owned(), "bad".to_owned())]);
    let isolate =
        Action::Isolate { allow_dns: true, allow_namespaces: vec!["monitoring".to_owned()] };
    let tell = Action::Notify { channel: "secops".to_owned(), text: "gone".to_owned() };
    Plan {
        schema: PLAN_SCHEMA,
        id: PlanId::of(alert_id(), "p", "0011223344556677"),
        alert: alert_id(),
        alert_time: "2026-11-21T10:00:00.000000001Z".parse().unwrap(),
        rule: "Terminal shell in container".to_owned(),
        priority: Priority::Notice,
        node: "node-7".to_owned(),
        cluster: Some("eu-1".to_owned()),
        restricted: None,
        gateway: None,
        entity: Entity { pod_name: Some("cart-7f".to_owned()), ..Entity::default() },
        playbook: "p".to_owned(),
        version: "0011223344556677".to_owned(),
        mode: Mode::Enforce,
        made: "2026-11-21T10:00:00.5Z".parse().unwrap(),
        pods_max: Some(50),
        steps: vec![
            step(Action::Label { labels }, pod.clone(), 3),
            step(isolate, namespace, 4),
            step(Action::Delete { grace_seconds: Some(5) }, pod, 5),
            step(tell, None, 6),
        ],
        skip: None,
    }
}

fn record() -> PlanRecord {
    let mut record = PlanRecord::new(plan(), "responder-0-1".to_owned());
    record.pod_uid = Some("0b7c".to_owned());
    let before = BTreeMap::from([("state".to_owned(), None)]);
    let undos = [
        Some(Undo::Labels { before }),
        Some(Undo::Policy { name: "lanner-isolated-namespace".to_owned() }),
        None,
        None,
    ];
    for (step, undo) in record.steps.iter_mut().zip(undos) {
        step.state = StepState::Done;
        step.since = Some("2026-11-21T10:00:01Z".parse().unwrap());
        step.undo = undo;
    }
    record.outcome = Some(outcome(&record));
    record.told = true;
    record.undo = Some(UndoRequest {
        by: "ada@laptop".to_owned(),
        at: "2026-11-21T11:00:00Z".parse().unwrap(),
    });
    record
}

fn outcome(record: &PlanRecord) -> Outcome {
    let plan = &record.plan;
    let steps = plan.steps.iter().zip(&record.steps);
    Outcome {
        schema: PLAN_SCHEMA,
        status: Status::Executed,
        reason: None,
        time: "2026-11-21T10:00:02Z".parse().unwrap(),
        alert: Some(plan.alert),
        alert_time: Some(plan.alert_time),
        rule: Some(plan.rule.clone()),
        node: Some(plan.node.clone()),
        cluster: plan.cluster.clone(),
        restricted: plan.restricted.clone(),
        playbook: Some(plan.playbook.clone()),
        plan: Some(plan.id),
        plan_made: Some(plan.made),
        mode: Some(plan.mode),
        responder: "responder-0-1".to_owned(),
        steps: steps
            .map(|(step, record)| StepOutcome { step: step.clone(), record: record.clone() })
            .collect(),
    }
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, golden: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(golden);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    expect_file![&path].assert_eq(&text);
    let read: T = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(&read, value);
}

#[test]
fn a_plan() {
    check(&plan(), "plan.json");
}

#[test]
fn a_record() {
    check(&record(), "plan_record.json");
}

#[test]
fn an_outcome() {
    check(&outcome(&record()), "outcome.json");
}

#[test]
fn what_a_newer_version_adds_is_passed_over() {
    let mut value = serde_json::to_value(outcome(&record())).unwrap();
    value["added_later"] = 1.into();
    value["steps"][0]["added_later"] = 1.into();
    let read: Outcome = serde_json::from_value(value).unwrap();
    assert_eq!(read, outcome(&record()));
}

#[test]
fn an_id_is_the_same_for_the_same_and_no_other() {
    let id = PlanId::of(alert_id(), "p", "v");
    assert_eq!(id, PlanId::of(alert_id(), "p", "v"));
    let others = [
        PlanId::of(AlertId::new(), "p", "v"),
        PlanId::of(alert_id(), "pv", ""),
        PlanId::of(alert_id(), "", "pv"),
        PlanId::of(alert_id(), "p", "w"),
    ];
    assert!(!others.contains(&id));
    assert!(id.to_string().starts_with(&id.short()));
    assert_eq!(id.short().len(), 12);
}

proptest! {
    #[test]
    fn an_id_is_read_as_it_is_written(playbook in ".*", version in ".*") {
        let id = PlanId::of(alert_id(), &playbook, &version);
        prop_assert_eq!(id.to_string().parse::<PlanId>(), Ok(id));
    }

    #[test]
    fn no_other_text_is_an_id(text in ".{0,80}") {
        if let Ok(id) = text.parse::<PlanId>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
    }
}
