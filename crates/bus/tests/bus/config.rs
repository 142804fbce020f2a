use std::fs;

use lanner_bus::{ConnectionConfig, InvalidConnection, certs::Authority};

fn plain(address: &str) -> Result<(), InvalidConnection> {
    ConnectionConfig { servers: vec![address.to_owned()], ..Default::default() }.validate()
}

#[test]
fn plain_connections_stay_on_this_host() {
    for address in ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222"] {
        plain(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
    for address in ["nats://10.0.0.1:4222", "nats://localhost.evil.example:4222", "nats://[::2]:1"]
    {
        let error = plain(address).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "servers: {address} would be without TLS; write tls:// instead of nats://, which is for loopback only"
            )
        );
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for address in [
        "",
        "localhost:4222",
        "http://localhost",
        "nats://",
        "nats://:4222",
        "tls://h:port",
        "tls://user:secret@host:4222",
        "nats://[::1",
        "nats://[::1]4222",
    ] {
        assert!(
            matches!(plain(address), Err(InvalidConnection::Address { .. })),
            "{address:?}: {:?}",
            plain(address)
        );
    }
}

#[test]
fn each_file_of_tls_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    Authority::init(dir.path()).unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let issued = authority.issue(&lanner_bus::Identity::Admin).unwrap();
    authority.issue_server(&["10.0.0.1".to_owned()]).unwrap();
    fs::write(dir.path().join("empty.crt"), "").unwrap();

    let good = ConnectionConfig {
        servers: vec!["tls://nats:4222".to_owned()],
        ca_file: Some(dir.path().join("ca.crt")),
        cert_file: Some(issued.cert_file),
        key_file: issued.key_file,
        name: None,
    };
    good.validate().unwrap();

    let place = format!("{}/", dir.path().display());
    let check = |config: ConnectionConfig, expected: &str| {
        let error = config.validate().unwrap_err().to_string().replace(&place, "");
        assert_eq!(error, expected);
    };
    check(
        ConnectionConfig { ca_file: None, ..good.clone() },
        "ca_file: needed for tls:// servers; `lanner bus certs` makes one",
    );
    check(
        ConnectionConfig { ca_file: Some(dir.path().join("empty.crt")), ..good.clone() },
        "ca_file: empty.crt holds no certificate in PEM form",
    );
    check(
        ConnectionConfig { key_file: good.cert_file.clone(), ..good.clone() },
        "key_file: admin.crt holds no key in PEM form",
    );
    check(
        ConnectionConfig { cert_file: Some(dir.path().join("none.crt")), ..good.clone() },
        "cert_file: cannot read none.crt",
    );
    check(
        ConnectionConfig { cert_file: Some(dir.path().join("server.crt")), ..good.clone() },
        "cert_file: server.crt has no DNS name, by which the bus knows its holder",
    );
    check(
        ConnectionConfig {
            servers: vec!["tls://nats:4222".to_owned(), "nats://localhost".to_owned()],
            ..good
        },
        "servers: tls:// and nats:// addresses cannot be mixed",
    );
}
