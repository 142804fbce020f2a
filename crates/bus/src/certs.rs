//! A certificate authority for people who have none: a folder with `ca.crt`
//! and `ca.key`, and beside them what it issued.
//!
//! ```text
//! ca.crt ca.key                10 years   stays with whoever issues
//! server.crt server.key         1 year    the nats-server's, with its host names
//! responder.crt ...             1 year    one for each role
//! forwarder.<node>.crt ...      1 year    one for each node
//! ```
//!
//! ECDSA P-256. A key's file is for its owner alone (0600). Nothing is ever
//! overwritten but by `renew`, which replaces a certificate in one step.
//!
//! Not here: revocation. A node that is not trusted any more is taken out of
//! the server's users (`lanner bus permissions`), which locks it out at once;
//! [`crate::creds`] has identities that are revoked without touching the server.

pub(crate) mod certificate;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use time::{Duration, OffsetDateTime};

use self::certificate::Certificate;
use crate::{Cause, FileError, Identity, files};

const AUTHORITY_DAYS: i64 = 3653;
const LEAF_DAYS: i64 = 366;
/// Clocks of other hosts may be behind ours.
const CLOCK_SKEW: Duration = Duration::minutes(10);
const HOSTS_MAX: usize = 100;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file cannot be made or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that does not hold what its name says.
    #[error("{} holds no usable {what}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// `certificate`, `key`.
        what: &'static str,
        /// Why not.
        source: Cause,
    },
    /// To be renewed by an authority that did not issue it.
    #[error("{} was not issued by this authority", path.display())]
    Foreign {
        /// The certificate.
        path: PathBuf,
    },
    /// A name that cannot stand in a certificate.
    #[error("{host:?} is neither a host name nor an IP address")]
    Host {
        /// As given.
        host: String,
    },
    /// A server without a name.
    #[error("name between 1 and {HOSTS_MAX} host names or addresses of the server")]
    HostCount,
    /// A forwarder without a node.
    #[error("name the node of the forwarder")]
    NoNode,
    /// It could not be made.
    #[error("cannot make the certificate of {name}")]
    Make {
        /// Whose.
        name: String,
        /// Why not.
        source: Cause,
    },
}

/// A certificate that was made, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is: the name in it.
    pub name: String,
    /// The certificate.
    pub cert_file: PathBuf,
    /// Its key. `None` when renewed: the key stays.
    pub key_file: Option<PathBuf>,
}

/// A folder with a certificate authority.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
}

impl Authority {
    /// Makes a new authority in `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// When there is one already, or the folder cannot be written.
    pub fn init(dir: &Path) -> Result<Issued, CertError> {
        let name = "Lanner bus authority";
        files::make_dir(dir)?;
        let key = KeyPair::generate().map_err(|error| make_error(name, &error))?;
        let mut params = params(name, AUTHORITY_DAYS)?;
        // It issues what is used, and no further authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).map_err(|error| make_error(name, &error))?;
        let (cert_file, key_file) =
            files::create_pair(dir, "ca", &cert.pem(), &key.serialize_pem())?;
        Ok(Issued { name: name.to_owned(), cert_file, key_file: Some(key_file) })
    }

