//! docs/subscribers.md: its commands, on a bus with an alert.

use std::{fs, os::unix::fs::symlink};

use lanner_alert::{Alert, AlertId, SubjectRoot};
use lanner_bus::{Connection, Identity, Message, Publisher, grant::Grant, headers::Headers};
use lanner_testkit::{SecuredBus, bus::small_layout};
use serde_json::{Value, json};

use crate::{
    page::blocks,
    place::{Place, Running},
    stage::NODE,
};

const PAGE: &str = "subscribers.md";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_as_it_says() {
    let mut layout = small_layout();
    layout.grants.insert("soc".parse().unwrap(), Grant::default());
    let bus = SecuredBus::start_with_layout(&[NODE], layout).await;
    let alert = alert();
    publish(&bus, &alert).await;
    let mut place = Place::new();
    place.swap("nats.lanner.svc:4222", &format!("127.0.0.1:{}", bus.server.port()));
    symlink(bus.pki(), place.path("pki")).unwrap();

    let mut running: Vec<Running> = Vec::new();
    for block in blocks(PAGE) {
        if place.write(&block) {
            continue;
        }
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "") => place.run_all(&block),
            ("console", "stays") => running.push(place.start(&block)),
            // The subscribers of other languages: see crates/bus/tests/bus/subscribers.rs.
            ("sh", "") => {}
            _ => panic!("line {}: no test runs this block", block.line),
        }
    }
    assert_eq!(running.len(), 2, "the page has lost its commands");
    for running in running {
        assert_eq!(running.end_with("INT"), Some(0));
    }

    // What it prints as JSON is what was published.
    let query = "lanner alerts query --config subscriber.yaml --since 7d --json";
    let (code, printed) = place.run(query);
    assert_eq!(code, 0, "{printed}");
    let read: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(read["alert"], serde_json::to_value(&alert).unwrap());
    for file in ["alert.schema.json", "response.schema.json", "asyncapi.yaml"] {
        let written = fs::read_to_string(place.path(file)).unwrap();
        let committed = lanner_testkit::product::workspace().join("crates/alert/schema").join(file);
        assert_eq!(written, fs::read_to_string(committed).unwrap());
    }
}

fn alert() -> Alert {
    let alert = json!({
        "id": AlertId::new(), "schema": 1, "time": "2026-01-02T03:04:05.006007008Z",
        "node": NODE, "hostname": NODE, "rule": "Terminal shell in container",
        "priority": "Warning", "source": "syscall", "tags": ["container", "shell"],
        "output": "A shell in a container (command=sh -i)",
        "output_fields": { "proc.name": "sh", "proc.cmdline": "sh -i" },
        "entity": { "pod_namespace": "shop", "pod_name": "cart" },
    });
    Alert::from_json(alert.to_string().as_bytes()).unwrap()
}

async fn publish(bus: &SecuredBus, alert: &Alert) {
    let node = Identity::Forwarder { node: NODE.to_owned() };
    let publisher = Publisher::new(Connection::connect(&bus.connection(&node)).await.unwrap());
    let message = Message {
        subject: SubjectRoot::default().alert(alert, &Default::default()).to_string(),
        id: alert.id.to_string(),
        headers: Headers::of_alert(alert),
        payload: alert.to_json().unwrap().into(),
    };
    publisher.publish(&message).await.unwrap();
}
