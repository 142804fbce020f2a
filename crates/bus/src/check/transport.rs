//! What a server tells and takes before it knows who we are.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Checked, ends};
use crate::{ConnectionConfig, certs::certificate, connection::host_and_port};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a server that speaks first may take to do so.
const GREETING_MAX: Duration = Duration::from_secs(1);
/// The server's first line is shorter.
const LINE_BYTES_MAX: u64 = 64 << 10;

pub(super) async fn check(config: &ConnectionConfig) -> Vec<Checked> {
    let mut checked = Vec::new();
    for server in &config.servers {
        let Some(ca_file) = config.ca_file.as_deref().filter(|_| server.starts_with("tls://"))
        else {
            checked.push(Checked::bad(format!(
                "{server} is without TLS: give the server a `tls` block"
            )));
            continue;
        };
        let Some((host, port)) = host_and_port(server) else { continue };
        let own = config.cert_file.as_deref().zip(config.key_file.as_deref());
        let peer = Peer { address: server, host, port, ca_file, own };
        checked.push(peer.plain().await);
        checked.push(peer.old_tls().await);
        checked.extend(peer.stranger().await);
    }
    checked
}

struct Peer<'a> {
    address: &'a str,
    host: &'a str,
    port: u16,
    ca_file: &'a Path,
    /// Our certificate and its key.
    own: Option<(&'a Path, &'a Path)>,
}

impl Peer<'_> {
    /// Whether it speaks before TLS.
    async fn plain(&self) -> Checked {
        let address = self.address;
        let greeting = async {
            let stream = self.tcp().await.ok()?;
            let line = timeout(GREETING_MAX, first_line(stream)).await.ok()??;
            line.strip_prefix("INFO ").map(str::to_owned)
        };
        let Some(info) = greeting.await else {
            return Checked::good(format!("{address} says nothing without TLS"));
        };
        let info: serde_json::Value = serde_json::from_str(&info).unwrap_or_default();
        if info.get("tls_required").is_some_and(|required| required == true) {
            return Checked::bad(format!(
                "{address} says who it is before TLS: set `handshake_first: true`"
            ));
        }
        Checked::bad(format!("{address} takes connections without TLS: give it a `tls` block"))
    }

    /// With our certificate: in TLS 1.2 its lack would be a reason to refuse.
    async fn old_tls(&self) -> Checked {
        let refused = self.tls(&version::TLS12, self.own).await.is_err();
        Checked::from(
            refused,
            format!("{} {} TLS 1.2", self.address, if refused { "refuses" } else { "takes" }),
            "set `min_version: \"1.3\"`",
        )
    }

    /// TLS, but neither a certificate nor credentials.
    async fn stranger(&self) -> Vec<Checked> {
        let address = self.address;
        let mut stream = match self.tls(&version::TLS13, None).await {
            Ok(stream) => stream,
            Err(error) => return vec![Checked::bad(format!("{address}: TLS 1.3 fails: {error}"))],
        };
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| certificate::end_of_der(chain.first()?));
        let answer = async {
            stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await.ok()?;
            stream.flush().await.ok()?;
            let mut lines = BufReader::new(stream.take(LINE_BYTES_MAX)).lines();
            while let Some(line) = lines.next_line().await.ok()? {
                if line.starts_with("PONG") {
                    return Some(());
                }
                if line.starts_with("-ERR") {
                    break;
                }
            }
            None
        };
        let let_in = matches!(timeout(CONNECT_MAX, answer).await, Ok(Some(())));
        let mut checked = vec![Checked::from(
            !let_in,
            format!(
                "{address} {} who shows neither certificate nor credentials",
                if let_in { "lets in" } else { "refuses" }
            ),
            "set `verify_and_map: true`, or an `operator`",
        )];
        checked.extend(certificate.map(|end| ends(&format!("the certificate of {address}"), end)));
        checked
    }

    async fn tcp(&self) -> std::io::Result<TcpStream> {
        timeout(CONNECT_MAX, TcpStream::connect((self.host, self.port))).await?
    }

    async fn tls(
        &self,
        version: &'static SupportedProtocolVersion,
        own: Option<(&Path, &Path)>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let other = |error: String| std::io::Error::other(error);
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(self.ca_file).map_err(|e| other(e.to_string()))? {
            let root = root.map_err(|error| other(error.to_string()))?;
            roots.add(root).map_err(|error| other(error.to_string()))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .map_err(|error| other(error.to_string()))?
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((cert_file, key_file)) => {
                let chain = CertificateDer::pem_file_iter(cert_file)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| other(error.to_string()))?;
                let key = PrivateKeyDer::from_pem_file(key_file)
                    .map_err(|error| other(error.to_string()))?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| other(error.to_string()))?
            }
        };
        let name =
            ServerName::try_from(self.host.to_owned()).map_err(|error| other(error.to_string()))?;
        let stream = self.tcp().await?;
        timeout(CONNECT_MAX, TlsConnector::from(Arc::new(config)).connect(name, stream)).await?
    }
}

async fn first_line(stream: impl AsyncRead + Unpin) -> Option<String> {
    let mut lines = BufReader::new(stream.take(LINE_BYTES_MAX)).lines();
    lines.next_line().await.ok()?
}
