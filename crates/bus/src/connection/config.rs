use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{certs::certificate, identity::inbox_prefix};

/// How to reach the bus, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// Servers to try: `tls://nats.lanner.svc:4222`. A `nats://` address, which
    /// is without TLS, is taken on loopback only.
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
    /// What the server's list of connections calls this one; our certificate's
    /// name unless set.
    #[serde(default)]
    pub name: Option<String>,
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConnection {
    /// There is nothing to connect to.
    #[error("servers: name at least one, such as tls://nats.lanner.svc:4222")]
    NoServer,
    /// An address without TLS that leaves this host.
    #[error(
        "servers: {address} would be without TLS; write tls:// instead of nats://, which is for loopback only"
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
    /// A file that TLS needs cannot be read.
    #[error("{key}: cannot read {}", path.display())]
    Unreadable {
        /// The key in the configuration.
        key: &'static str,
        /// As configured.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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

/// Settings that were looked at, and the files behind them too.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    pub(super) name: String,
    pub(super) inbox_prefix: String,
    pub(super) tls: Option<TlsFiles<'a>>,
}

#[derive(Debug)]
pub(super) struct TlsFiles<'a> {
    pub(super) ca_file: &'a Path,
    pub(super) cert_file: &'a Path,
    pub(super) key_file: &'a Path,
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

    pub(super) fn check(&self) -> Result<Checked<'_>, InvalidConnection> {
        let mut with_tls = 0;
        for address in &self.servers {
            with_tls += usize::from(is_tls(address)?);
        }
        if self.servers.is_empty() {
            return Err(InvalidConnection::NoServer);
        }
        if with_tls == 0 {
            let name = self.name.clone().unwrap_or_else(|| "lanner".to_owned());
            return Ok(Checked { name, inbox_prefix: "_INBOX".to_owned(), tls: None });
        }
        if with_tls < self.servers.len() {
            return Err(InvalidConnection::Mixed);
        }
        let (ca_file, _) = pem("ca_file", self.ca_file.as_deref(), "CERTIFICATE", "certificate")?;
        let (cert_file, cert) =
            pem("cert_file", self.cert_file.as_deref(), "CERTIFICATE", "certificate")?;
        let (key_file, _) = pem("key_file", self.key_file.as_deref(), "PRIVATE KEY", "key")?;
        let identity = certificate::first_dns_name(&cert)
            .ok_or_else(|| InvalidConnection::Nameless { path: cert_file.to_owned() })?;
        Ok(Checked {
            inbox_prefix: inbox_prefix(&identity),
            name: self.name.clone().unwrap_or(identity),
            tls: Some(TlsFiles { ca_file, cert_file, key_file }),
        })
    }
}

/// Whether `address` is one with TLS; an error unless we may connect to it.
fn is_tls(address: &str) -> Result<bool, InvalidConnection> {
    let (tls, rest) = match address.split_once("://") {
        Some(("tls", rest)) => (true, rest),
        Some(("nats", rest)) => (false, rest),
        _ => return Err(InvalidConnection::Address { address: address.to_owned() }),
    };
    // A user or password in an address would end up in logs; we have certificates.
    let host = host_of(rest).filter(|host| !host.is_empty() && !rest.contains(['@', '/']));
    let Some(host) = host else {
        return Err(InvalidConnection::Address { address: address.to_owned() });
    };
    let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !tls && !loopback {
        return Err(InvalidConnection::Plain { address: address.to_owned() });
    }
    Ok(tls)
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

/// The file behind a key, if it holds a PEM block whose label ends in `label`.
fn pem<'a>(
    key: &'static str,
    path: Option<&'a Path>,
    label: &str,
    what: &'static str,
) -> Result<(&'a Path, String), InvalidConnection> {
    let path = path.ok_or(InvalidConnection::MissingFile { key })?;
    let text = fs::read_to_string(path).map_err(|source| InvalidConnection::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })?;
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
