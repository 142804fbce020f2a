use std::fs;

use lanner_bus::{ConnectionConfig, InvalidConnection, certs::Authority};

fn plain(address: &str, insecure_for_tests: bool) -> Result<(), InvalidConnection> {
    let servers = vec![address.to_owned()];
    ConnectionConfig { servers, insecure_for_tests, ..Default::default() }.validate()
}

#[test]
fn plain_connections_are_for_tests_on_this_host() {
    let here = ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222"];
    let elsewhere =
        ["nats://10.0.0.1:4222", "nats://localhost.evil.example:4222", "nats://[::2]:1"];
    for address in here {
        plain(address, true).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
    let refused = here.map(|address| (address, false)).into_iter();
    for (address, insecure_for_tests) in refused.chain(elsewhere.map(|address| (address, true))) {
        let error = plain(address, insecure_for_tests).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "servers: {address} would be without TLS; write tls:// instead of nats://, \
                 which is for tests on loopback that say insecure_for_tests"
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
            matches!(plain(address, true), Err(InvalidConnection::Address { .. })),
            "{address:?}: {:?}",
            plain(address, true)
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
        ..ConnectionConfig::default()
    };
    good.validate().unwrap();

    let place = format!("{}/", dir.path().display());
    let check = |config: ConnectionConfig, expected: &str| {
        let error = config.validate().unwrap_err();
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            text.push_str(": ");
            text.push_str(&source.to_string());
        }
        let error = text.replace(&place, "");
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
        "key_file: admin.crt has mode 0644: others could use it; `chmod 600 admin.crt`, \
         and a mounted Kubernetes secret takes `defaultMode: 0440`",
    );
    check(
        ConnectionConfig { key_file: Some(dir.path().join("server.key")), ..good.clone() },
        "cert_file and key_file: admin.crt and its key cannot be used: keys may not be consistent: KeyMismatch",
    );
    check(
        ConnectionConfig { cert_file: None, key_file: None, ..good.clone() },
        "cert_file and key_file, or creds_file: needed for tls:// servers; `lanner bus certs` and `lanner bus creds` make them",
    );
    check(
        ConnectionConfig { creds_file: good.key_file.clone(), ..good.clone() },
        "creds_file: admin.key is not usable",
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
            insecure_for_tests: true,
            ..good
        },
        "servers: tls:// and nats:// addresses cannot be mixed",
    );
}
