//! TLS on both ends: nothing below 1.3, nothing without it, nobody whose
//! certificate has ended.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use lanner_bus::{ConnectError, Connection, ConnectionConfig, Identity, InvalidConnection};
use lanner_testkit::{Admission, NatsServer, SecuredBus, small_layout};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::access::SOON;

fn forwarder(node: &str) -> Identity {
    Identity::Forwarder { node: node.to_owned() }
}

/// Shakes hands with the server in one version of TLS, and reads what it says first.
async fn greeting(
    bus: &SecuredBus,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(bus.pki().join("ca.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", bus.server.port())).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let mut text = vec![0; 4];
    timeout(SOON, stream.read_exact(&mut text)).await??;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn the_server_takes_tls_1_3_and_nothing_older_or_plain() {
    let bus = SecuredBus::start_as(Admission::Credentials, &[], small_layout()).await;
    assert_eq!(greeting(&bus, &version::TLS13).await.unwrap(), "INFO");
    let error = greeting(&bus, &version::TLS12).await.unwrap_err().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");

    // Who asks in plain text is told nothing.
    let mut plain = TcpStream::connect(("127.0.0.1", bus.server.port())).await.unwrap();
    plain.write_all(b"CONNECT {}\r\nPING\r\n").await.unwrap();
    let mut said = Vec::new();
    // It may end in a reset instead, which says as little.
    let _ = timeout(SOON, plain.read_to_end(&mut said)).await.unwrap();
    assert!(!said.starts_with(b"INFO"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn we_take_no_older_server() {
    let bus = SecuredBus::start_empty(&["n1"]);
    let certificate = CertificateDer::from_pem_file(bus.pki().join("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(bus.pki().join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
    });
    let config = ConnectionConfig {
        servers: vec![format!("tls://127.0.0.1:{port}")],
        ..bus.connection(&forwarder("n1"))
    };
    Connection::connect(&config).await.expect_err("TLS 1.2");
    let error = timeout(SOON, served).await.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains("Tls12NotOffered"), "{error}");
}

#[tokio::test]
async fn we_take_no_server_without_tls() {
    let server = NatsServer::start();
    let plain = ConnectionConfig { servers: vec![server.url()], ..ConnectionConfig::default() };
    let refused = Connection::connect(&plain).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Invalid(InvalidConnection::Plain { .. })), "{refused}");
    let for_tests = ConnectionConfig { insecure_for_tests: true, ..plain };
    Connection::connect(&for_tests).await.unwrap();

    // One that speaks plain text where TLS is asked for.
    let bus = SecuredBus::start_empty(&["n1"]);
    let config = ConnectionConfig {
        servers: vec![server.url().replace("nats://", "tls://")],
        ..bus.connection(&forwarder("n1"))
    };
    Connection::connect(&config).await.expect_err("no TLS");
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused() {
    let bus = SecuredBus::start(&["n1"]).await;
    let key = KeyPair::from_pem(&fs::read_to_string(bus.pki().join("ca.key")).unwrap()).unwrap();
    let authority = fs::read_to_string(bus.pki().join("ca.crt")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
    let mut connections = Vec::new();
    for (name, years) in [("ended", (2020, 2021)), ("good", (2020, 2100))] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([forwarder("n1").name()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let file = |ending: &str| bus.pki().join(format!("{name}.{ending}"));
        fs::write(file("crt"), certificate.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        fs::set_permissions(file("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let config = ConnectionConfig {
            cert_file: Some(file("crt")),
            key_file: Some(file("key")),
            ..bus.connection(&forwarder("n1"))
        };
        connections.push(Connection::connect(&config).await);
    }
    let [ended, good] = connections.try_into().unwrap();
    ended.expect_err("its certificate has ended");
    good.expect("the same, but for the date");
}
