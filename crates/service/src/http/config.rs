use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

use super::tls;
use crate::SecretFileError;

/// Where a daemon listens for HTTP, and with which certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port: `127.0.0.1:2801`, `[::]:2801`. The daemon has a
    /// default of its own, on loopback.
    pub listen: Option<SocketAddr>,
    /// Our certificate; without it the listener speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Plain HTTP beyond loopback: whoever is on the way reads and changes
    /// what is sent.
    pub allow_plain_text: bool,
}

/// The certificate of a listener, and whose clients it takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Our certificate, and those between it and the authority (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// Who signs the clients' certificates (PEM). With it nobody without such
    /// a certificate gets an answer.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// Settings of a listener that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum HttpConfigError {
    #[error(
        "listen: {address} is not loopback and would be without TLS; set tls, or allow_plain_text: true"
    )]
    PlainText { address: SocketAddr },
    #[error("{key}: cannot read {}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: io::Error },
    #[error("{key}: {} holds no {what} in PEM form", path.display())]
    NotPem { key: &'static str, path: PathBuf, what: &'static str },
    #[error("tls.key_file")]
    KeyFile(#[source] SecretFileError),
    #[error("tls.cert_file and tls.key_file do not fit together or cannot be used")]
    Pair(#[source] rustls::Error),
    #[error("tls.client_ca_file: {} holds a certificate that is no authority", path.display())]
    ClientCa { path: PathBuf, source: rustls::Error },
    #[error("tls.client_ca_file: {} cannot be used", path.display())]
    Verifier { path: PathBuf, source: rustls::server::VerifierBuilderError },
}

impl HttpConfig {
    /// Where to listen: as configured, or else at `default`.
    pub fn address(&self, default: SocketAddr) -> SocketAddr {
        self.listen.unwrap_or(default)
    }

    /// Whether these settings can work, and the files behind them too.
    /// `default` is where the daemon listens unless it is told.
    ///
    /// # Errors
    /// [`HttpConfigError`] names the key and the cure.
    pub fn check(&self, default: SocketAddr) -> Result<(), HttpConfigError> {
        let address = self.address(default);
        match &self.tls {
            Some(files) => tls::load(files).map(drop),
            None if is_loopback(address.ip()) || self.allow_plain_text => Ok(()),
            None => Err(HttpConfigError::PlainText { address }),
        }
    }

    /// Whether anybody who reaches the address gets an answer: it is beyond
    /// loopback, and asks for no certificate.
    pub fn is_open(&self, default: SocketAddr) -> bool {
        let asks = self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        !asks && !is_loopback(self.address(default).ip())
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
