//! A client for our HTTP listeners, one connection for each request, and an
//! authority that issues certificates to both sides.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, client::conn::http1, header::HeaderMap};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// How long one request may take, until its answer is read.
const REQUEST_MAX: Duration = Duration::from_secs(20);

/// Who signs certificates; its files lie in a folder.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// PEM.
    pub cert_file: PathBuf,
    /// PEM, mode 0600.
    pub key_file: PathBuf,
}

impl Authority {
    /// A new one with `ca.crt` in `dir`, which is made.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        fs::write(dir.join("ca.crt"), certificate.pem())?;
        Ok(Self { dir: dir.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// Its own certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// A certificate for 127.0.0.1, for a server as well as a client, in
    /// `NAME.crt` and `NAME.key`; those that are there are replaced.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn issue(&self, name: &str) -> io::Result<Pair> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::from([127, 0, 0, 1]))];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let pair = Pair {
            cert_file: self.dir.join(format!("{name}.crt")),
            key_file: self.dir.join(format!("{name}.key")),
        };
        fs::write(&pair.key_file, key.serialize_pem())?;
        fs::set_permissions(&pair.key_file, fs::Permissions::from_mode(0o600))?;
        fs::write(&pair.cert_file, certificate.pem())?;
        Ok(pair)
    }
}

/// Talks to one listener.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

/// What a listener answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as text.
    pub body: String,
}

impl Client {
    /// Without TLS.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// With TLS; trusts what `ca_file` signed, and shows `own` if asked.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn tls(address: SocketAddr, ca_file: &Path, own: Option<&Pair>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca_file)? {
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_file(&pair.key_file).map_err(io::Error::other)?;
                builder
                    .with_client_auth_cert(certificates(&pair.cert_file)?, key)
                    .map_err(io::Error::other)?
            }
        };
        Ok(Self { address, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, Bytes::new()).await
    }

    /// As Falco's `http_output` posts.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> io::Result<Answer> {
        self.ask("POST", path, body.into()).await
    }

    async fn ask(&self, method: &str, path: &str, body: Bytes) -> io::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let answer = async {
            let stream = TcpStream::connect(self.address).await?;
            match &self.tls {
                None => exchange(stream, request).await,
                Some(tls) => {
                    let name = ServerName::from(self.address.ip());
                    exchange(tls.connect(name, stream).await?, request).await
                }
            }
        };
        match timeout(REQUEST_MAX, answer).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> io::Result<Answer> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the request, and what went wrong the request says.
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    driver.abort();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(io::Error::other)
}
