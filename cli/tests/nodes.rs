//! `lanner nodes`, against a real bus with certificates.

use std::process::{Command, Output};

use jiff::Timestamp;
use lanner_alert::{Drops, HEARTBEAT_SCHEMA, Heartbeat, SpoolBrief};
use lanner_bus::{Connection, Identity};
use lanner_testkit::SecuredBus;
use serde_json::Value;

fn lanner(bus: &SecuredBus, identity: &Identity, args: &[&str]) -> Output {
    let file = bus.pki().join(format!("{}.yaml", identity.file_stem()));
    std::fs::write(&file, format!("bus:\n{}", bus.connection_yaml(identity, "  "))).unwrap();
    let command = [args, &["--config", file.to_str().unwrap()]].concat();
    Command::new(env!("CARGO_BIN_EXE_lanner")).arg("nodes").args(command).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_listed_checked_and_forgotten() {
    let bus = SecuredBus::start(&["n1", "n2"]).await;
    let empty = lanner(&bus, &Identity::Subscriber, &["--check"]);
    assert_eq!(text(&empty.stderr), "no node has told of itself\n");
    assert_eq!((empty.status.code(), text(&empty.stdout)), (Some(0), ""));

    for (node, troubles) in [("n1", vec![]), ("n2", vec!["sensor-away".to_owned()])] {
        let identity = Identity::Forwarder { node: node.to_owned() };
        let forwarder = Connection::connect(&bus.connection(&identity)).await.unwrap();
        let beat = Heartbeat {
            schema: HEARTBEAT_SCHEMA,
            node: node.to_owned(),
            cluster: Some("eu-1".to_owned()),
            time: Timestamp::now(),
            interval_seconds: 300,
            forwarder_version: "0.1.0".to_owned(),
            sensor: None,
            drops: Drops::default(),
            spool: SpoolBrief::default(),
            troubles,
        };
        forwarder.beat(&beat).await.unwrap();
    }
    let list = lanner(&bus, &Identity::Subscriber, &[]);
    assert_eq!(list.status.code(), Some(0), "{}", text(&list.stderr));
    let states: Vec<Vec<&str>> =
        text(&list.stdout).lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(
        states,
        [["NODE", "CLUSTER", "STATE"], ["n1", "eu-1", "ok"], ["n2", "eu-1", "sensor-away"]]
    );
    let json = lanner(&bus, &Identity::Subscriber, &["--json", "--check"]);
    assert_eq!(json.status.code(), Some(1), "one is degraded");
    let states: Vec<(String, String)> = text(&json.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|node| [&node["node"], &node["state"]].map(|text| text.as_str().unwrap().to_owned()))
        .map(|[node, state]| (node, state))
        .collect();
    let expected = [("n1", "ok"), ("n2", "degraded")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(states, expected);

    let refused = lanner(&bus, &Identity::Subscriber, &["forget", "n2"]);
    assert_eq!(refused.status.code(), Some(1));
    let why = "error: the bus does not let us forget the node; nodes are read as subscriber, responder or admin, and forgotten as admin\n";
    assert_eq!(
        text(&refused.stderr).lines().last().map(|line| format!("{line}\n")).as_deref(),
        Some(why)
    );
    let forgotten = lanner(&bus, &Identity::Admin, &["forget", "n2"]);
    assert_eq!(forgotten.status.code(), Some(0), "{}", text(&forgotten.stderr));
    let check = lanner(&bus, &Identity::Admin, &["--check"]);
    assert_eq!((check.status.code(), text(&check.stdout).lines().count()), (Some(0), 2));
}
