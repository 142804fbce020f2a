use std::net::IpAddr;

use x509_parser::{
    extensions::GeneralName,
    pem::{Pem, parse_x509_pem},
    prelude::{FromDer as _, X509Certificate},
};

use crate::Cause;

/// What we need to know of a certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    pem: Pem,
    pub(crate) common_name: String,
    pub(crate) dns_names: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) is_server: bool,
    /// Seconds since 1970.
    pub(crate) expiry_seconds: i64,
    /// The subject's public key information, as it stands in the certificate.
    pub(crate) public_key: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub(crate) fn parse(text: &str) -> Result<Self, Cause> {
        let (_rest, pem) =
            parse_x509_pem(text.as_bytes()).map_err(|error| Cause::said(error.to_string()))?;
        let x509 = pem.parse_x509().map_err(|error| Cause::said(error.to_string()))?;
        let (dns_names, addresses) = alternative_names(&x509);
        let common_name = x509
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned();
        let is_server = matches!(
            x509.extended_key_usage(),
            Ok(Some(usage)) if usage.value.server_auth
        );
        let public_key = x509.public_key().raw.to_vec();
        let expiry_seconds = x509.validity().not_after.timestamp();
        Ok(Self { common_name, dns_names, addresses, is_server, expiry_seconds, public_key, pem })
    }

    /// Whether the authority with this certificate signed it.
    pub(crate) fn is_signed_by(&self, authority_pem: &str) -> bool {
        let Ok((_rest, authority)) = parse_x509_pem(authority_pem.as_bytes()) else { return false };
        let (Ok(authority), Ok(own)) = (authority.parse_x509(), self.pem.parse_x509()) else {
            return false;
        };
        own.issuer() == authority.subject()
            && own.verify_signature(Some(authority.public_key())).is_ok()
    }
}

/// The name by which the bus knows the holder of this certificate.
pub(crate) fn first_dns_name(pem: &str) -> Option<String> {
    Certificate::parse(pem).ok()?.dns_names.into_iter().next()
}

/// When a certificate ends: seconds since 1970.
pub(crate) fn end(pem: &str) -> Option<i64> {
    let (_rest, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    end_of_der(&pem.contents)
}

/// The same of a certificate as it is sent.
pub(crate) fn end_of_der(der: &[u8]) -> Option<i64> {
    let (_rest, x509) = X509Certificate::from_der(der).ok()?;
    Some(x509.validity().not_after.timestamp())
}

fn alternative_names(x509: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let (mut dns_names, mut addresses) = (Vec::new(), Vec::new());
    let Ok(Some(names)) = x509.subject_alternative_name() else { return (dns_names, addresses) };
    for name in &names.value.general_names {
        match name {
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                addresses.extend(v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)));
            }
            _ => {}
        }
    }
    (dns_names, addresses)
}
