//! The listener's certificates, read again when their files change.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::config::{HttpConfigError, TlsConfig};
use crate::Chain;

/// Gives each new connection the certificates that the files hold now.
#[derive(Debug)]
pub(super) struct Certificates {
    files: TlsConfig,
    newest: Mutex<Newest>,
}

#[derive(Debug)]
struct Newest {
    /// What the files looked like when they were last read, well or badly.
    looked: Look,
    config: Arc<ServerConfig>,
}

/// Tells one state of the files from another. Links are followed, so that the
/// swap of a mounted secret counts.
type Look = [Option<(u64, u64, u64, i64, i64)>; 3];

impl Certificates {
    pub(super) fn read(files: &TlsConfig) -> Result<Self, HttpConfigError> {
        let looked = look(files);
        let config = load(files)?;
        Ok(Self { files: files.clone(), newest: Mutex::new(Newest { looked, config }) })
    }

    /// For the next connection. Looks at the files first: three calls of
    /// `stat`, where a handshake takes a thousand times as long.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = look(&self.files);
        if looked != newest.looked {
            newest.looked = looked;
            match load(&self.files) {
                Ok(config) => {
                    newest.config = config;
                    info!(cert_file = %self.files.cert_file.display(), "took the new certificates of the HTTP listener");
                }
                // Perhaps only one of them is written yet: they are looked at
                // again once they change.
                Err(error) => {
                    warn!(error = %Chain(&error), "cannot use the new certificates of the HTTP listener: the old ones stay");
                }
            }
        }
        TlsAcceptor::from(newest.config.clone())
    }
}

/// Reads and tries the files.
pub(super) fn load(files: &TlsConfig) -> Result<Arc<ServerConfig>, HttpConfigError> {
    let chain = certificates("tls.cert_file", &files.cert_file)?;
    let key = crate::read_secret(&files.key_file).map_err(HttpConfigError::KeyFile)?;
    let Ok(key) = PrivateKeyDer::from_pem_slice(key.as_bytes()) else {
        let path = files.key_file.clone();
        return Err(HttpConfigError::NotPem { key: "tls.key_file", path, what: "key" });
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(HttpConfigError::Pair)?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates("tls.client_ca_file", path)? {
                roots
                    .add(authority)
                    .map_err(|source| HttpConfigError::ClientCa { path: path.clone(), source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|source| HttpConfigError::Verifier { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(HttpConfigError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, HttpConfigError> {
    let unreadable =
        |source: io::Error| HttpConfigError::Unreadable { key, path: path.to_owned(), source };
    let text = fs::read(path).map_err(unreadable)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(HttpConfigError::NotPem { key, path: path.to_owned(), what: "certificate" }),
    }
}

fn look(files: &TlsConfig) -> Look {
    let look = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    [look(&files.cert_file), look(&files.key_file), files.client_ca_file.as_deref().and_then(look)]
}
