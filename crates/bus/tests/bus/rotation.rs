//! Certificates and the authority are exchanged while alerts are published.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use lanner_bus::{Connection, Identity, Message, Publisher, certs::Authority, headers::Headers};
use lanner_testkit::{SecuredBus, eventually_async};

use crate::access::Bare;

const SOON: Duration = Duration::from_secs(30);

fn node() -> Identity {
    Identity::Forwarder { node: "n1".to_owned() }
}

fn append(to: &Path, from: &Path) {
    let both = [fs::read(to).unwrap(), fs::read(from).unwrap()].concat();
    fs::write(to, both).unwrap();
}

#[tokio::test]
async fn the_authority_is_exchanged_and_nothing_is_lost() {
    let mut bus = SecuredBus::start(&["n1"]).await;
    let config = bus.connection(&node());
    let connection = Connection::connect(&config).await.unwrap();
    let publisher = Publisher::new(connection.clone());
    let done = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn({
        let done = done.clone();
        async move {
            let mut count = 0_u64;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                let message = Message {
                    subject: "lanner.alerts.notice.shell.rule.n1".to_owned(),
                    id: count.to_string(),
                    headers: Headers::default(),
                    payload: Bytes::from_static(b"alert"),
                };
                publisher.publish(&message).await.unwrap();
            }
            count
        }
    });

    // A new authority beside the old one, which everybody trusts from now on.
    let new = tempfile::tempdir().unwrap();
    Authority::init(new.path()).unwrap();
    let authority = Authority::open(new.path()).unwrap();
    authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let own = authority.issue(&node()).unwrap();
    append(&bus.pki().join("ca.crt"), &new.path().join("ca.crt"));
    bus.server.restart();

    // Half a pair changes nothing: the connection goes on, and so it does when
    // it is lost meanwhile.
    fs::copy(own.key_file.unwrap(), config.key_file.as_ref().unwrap()).unwrap();
    bus.server.restart();
    eventually_async("it is back with the old pair", SOON, async || {
        connection.is_connected().then_some(())
    })
    .await;

    // The whole pair is taken without anybody asking for it: the old authority
    // can go.
    fs::copy(own.cert_file, config.cert_file.as_ref().unwrap()).unwrap();
    for file in ["server.crt", "server.key"] {
        fs::copy(new.path().join(file), bus.pki().join(file)).unwrap();
    }
    fs::copy(new.path().join("ca.crt"), bus.pki().join("ca.crt")).unwrap();
    bus.server.restart();
    eventually_async("it is back with the new pair", SOON, async || {
        connection.rights().await.ok().filter(|_| connection.is_connected())
    })
    .await;

    done.store(true, Ordering::Relaxed);
    let published = publishing.await.unwrap();
    let admin = authority.issue(&Identity::Admin).unwrap();
    fs::copy(admin.cert_file, bus.pki().join("admin.crt")).unwrap();
    fs::copy(admin.key_file.unwrap(), bus.pki().join("admin.key")).unwrap();
    let admin = Bare::holding(&bus, &Identity::Admin).await;
    assert_eq!(admin.stored_in("LANNER_ALERTS").await, published);
}
