use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::tls::Material;
use crate::{
    Cause,
    certs::certificate,
    credentials::Credentials,
    identity::inbox_prefix,
    secret::{self, ReadError},
};

/// How to reach the bus, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// Servers to try: `tls://nats.lanner.svc:4222`.
    pub servers: Vec<String>,
    /// The certificates that the server's may be signed by (PEM).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM). Its DNS name is who we are.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// The key of our certificate (PEM).
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Credentials, which say who we are in place of a certificate, or beside it.
    #[serde(default)]
    pub creds_file: Option<PathBuf>,
    /// What the server's list of connections calls this one; our certificate's
    /// name unless set.
    #[serde(default)]
    pub name: Option<String>,
    /// Takes `nats://` addresses on loopback, which are without TLS.
    #[serde(default)]
    pub insecure_for_tests: bool,
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConnection {
    /// There is nothing to connect to.
    #[error("servers: name at least one, such as tls://nats.lanner.svc:4222")]
    NoServer,
    /// An address without TLS.
    #[error(
        "servers: {address} would be without TLS; write tls:// instead of nats://, \
         which is for tests on loopback that say insecure_for_tests"
    )]
    Plain {
        /// As configured.
        address: String,
    },
    /// Neither `tls://` nor `nats://`, or without a host.
    #[error("servers: {address:?} is not an address such as tls://nats.lanner.svc:4222")]
    Address {
        /// As configured.
        address: String,
    },
    /// TLS addresses and plain ones together.
    #[error("servers: tls:// and nats:// addresses cannot be mixed")]
    Mixed,
    /// A file that TLS needs is not named.
    #[error("{key}: needed for tls:// servers; `lanner bus certs` makes one")]
    MissingFile {
        /// The key in the configuration.
        key: &'static str,
    },
    /// Nothing says who we are.
    #[error(
        "cert_file and key_file, or creds_file: needed for tls:// servers; \
         `lanner bus certs` and `lanner bus creds` make them"
    )]
    Nobody,
    /// A file cannot be read, or may be read by others.
    #[error("{key}")]
    File {
        /// The key in the configuration.
        key: &'static str,
        /// Why not.
        source: ReadError,
    },
    /// The files are not of one another.
    #[error("cert_file and key_file: {} and its key cannot be used", path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
    /// TLS cannot be had at all.
    #[error("cannot use TLS")]
    Tls(#[source] Cause),
    /// A file that is not what TLS needs.
    #[error("{key}: {} holds no {what} in PEM form", path.display())]
    NotPem {
        /// The key in the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// A certificate that says of nobody who it is.
    #[error("cert_file: {} has no DNS name, by which the bus knows its holder", path.display())]
    Nameless {
        /// As configured.
        path: PathBuf,
    },
}

/// Settings that were looked at.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) inbox_prefix: String,
    /// What the files hold; nothing without TLS.
    pub(super) loaded: Option<Loaded>,
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) material: Material,
    pub(super) credentials: Option<Credentials>,
    /// Who we are.
    identity: String,
}

impl ConnectionConfig {
    /// Whether these settings can work: the addresses, and that the files are
    /// there and hold what they should. Connects to nothing.
    ///
    /// # Errors
    /// [`InvalidConnection`] names the key and the cure.
    pub fn validate(&self) -> Result<(), InvalidConnection> {
        self.check().map(drop)
    }

    /// Who we say we are, if the files say it.
    pub(crate) fn identity(&self) -> Option<String> {
        Some(self.check().ok()?.loaded?.identity)
    }

    /// When our certificates and credentials end, in seconds since 1970.
    pub(crate) fn ends(&self) -> Vec<(String, i64)> {
        let mut ends = Vec::new();
        for (key, path) in [("ca_file", &self.ca_file), ("cert_file", &self.cert_file)] {
            let end = path.as_deref().and_then(|path| certificate::end(&public(path).ok()?));
            ends.extend(end.map(|end| (key.to_owned(), end)));
        }
        let credentials = self.creds_file.as_deref().and_then(|path| Credentials::read(path).ok());
        let end = credentials.and_then(|credentials| credentials.expires);
        ends.extend(end.map(|end| ("creds_file".to_owned(), end)));
        ends
    }

    pub(super) fn check(&self) -> Result<Checked, InvalidConnection> {
        let mut with_tls = 0;
        for address in &self.servers {
            with_tls += usize::from(self.is_tls(address)?);
        }
        if self.servers.is_empty() {
            return Err(InvalidConnection::NoServer);
        }
        if with_tls == 0 {
            let name = self.name.clone().unwrap_or_else(|| "lanner".to_owned());
            return Ok(Checked { name, inbox_prefix: "_INBOX".to_owned(), loaded: None });
        }
        if with_tls < self.servers.len() {
            return Err(InvalidConnection::Mixed);
        }
        let loaded = self.load()?;
        Ok(Checked {
            inbox_prefix: inbox_prefix(&loaded.identity),
            name: self.name.clone().unwrap_or_else(|| loaded.identity.clone()),
            loaded: Some(loaded),
        })
    }

