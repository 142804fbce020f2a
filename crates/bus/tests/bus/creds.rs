//! Identities by signed tokens, on a real server: who is added, revoked and
//! expired while it runs.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use bytes::Bytes;
use jiff::SignedDuration;
use lanner_bus::{
    Connection, Identity, Message, Publisher,
    creds::{CredsError, CredsFolder, VALID},
    gateway::{Gateway, GatewayNodes},
    grant::{Grant, Reader},
    headers::Headers,
};
use lanner_testkit::{Admission, SecuredBus, eventually_async, small_layout};
use tokio::time::timeout;

use crate::access::{Bare, SOON};

fn forwarder(node: &str) -> Identity {
    Identity::Forwarder { node: node.to_owned() }
}

fn alert(token: &str, id: &str) -> Message {
    Message {
        subject: format!("lanner.alerts.notice.shell.rule.{token}"),
        id: id.to_owned(),
        headers: Headers::default(),
        payload: Bytes::from_static(b"alert"),
    }
}

async fn publisher(bus: &SecuredBus, identity: &Identity) -> (Connection, Publisher) {
    let connection = Connection::connect(&bus.connection(identity)).await.unwrap();
    (connection.clone(), Publisher::new(connection))
}

async fn push(bus: &SecuredBus, accounts: &[lanner_bus::creds::AccountToken]) {
    let system = Connection::connect(&bus.system_connection()).await.unwrap();
    for account in accounts {
        system.push_account(account).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_is_added_without_touching_the_server() {
    let bus = SecuredBus::start_with_creds(&[]).await;
    let config = fs::read(bus.server.config_path().unwrap()).unwrap();
    let admin = Bare::holding(&bus, &Identity::Admin).await;

    // Names that are hard on subjects, each of which becomes one token.
    for (count, (node, token)) in
        [("new", "new"), ("a.b_c", "a_b=5Fc"), (">", "=3E"), ("*", "=2A")].into_iter().enumerate()
    {
        let issued = bus.creds().issue(&forwarder(node), VALID).unwrap();
        let mode = fs::metadata(&issued.creds_file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let (connection, publisher) = publisher(&bus, &forwarder(node)).await;
        publisher.publish(&alert(token, node)).await.unwrap();
        assert_eq!(admin.stored_in("LANNER_ALERTS").await, count as u64 + 1);
        let rights = connection.rights().await.unwrap();
        assert_eq!(rights.user, issued.key);
        let mut expected = forwarder(node).permissions(bus.layout());
        expected.publish.sort();
        assert_eq!((rights.publish, rights.subscribe), (expected.publish, expected.subscribe));
        let mut bare = Bare::holding(&bus, &forwarder(node)).await;
        bare.publish_is_refused("lanner.alerts.notice.shell.rule.other").await;
    }
    assert_eq!(fs::read(bus.server.config_path().unwrap()).unwrap(), config);
}

#[tokio::test]
async fn who_is_revoked_is_cut_off_at_once_and_stays_out() {
    let mut bus = SecuredBus::start_with_creds(&["n1", "n2"]).await;
    let (one, _) = publisher(&bus, &forwarder("n1")).await;
    let (other, others) = publisher(&bus, &forwarder("n2")).await;

    let changed = bus.creds().revoke(&[forwarder("n1")], &[]).unwrap();
    assert_eq!(
        changed.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(),
        ["LANNER_NODES"]
    );
    push(&bus, &changed).await;
    eventually_async("the revoked node is cut off", SOON, async || {
        (!one.is_connected()).then_some(())
    })
    .await;
    Connection::connect(&bus.connection(&forwarder("n1"))).await.expect_err("revoked");
    assert!(other.is_connected());
    others.publish(&alert("n2", "1")).await.unwrap();

    // The configuration still holds the account as it was: the newer one counts.
    bus.server.restart();
    eventually_async("the other node is back", SOON, async || other.is_connected().then_some(()))
        .await;
    Connection::connect(&bus.connection(&forwarder("n1"))).await.expect_err("still revoked");

    // Writing the accounts anew forgets nobody; the old file is not renewed.
    push(&bus, &bus.creds().update(bus.layout()).unwrap()).await;
    Connection::connect(&bus.connection(&forwarder("n1"))).await.expect_err("still revoked");
    let file = bus.connection(&forwarder("n1")).creds_file.unwrap();
    assert!(matches!(bus.creds().renew(&file), Err(CredsError::Revoked { .. })));

    // New credentials for the same node work at once.
    fs::remove_file(file).unwrap();
    bus.creds().issue(&forwarder("n1"), VALID).unwrap();
    let (_, publisher) = publisher(&bus, &forwarder("n1")).await;
    publisher.publish(&alert("n1", "2")).await.unwrap();
}

/// What a full disk left behind in the list of who has credentials.
#[test]
fn a_line_that_was_cut_short_hides_nobody_from_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let (mut creds, _) = CredsFolder::init(dir.path(), &small_layout()).unwrap();
    let list = dir.path().join("issued.jsonl");
    let before = fs::read_to_string(&list).unwrap();
    fs::write(&list, before + r#"{"name":"forwarder.n1.lan"#).unwrap();
    creds.issue(&forwarder("n1"), VALID).unwrap();
    assert!(!creds.revoke(&[forwarder("n1")], &[]).unwrap().is_empty());
}

#[tokio::test]
async fn a_key_can_be_revoked_without_knowing_whose_it_is() {
    let bus = SecuredBus::start_with_creds(&["n1"]).await;
    let issued = bus.creds().renew(&bus.connection(&forwarder("n1")).creds_file.unwrap()).unwrap();
    let changed = bus.creds().revoke(&[], &[issued.key]).unwrap();
    assert_eq!(changed.len(), 4);
    push(&bus, &changed).await;
    Connection::connect(&bus.connection(&forwarder("n1"))).await.expect_err("revoked");
    for (identities, keys) in [
        (vec![forwarder("n9")], vec![]),
        (vec![], vec!["*".to_owned()]),
        (vec![], vec![String::new()]),
    ] {
        bus.creds().revoke(&identities, &keys).expect_err("nobody's");
    }
}

#[tokio::test]
async fn credentials_end_while_they_are_used() {
    let bus = SecuredBus::start_with_creds(&[]).await;
    bus.creds().issue(&forwarder("n1"), SignedDuration::from_secs(2)).unwrap();
    let (connection, _) = publisher(&bus, &forwarder("n1")).await;
    eventually_async("the credentials end", SOON, async || {
        (!connection.is_connected()).then_some(())
    })
    .await;
    // To the server they are good to the end of that second.
    eventually_async("nobody gets in with them", SOON, async || {
        Connection::connect(&bus.connection(&forwarder("n1"))).await.err()
    })
    .await;
}

#[tokio::test]
async fn only_whom_our_operator_knows_gets_in() {
    let bus = SecuredBus::start_with_creds(&["n1"]).await;
    let good = bus.connection(&forwarder("n1"));
    // Another operator's node of the same name.
    let other = SecuredBus::start_with_creds(&["n1"]).await;
    let foreign = other.connection(&forwarder("n1")).creds_file;
    let foreign = lanner_bus::ConnectionConfig { creds_file: foreign, ..good.clone() };
    Connection::connect(&foreign).await.expect_err("another operator's");

    // Our token with another's seed, and a token whose claims were changed.
    let read = |config: &lanner_bus::ConnectionConfig| {
        fs::read_to_string(config.creds_file.as_ref().unwrap()).unwrap()
    };
    let ours = read(&good);
    let token = ours.lines().nth(1).unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let decoded = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let forged = String::from_utf8(decoded).unwrap().replace("\"n1\"", "\"n2\"");
    assert!(forged.contains("\"n2\""));
    let forged = data_encoding::BASE64URL_NOPAD.encode(forged.as_bytes());
    let path = bus.pki().join("forged.creds");
    fs::write(&path, ours.replace(claims, &forged)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Connection::connect(&bus.connection_with_creds(&path)).await.expect_err("forged");

    let swapped = read(&foreign).replace(read(&foreign).lines().nth(1).unwrap(), token);
    fs::write(&path, swapped).unwrap();
    let error = Connection::connect(&bus.connection_with_creds(&path)).await.unwrap_err();
    assert!(format!("{error:?}").contains("its seed is not the one of its token"), "{error:?}");

    // And nobody without any.
    let nobody = async_nats::ConnectOptions::new()
        .require_tls(true)
        .tls_first()
        .add_root_certificates(good.ca_file.clone().unwrap())
        .connect(good.servers.as_slice());
    timeout(SOON, nobody).await.unwrap().expect_err("no credentials");
}

#[tokio::test]
async fn readers_and_gateways_come_with_the_accounts() {
    let mut layout = small_layout();
    let bus = SecuredBus::start_with_creds(&["n1"]).await;
    let reader = Identity::Reader(Reader { name: "soc".parse().unwrap(), grant: Grant::default() });
    let gateway = Gateway { name: "edge".parse().unwrap(), nodes: vec!["n8".into(), "n9".into()] };
    layout.grants.insert("soc".parse().unwrap(), Grant::default());
    layout.gateways.insert(gateway.name.clone(), GatewayNodes { nodes: gateway.nodes.clone() });
    let gateway = Identity::Gateway(gateway);
    let mut folder = bus.creds();
    folder.issue(&reader, VALID).unwrap();
    folder.issue(&gateway, VALID).unwrap();
    Connection::connect(&bus.connection(&gateway))
        .await
        .expect_err("the server knows no such role");
    push(&bus, &folder.update(&layout).unwrap()).await;

    for identity in [&reader, &gateway] {
        let connection = Connection::connect(&bus.connection(identity)).await.unwrap();
        let rights = connection.rights().await.unwrap();
        let mut expected = identity.permissions(&layout);
        expected.publish.sort();
        expected.subscribe.sort();
        assert_eq!((rights.publish, rights.subscribe), (expected.publish, expected.subscribe));
    }
    a_gateway_publishes_under_its_mark_alone(&bus, &gateway).await;
}

#[tokio::test]
async fn a_gateway_by_certificate() {
    let mut layout = small_layout();
    let gateway = Gateway { name: "edge".parse().unwrap(), nodes: vec!["n8".into(), "n9".into()] };
    layout.gateways.insert(gateway.name.clone(), GatewayNodes { nodes: gateway.nodes.clone() });
    let bus = SecuredBus::start_as(Admission::Certificates, &["n1"], layout).await;
    a_gateway_publishes_under_its_mark_alone(&bus, &Identity::Gateway(gateway)).await;
}

async fn a_gateway_publishes_under_its_mark_alone(bus: &SecuredBus, gateway: &Identity) {
    let (_, publisher) = publisher(bus, gateway).await;
    for node in ["n8", "n9"] {
        publisher.publish(&alert(&format!("{node}=via=edge"), node)).await.unwrap();
    }
    let mut bare = Bare::holding(bus, gateway).await;
    for token in ["n8", "n1", "n1=via=edge", "n8=via=other"] {
        bare.publish_is_refused(&format!("lanner.alerts.notice.shell.rule.{token}")).await;
    }
    bare.subscription_is_refused("lanner.alerts.>").await;
    let mut node = Bare::holding(bus, &forwarder("n1")).await;
    node.publish_is_refused("lanner.alerts.notice.shell.rule.n1=via=edge").await;
}

#[tokio::test]
async fn changed_credentials_are_used_within_seconds() {
    let bus = SecuredBus::start_with_creds(&["n1"]).await;
    let config = bus.connection(&forwarder("n1"));
    let (connection, publisher) = publisher(&bus, &forwarder("n1")).await;
    let before = connection.rights().await.unwrap().user;
    let path = config.creds_file.unwrap();
    fs::remove_file(&path).unwrap();
    bus.creds().issue(&forwarder("n1"), VALID).unwrap();
    eventually_async("the new credentials are shown", Duration::from_secs(20), async || {
        let user = connection.rights().await.ok()?.user;
        (user != before).then_some(())
    })
    .await;
    publisher.publish(&alert("n1", "1")).await.unwrap();
}
