use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use lanner_bus::{
    Connection, FileError, Identity,
    certs::{Authority, CertError},
};
use lanner_testkit::SecuredBus;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn files(dir: &Path) -> Vec<(String, u32)> {
    let mut files: Vec<(String, u32)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), mode(&path)))
        .collect();
    files.sort();
    files
}

#[test]
fn keys_are_for_their_owner_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("pki");
    Authority::init(&dir).unwrap();
    assert_eq!(mode(&dir), 0o700);

    let authority = Authority::open(&dir).unwrap();
    let node = Identity::Forwarder { node: "ip-10-0-0-7.eu.internal".to_owned() };
    let issued = authority.issue(&node).unwrap();
    assert_eq!(issued.name, "forwarder.ip-10-0-0-7_eu_internal.lanner");
    authority.issue_server(&["nats.lanner.svc".to_owned(), "::1".to_owned()]).unwrap();

    let expected = [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("forwarder.ip-10-0-0-7_eu_internal.crt", 0o644),
        ("forwarder.ip-10-0-0-7_eu_internal.key", 0o600),
        ("server.crt", 0o644),
        ("server.key", 0o600),
    ];
    assert_eq!(files(&dir), expected.map(|(name, mode)| (name.to_owned(), mode)));

    let before = fs::read(dir.join("ca.key")).unwrap();
    assert!(matches!(Authority::init(&dir), Err(CertError::File(FileError::Exists { .. }))));
    assert!(matches!(authority.issue(&node), Err(CertError::File(FileError::Exists { .. }))));
    assert_eq!(fs::read(dir.join("ca.key")).unwrap(), before);
    assert_eq!(files(&dir).len(), expected.len());
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    Authority::init(dir.path()).unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    for host in ["", "a b", "a..b", "*", "*.*.svc", "host/../x", "näme", "-x\n"] {
        let refused = authority.issue_server(&[host.to_owned()]);
        assert!(matches!(refused, Err(CertError::Host { .. })), "{host:?}: {refused:?}");
    }
    assert!(matches!(authority.issue_server(&[]), Err(CertError::HostCount)));
    let nobody = Identity::Forwarder { node: String::new() };
    assert!(matches!(authority.issue(&nobody), Err(CertError::NoNode)));
    // What a node may be called cannot lead out of the folder either.
    let odd = authority.issue(&Identity::Forwarder { node: "../../etc".to_owned() }).unwrap();
    assert_eq!(odd.cert_file.parent(), Some(dir.path()));
}

#[tokio::test]
async fn a_renewed_certificate_is_the_same_holder_with_the_same_key() {
    let bus = SecuredBus::start(&["n1"]).await;
    let node = Identity::Forwarder { node: "n1".to_owned() };
    let config = bus.connection(&node);
    let (cert, key) = (config.cert_file.clone().unwrap(), config.key_file.clone().unwrap());
    let before = (fs::read(&cert).unwrap(), fs::read(&key).unwrap());

    let authority = Authority::open(bus.pki()).unwrap();
    let renewed = authority.renew(&cert).unwrap();
    assert_eq!((renewed.name, renewed.key_file), (node.name(), None));
    let after = (fs::read(&cert).unwrap(), fs::read(&key).unwrap());
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1);
    Connection::connect(&config).await.unwrap();

    authority.renew(&bus.pki().join("server.crt")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    Authority::init(elsewhere.path()).unwrap();
    let other = Authority::open(elsewhere.path()).unwrap();
    assert!(matches!(other.renew(&cert), Err(CertError::Foreign { .. })));
    // It calls itself the same, and yet did not sign it.
    assert_eq!(fs::read(&cert).unwrap(), after.0);
}