    /// Opens the authority in `dir`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, CertError> {
        let (cert_file, key_file) = (dir.join("ca.crt"), dir.join("ca.key"));
        let cert_pem = files::read(&cert_file)?;
        let key_pem = files::read(&key_file)?;
        let key = KeyPair::from_pem(&key_pem).map_err(|error| CertError::Unusable {
            path: key_file,
            what: "key",
            source: Cause::of(&error),
        })?;
        let issuer = Issuer::from_ca_cert_pem(&cert_pem, key).map_err(|error| {
            CertError::Unusable { path: cert_file, what: "certificate", source: Cause::of(&error) }
        })?;
        Ok(Self { dir: dir.to_owned(), issuer, cert_pem })
    }

    /// Issues the certificate by which `identity` connects.
    ///
    /// # Errors
    /// When there is one already, or the folder cannot be written.
    pub fn issue(&self, identity: &Identity) -> Result<Issued, CertError> {
        if matches!(identity, Identity::Forwarder { node } if node.is_empty()) {
            return Err(CertError::NoNode);
        }
        let name = identity.name();
        let names = vec![dns_name(&name)?];
        let usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue_leaf(&identity.file_stem(), &name, names, usages)
    }

    /// Issues the certificate of a nats-server that clients reach as one of
    /// `hosts`: host names and IP addresses.
    ///
    /// # Errors
    /// When there is one already, a host is none, or the folder cannot be written.
    pub fn issue_server(&self, hosts: &[String]) -> Result<Issued, CertError> {
        if hosts.is_empty() || hosts.len() > HOSTS_MAX {
            return Err(CertError::HostCount);
        }
        let names = hosts.iter().map(|host| host_name(host)).collect::<Result<Vec<_>, _>>()?;
        self.issue_leaf("server", "nats-server", names, of_server())
    }

    /// Issues a certificate anew, for the same names and the same key, in place
    /// of the old one. Who uses it takes it at its next connection.
    ///
    /// # Errors
    /// When it was not issued by this authority, or cannot be replaced.
    pub fn renew(&self, cert_file: &Path) -> Result<Issued, CertError> {
        let unusable = |source| CertError::Unusable {
            path: cert_file.to_owned(),
            what: "certificate",
            source,
        };
        let pem = files::read(cert_file)?;
        let old = Certificate::parse(&pem).map_err(unusable)?;
        if !old.is_signed_by(&self.cert_pem) {
            return Err(CertError::Foreign { path: cert_file.to_owned() });
        }
        let key = SubjectPublicKeyInfo::from_der(&old.public_key)
            .map_err(|error| unusable(Cause::of(&error)))?;
        let mut names =
            old.dns_names.iter().map(|name| dns_name(name)).collect::<Result<Vec<_>, _>>()?;
        names.extend(old.addresses.iter().copied().map(SanType::IpAddress));
        let usages =
            if old.is_server { of_server() } else { vec![ExtendedKeyUsagePurpose::ClientAuth] };
        let name = old.common_name;
        let renewed = self.sign(&name, names, usages, &key)?;
        files::replace(cert_file, &renewed, files::CERT_MODE)?;
        Ok(Issued { name, cert_file: cert_file.to_owned(), key_file: None })
    }

    fn issue_leaf(
        &self,
        stem: &str,
        name: &str,
        names: Vec<SanType>,
        usages: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<Issued, CertError> {
        let key = KeyPair::generate().map_err(|error| make_error(name, &error))?;
        let cert = self.sign(name, names, usages, &key)?;
        let (cert_file, key_file) =
            files::create_pair(&self.dir, stem, &cert, &key.serialize_pem())?;
        Ok(Issued { name: name.to_owned(), cert_file, key_file: Some(key_file) })
    }

    fn sign(
        &self,
        name: &str,
        names: Vec<SanType>,
        usages: Vec<ExtendedKeyUsagePurpose>,
        key: &impl PublicKeyData,
    ) -> Result<String, CertError> {
        let mut params = params(name, LEAF_DAYS)?;
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(key, &self.issuer).map_err(|error| make_error(name, &error))?;
        Ok(cert.pem())
    }
}

/// To the other servers of its cluster, a server is a client, too. No user has
/// its names, so that nobody gets in by it as one.
fn of_server() -> Vec<ExtendedKeyUsagePurpose> {
    vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
}

/// When the first certificate in this file (PEM) expires.
///
/// # Errors
/// When there is none.
pub fn expiry(cert_file: &Path) -> Result<Timestamp, CertError> {
    Certificate::parse(&files::read(cert_file)?)
        .and_then(|certificate| {
            Timestamp::from_second(certificate.expiry_seconds).map_err(|error| Cause::of(&error))
        })
        .map_err(|source| CertError::Unusable {
            path: cert_file.to_owned(),
            what: "certificate",
            source,
        })
}

fn params(name: &str, days: i64) -> Result<CertificateParams, CertError> {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + Duration::days(days);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // Left alone, it would come from the key, and a renewed certificate would
    // have the number of the old one.
    let mut serial = [0; 16];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut serial).map_err(
        |_failed| CertError::Make {
            name: name.to_owned(),
            source: Cause::said("no random numbers"),
        },
    )?;
    // A positive number that does not begin with a zero byte.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn host_name(host: &str) -> Result<SanType, CertError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A star in front is for the pods of a StatefulSet: `*.nats.lanner.svc`.
    if host.len() > 253 || !host.strip_prefix("*.").unwrap_or(host).split('.').all(label) {
        return Err(CertError::Host { host: host.chars().take(64).collect() });
    }
    dns_name(host)
}

fn dns_name(name: &str) -> Result<SanType, CertError> {
    match name.try_into() {
        Ok(text) => Ok(SanType::DnsName(text)),
        Err(_) => Err(CertError::Host { host: name.chars().take(64).collect() }),
    }
}

fn make_error(name: &str, error: &rcgen::Error) -> CertError {
    CertError::Make { name: name.to_owned(), source: Cause::of(error) }
}