    /// Reads all files, and looks whether they fit each other.
    pub(super) fn load(&self) -> Result<Loaded, InvalidConnection> {
        let (ca_file, ca) = pem("ca_file", self.ca_file.as_deref(), CERTIFICATE, public)?;
        let credentials = match &self.creds_file {
            None => None,
            Some(path) => Some(Credentials::read(path).map_err(of_key("creds_file"))?),
        };
        if self.cert_file.is_none() && self.key_file.is_none() {
            let Some(credentials) = credentials else { return Err(InvalidConnection::Nobody) };
            let material = Material::new(&ca, None).map_err(unusable(ca_file))?;
            let identity = credentials.identity.clone();
            return Ok(Loaded { material, credentials: Some(credentials), identity });
        }
        let (cert_file, cert) = pem("cert_file", self.cert_file.as_deref(), CERTIFICATE, public)?;
        let (_, key) = pem("key_file", self.key_file.as_deref(), KEY, secret)?;
        let name = certificate::first_dns_name(&cert)
            .ok_or_else(|| InvalidConnection::Nameless { path: cert_file.to_owned() })?;
        let material = Material::new(&ca, Some((&cert, &key))).map_err(unusable(cert_file))?;
        // Where both are there, the server takes the credentials for who we are.
        let identity =
            credentials.as_ref().map_or(name, |credentials| credentials.identity.clone());
        Ok(Loaded { material, credentials, identity })
    }

    /// Whether `address` is one with TLS; an error unless we may connect to it.
    fn is_tls(&self, address: &str) -> Result<bool, InvalidConnection> {
        let (tls, host) = scheme_and_host(address)?;
        let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let may_be_plain = loopback && self.insecure_for_tests;
        if !(tls || may_be_plain) {
            return Err(InvalidConnection::Plain { address: address.to_owned() });
        }
        Ok(tls)
    }
}

/// Host and port of an address.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    const NATS_PORT: u16 = 4222;
    let (_, host) = scheme_and_host(address).ok()?;
    let after = address.rsplit_once(host)?.1.trim_start_matches(']');
    Some((host, after.strip_prefix(':').map_or(Some(NATS_PORT), |port| port.parse().ok())?))
}

/// Whether `address` is one with TLS, and its host.
fn scheme_and_host(address: &str) -> Result<(bool, &str), InvalidConnection> {
    let invalid = || InvalidConnection::Address { address: address.to_owned() };
    let (tls, rest) = match address.split_once("://") {
        Some(("tls", rest)) => (true, rest),
        Some(("nats", rest)) => (false, rest),
        _ => return Err(invalid()),
    };
    // A user or password in an address would end up in logs; there are files for that.
    let host = host_of(rest).filter(|host| !host.is_empty() && !rest.contains(['@', '/']));
    Ok((tls, host.ok_or_else(invalid)?))
}

/// The host in `host`, `host:port`, `[v6]` and `[v6]:port`.
fn host_of(rest: &str) -> Option<&str> {
    let (host, port) = match rest.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    match port {
        Some(port) => port.parse::<u16>().is_ok().then_some(host),
        None => Some(host),
    }
}

/// What is looked for in a PEM file: the end of a label, and what it is called.
type Wanted = (&'static str, &'static str);
const CERTIFICATE: Wanted = ("CERTIFICATE", "certificate");
const KEY: Wanted = ("PRIVATE KEY", "key");
const FILE_BYTES_MAX: u64 = 4 << 20;

fn public(path: &Path) -> Result<String, ReadError> {
    secret::read_public(path, FILE_BYTES_MAX)
}

fn secret(path: &Path) -> Result<String, ReadError> {
    secret::read(path, FILE_BYTES_MAX)
}

fn of_key(key: &'static str) -> impl Fn(ReadError) -> InvalidConnection {
    move |source| InvalidConnection::File { key, source }
}

fn unusable(path: &Path) -> impl Fn(Cause) -> InvalidConnection {
    move |source| InvalidConnection::Unusable { path: path.to_owned(), source }
}

/// The file behind a key, if it holds what is wanted.
fn pem<'a>(
    key: &'static str,
    path: Option<&'a Path>,
    (label, what): Wanted,
    read: impl Fn(&Path) -> Result<String, ReadError>,
) -> Result<(&'a Path, String), InvalidConnection> {
    let path = path.ok_or(InvalidConnection::MissingFile { key })?;
    let text = read(path).map_err(of_key(key))?;
    let found = text.lines().any(|line| {
        line.strip_prefix("-----BEGIN ")
            .and_then(|line| line.trim_end().strip_suffix("-----"))
            .is_some_and(|found| found.ends_with(label))
    });
    if !found {
        return Err(InvalidConnection::NotPem { key, path: path.to_owned(), what });
    }
    Ok((path, text))
}
