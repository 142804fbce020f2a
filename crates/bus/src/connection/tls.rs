//! TLS 1.3 with the certificates that the files held when they last made sense.
//!
//! The library can read the files itself, at each attempt to connect. It would
//! read a pair of which one file is new and the other old, and it would take
//! TLS 1.2. So certificates are kept here, in place of its own, and only a
//! whole set takes the place of another.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _};

use crate::Cause;

/// Who we trust, and who we say we are.
#[derive(Debug)]
pub(super) struct Material {
    verifier: Arc<WebPkiServerVerifier>,
    own: Option<Arc<CertifiedKey>>,
}

impl Material {
    /// `own`: our certificate and its key, as PEM.
    pub(super) fn new(ca: &str, own: Option<(&str, &str)>) -> Result<Self, Cause> {
        let provider = provider();
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| Cause::of(&error))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| Cause::of(&error))?;
        let own = match own {
            None => None,
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|error| Cause::of(&error))?;
                // An error where the key is not the certificate's.
                let own = CertifiedKey::from_der(certificates(certificate)?, key, &provider)
                    .map_err(|error| Cause::of(&error))?;
                Some(Arc::new(own))
            }
        };
        Ok(Self { verifier, own })
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Cause> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Cause::of(&error))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The material of now, for every connection from now on.
#[derive(Clone, Debug)]
pub(super) struct Current(Arc<RwLock<Arc<Material>>>);

impl Current {
    pub(super) fn new(material: Material) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(material))))
    }

    pub(super) fn replace(&self, material: Material) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
    }

    fn get(&self) -> Arc<Material> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the library: asks for the material at each handshake.
    pub(super) fn client_config(&self) -> Result<ClientConfig, Cause> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Cause::of(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.clone()))
            .with_client_cert_resolver(Arc::new(self.clone()));
        // A resumed session would be of the certificate of before.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Webpki's own, with the roots of now.
impl ServerCertVerifier for Current {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verifier = &self.get().verifier;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.get().verifier.supported_verify_schemes()
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.get().own.clone()
    }

    fn has_certs(&self) -> bool {
        self.get().own.is_some()
    }
}
