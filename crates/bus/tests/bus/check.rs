//! `lanner bus check` against servers as they should be, and as they should not.

use std::fs;

use lanner_bus::{
    Connection, ConnectionConfig, Identity,
    check::{Report, check},
    layout::Layout,
};
use lanner_testkit::{Admission, NatsServer, SecuredBus, small_layout};

fn node() -> Identity {
    Identity::Forwarder { node: "n1".to_owned() }
}

async fn look(config: &ConnectionConfig, layout: &Layout) -> Report {
    let connection = Connection::connect(config).await.unwrap();
    check(config, &connection, layout).await.unwrap()
}

fn failures(report: &Report) -> Vec<String> {
    let bad = report.checked.iter().filter(|checked| !checked.good);
    bad.map(ToString::to_string).collect()
}

/// The server of `bus`, started again with its configuration edited.
fn edit(bus: &mut SecuredBus, edits: &[(&str, &str)]) {
    let path = bus.server.config_path().unwrap().to_owned();
    let mut text = fs::read_to_string(&path).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "no {from} in the configuration");
        text = text.replace(from, to);
    }
    fs::write(path, text).unwrap();
    bus.server.restart();
}

#[tokio::test]
async fn a_server_by_our_own_configuration_is_good_for_everybody() {
    for admission in [Admission::Certificates, Admission::Credentials] {
        let bus = SecuredBus::start_as(admission, &["n1"], small_layout()).await;
        for identity in [node(), Identity::Subscriber, Identity::Responder, Identity::Admin] {
            let report = look(&bus.connection(&identity), bus.layout()).await;
            assert_eq!(failures(&report), [""; 0], "{admission:?}, {identity}");
            let refused =
                report.checked.iter().filter(|checked| checked.text.ends_with("is refused"));
            assert!(refused.count() >= 8, "{identity} has tried too little");
        }
    }
}

#[tokio::test]
async fn a_server_that_says_who_it_is_in_plain_text_and_takes_old_tls() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    edit(
        &mut bus,
        &[("handshake_first: true", "handshake_first: \"50ms\""), ("min_version: \"1.3\"", "")],
    );
    let failures = failures(&look(&bus.connection(&node()), bus.layout()).await).join("\n");
    assert!(
        failures.contains("says who it is before TLS: set `handshake_first: true`"),
        "{failures}"
    );
    assert!(failures.contains("takes TLS 1.2: set `min_version: \"1.3\"`"), "{failures}");
}

#[tokio::test]
async fn a_server_that_lets_anybody_in_and_everybody_do_everything() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    let path = bus.server.config_path().unwrap().to_owned();
    let text = fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("accounts {").unwrap();
    fs::write(path, before.replace("verify_and_map: true", "verify: false")).unwrap();
    bus.server.restart();
    let failures = failures(&look(&bus.connection(&node()), bus.layout()).await).join("\n");
    for expected in [
        "lets in who shows neither certificate nor credentials",
        "account $G: forwarder.n1.lanner belongs into LANNER_NODES",
        "we may publish anything",
        "we may subscribe anything",
        "publish lanner.alerts.debug.check.check.=lanner-check is not refused",
        "publish $JS.API.STREAM.CREATE.LANNER_CHECK is not refused",
        "subscribe lanner.alerts.> is not refused",
        "subscribe > is not refused",
    ] {
        assert!(failures.contains(expected), "no {expected:?} in\n{failures}");
    }
}

#[tokio::test]
async fn a_server_whose_permissions_are_too_wide() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    edit(&mut bus, &[("\"lanner.alerts.*.*.*.n1\"", "\"lanner.alerts.>\"")]);
    let failures = failures(&look(&bus.connection(&node()), bus.layout()).await);
    assert_eq!(
        failures,
        [
            "FAIL publish lanner.alerts.>: forwarder.n1.lanner needs it not",
            "FAIL publish lanner.alerts.*.*.*.n1: forwarder.n1.lanner needs it and may not",
            "FAIL publish lanner.alerts.debug.check.check.=lanner-check is not refused: \
             write permissions by `lanner bus permissions`",
        ]
    );
    // What was tried is stored nowhere.
    let admin = crate::access::Bare::holding(&bus, &Identity::Admin).await;
    assert_eq!(admin.stored_in("LANNER_ALERTS").await, 0);
}

#[tokio::test]
async fn what_stands_otherwise_than_in_the_layout_and_messages_that_are_too_short() {
    let bus = SecuredBus::start_empty(&["n1"]);
    let report = look(&bus.connection(&Identity::Admin), bus.layout()).await;
    let missing = failures(&report);
    let missing: Vec<&String> = missing
        .iter()
        .filter(|failure| failure.contains("is missing: run `lanner bus setup`"))
        .collect();
    assert!(missing.iter().any(|failure| failure.contains("stream LANNER_ALERTS")), "{missing:?}");

    let mut bus = SecuredBus::start(&["n1"]).await;
    edit(&mut bus, &[("listen:", "max_payload: 65536\nlisten:")]);
    let failures = failures(&look(&bus.connection(&node()), bus.layout()).await).join("\n");
    assert!(
        failures.contains("messages of up to 65536 bytes: the longest alerts take max_payload"),
        "{failures}"
    );
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = NatsServer::start();
    let config = ConnectionConfig {
        servers: vec![server.url()],
        insecure_for_tests: true,
        ..ConnectionConfig::default()
    };
    let failures = failures(&look(&config, &Layout::default()).await).join("\n");
    assert!(failures.contains("is without TLS: give the server a `tls` block"), "{failures}");
}
