//! Rules, tags and nodes as an attacker would name them, through the forwarder
//! to a real server: each stays one token of its subject.

use std::collections::BTreeSet;

use lanner_alert::{Priority, SubjectRoot};
use lanner_bus::{Connection, Identity};
use lanner_testkit::SecuredBus;
use tokio::time::timeout;

use crate::rig::{Rig, SOON, alert_of};

const NAMES: [&str; 14] = [
    "a.b",
    ">",
    "*",
    "a.>",
    "x.*.y",
    "end\r\nPUB lanner.alerts.x 2\r\nhi\r\n",
    "nul\0",
    "space in it",
    "tab\there",
    "$JS.API.STREAM.DELETE.LANNER_ALERTS",
    "_INBOX.x",
    "n1=via=edge",
    "\u{fc}n\u{ef}c\u{f6}d\u{e9} \u{202e}",
    "..",
];

fn is_literal(subject: &str) -> bool {
    subject.split('.').all(|token| {
        !token.is_empty()
            && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'='))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_rule_a_tag_or_a_node_leaves_its_token() {
    // The worst of them are nodes as well.
    for node in ["*", "a.>", "end\r\nPUB x 2\r\nhi\r\n", "n1=via=edge", "\u{fc}n"] {
        let rig =
            Rig { bus: SecuredBus::start(&[node, "n1"]).await, dir: tempfile::tempdir().unwrap() };
        let reader = Connection::connect(&rig.bus.connection(&Identity::Subscriber)).await.unwrap();
        let mut copies = reader.subscribe("lanner.tags.>").await.unwrap();
        let identity = Identity::Forwarder { node: node.to_owned() };
        let running = rig.start_as(
            &identity,
            &rig.socket_input(),
            &format!("node: {}\n", serde_json::to_string(node).unwrap()),
        );
        let mut sensor = rig.sensor().await;
        for name in NAMES {
            let json = alert_of(node, name, Priority::Notice);
            let mut alert: serde_json::Value = serde_json::from_slice(&json).unwrap();
            alert["tags"] = serde_json::json!([name]);
            sensor.send(serde_json::to_vec(&alert).unwrap()).await;
        }
        sensor.acknowledged().await;

        let token = lanner_alert::node_token(node);
        let mut alerts = rig.responder().await.alerts();
        let mut rules = BTreeSet::new();
        for _ in NAMES {
            let delivery = timeout(SOON, alerts.next()).await.expect("no alert");
            let subject = delivery.subject().to_owned();
            assert!(is_literal(&subject), "{subject:?}");
            let parsed = SubjectRoot::default();
            let parsed = parsed.parse_alert(&subject).expect("an alert's subject");
            assert_eq!((parsed.node, parsed.gateway), (token.as_str(), None));
            rules.insert(delivery.header("Lanner-Rule").unwrap().to_owned());
            delivery.ack().await.unwrap();
        }
        assert!(rules.iter().all(|rule| !rule.contains(['\r', '\n', '\0'])), "{rules:?}");
        for _ in NAMES {
            let copy = timeout(SOON, copies.next()).await.expect("no copy").unwrap().unwrap();
            assert!(
                is_literal(&copy.subject) && copy.subject.split('.').count() == 6,
                "{}",
                copy.subject
            );
        }
        assert_eq!(running.stop().await, 0);
    }
}
