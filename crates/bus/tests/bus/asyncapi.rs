//! The published AsyncAPI document, held against the subjects and headers that
//! are really used.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use lanner_alert::{
    Alert, Priority, Status, SubjectRoot,
    schema::{ALERT, ASYNCAPI, RESPONSE},
};
use lanner_bus::{
    headers::{GATEWAY, Headers},
    layout,
};
use serde_json::{Value, json};

fn document() -> Value {
    serde_saphyr::from_str(ASYNCAPI).unwrap()
}

fn alert() -> Alert {
    let alert = json!({
        "id": "00000000-0000-7000-8000-000000000000", "schema": 1,
        "time": "2026-01-02T03:04:05Z", "node": "NODE", "hostname": "", "output": "",
        "rule": "rule", "priority": "Critical", "source": "syscall", "tags": ["tag"],
    });
    Alert::from_json(alert.to_string().as_bytes()).unwrap()
}

/// Each `$ref` of the document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").map(|to| to.as_str().unwrap().to_owned()));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn what_it_refers_to_is_there() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alert/schema");
    let mut files = BTreeMap::new();
    for to in &found {
        match to.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "there is no {to}"),
            None => {
                files.insert(to.as_str(), std::fs::read_to_string(folder.join(to)).unwrap());
            }
        }
    }
    let schemas = BTreeMap::from([
        ("alert.schema.json", ALERT.to_owned()),
        ("response.schema.json", RESPONSE.to_owned()),
    ]);
    assert_eq!(files, schemas);
}

#[test]
fn its_addresses_are_our_subjects() {
    let document = document();
    let root = SubjectRoot::default();
    let (alert, tag) = (alert(), "tag".parse().unwrap());
    let subjects = BTreeMap::from([
        ("alerts", root.alert(&alert, &Default::default())),
        ("tagCopies", root.tag_copy(&alert, "tag")),
        ("restrictedAlerts", root.restricted_alert(&alert, &tag)),
        ("responses", root.response("executed", "playbook", "NODE")),
        ("restrictedResponses", root.restricted_response(&tag, "executed", "playbook", "NODE")),
    ]);
    let channels = document["channels"].as_object().unwrap();
    assert!(channels.keys().eq(subjects.keys()));
    for (name, subject) in subjects {
        let address = channels[name]["address"].as_str().unwrap();
        let filled = [("{priority}", "critical"), ("{status}", "executed"), ("{node}", "NODE")]
            .into_iter()
            .fold(address.to_owned(), |text, (parameter, value)| text.replace(parameter, value))
            .replace(['{', '}'], "");
        assert_eq!(filled, subject.as_str(), "{name}");
        let parameters = channels[name]["parameters"].as_object().unwrap();
        let named: BTreeSet<&str> =
            address.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert!(named.iter().eq(parameters.keys().collect::<BTreeSet<_>>()), "{name}");
        let operations = document["operations"].as_object().unwrap();
        let of_channel = json!(format!("#/channels/{name}"));
        let count = operations.values().filter(|one| one["channel"]["$ref"] == of_channel).count();
        assert_eq!(count, 1, "{name} is received");
    }
    for stream in [layout::ALERTS, layout::RESPONSES] {
        assert!(ASYNCAPI.contains(stream), "{stream}");
    }
}

#[test]
fn its_values_and_headers_are_ours() {
    let document = document();
    let parameters = &document["components"]["parameters"];
    let priorities: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_token()).collect();
    assert_eq!(parameters["priority"]["enum"], json!(priorities));

    let shown = parameters["status"]["enum"].as_array().unwrap();
    let known: Vec<Status> =
        shown.iter().map(|status| serde_json::from_value(status.clone()).unwrap()).collect();
    let tokens: Vec<&str> = known.iter().map(|status| status.as_token()).collect();
    assert_eq!(json!(tokens), parameters["status"]["enum"]);
    // The schema, which is made of the type, has them all.
    let schema: Value = serde_json::from_str(RESPONSE).unwrap();
    assert_eq!(schema["$defs"]["Status"]["oneOf"].as_array().unwrap().len(), known.len());

    let headers = &document["components"]["messages"]["alert"]["headers"];
    let shown: BTreeSet<&str> =
        headers["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let sent = Headers::of_alert(&alert());
    // The publisher adds the id, a gateway its name.
    let sent: BTreeSet<&str> = sent.names().chain(["Nats-Msg-Id", GATEWAY]).collect();
    assert_eq!(shown, sent);
}
