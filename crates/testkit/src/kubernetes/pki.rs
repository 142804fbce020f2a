//! The control plane's certificates, and kubeconfig files for its users.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate authority for the API server and all who talk to it.
pub struct Pki {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of one certificate.
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pki {
    /// Makes a new authority whose files are in `dir`, which must exist.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("lanner test authority", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        fs::write(dir.join("ca.crt"), certificate.pem())?;
        let service_accounts = KeyPair::generate().map_err(io::Error::other)?;
        fs::write(dir.join("service-accounts.key"), service_accounts.serialize_pem())?;
        fs::write(dir.join("service-accounts.pub"), service_accounts.public_key_pem())?;
        Ok(Self { dir: dir.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate, for all who check the others.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The key that signs the tokens of service accounts.
    pub fn service_account_key_file(&self) -> PathBuf {
        self.dir.join("service-accounts.key")
    }

    /// The key that checks those tokens.
    pub fn service_account_public_key_file(&self) -> PathBuf {
        self.dir.join("service-accounts.pub")
    }

    /// A server's certificate for `address` and the API server's names.
    pub(super) fn server(&self, address: IpAddr, service: IpAddr) -> io::Result<Files> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("kube-apiserver", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![SanType::IpAddress(address), SanType::IpAddress(service)];
        for host in ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
            let host = host.try_into().map_err(io::Error::other)?;
            params.subject_alt_names.push(SanType::DnsName(host));
        }
        self.issue("kube-apiserver", params)
    }

    /// Writes the kubeconfig file of `user`, a member of `group`, for the API
    /// server at `server` (an https URL), and says where it is.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn kubeconfig(&self, server: &str, user: &str, group: Option<&str>) -> io::Result<PathBuf> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let files = self.issue(&file_name(user), params)?;
        let credential = format!(
            "{{client-certificate: {}, client-key: {}}}",
            files.certificate.display(),
            files.key.display()
        );
        self.write_kubeconfig(server, user, &credential)
    }

    /// As [`kubeconfig`](Self::kubeconfig), for a user who has a token.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_with_token(
        &self,
        server: &str,
        user: &str,
        token: &str,
    ) -> io::Result<PathBuf> {
        self.write_kubeconfig(server, user, &format!("{{token: {token}}}"))
    }

    fn write_kubeconfig(&self, server: &str, user: &str, credential: &str) -> io::Result<PathBuf> {
        let ca = self.ca_file();
        let text = format!(
            "apiVersion: v1
kind: Config
clusters:
- name: lanner
  cluster: {{server: \"{server}\", certificate-authority: {ca}}}
users:
- name: user
  user: {credential}
contexts:
- name: lanner
  context: {{cluster: lanner, user: user}}
current-context: lanner
",
            ca = ca.display(),
        );
        let path = self.dir.join(format!("{}.kubeconfig", file_name(user)));
        fs::write(&path, text)?;
        Ok(path)
    }

    fn issue(&self, file_name: &str, params: CertificateParams) -> io::Result<Files> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let files = Files {
            certificate: self.dir.join(format!("{file_name}.crt")),
            key: self.dir.join(format!("{file_name}.key")),
        };
        fs::write(&files.certificate, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}

/// Kubernetes reads the user from the common name, the group from the
/// organization.
fn name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn file_name(user: &str) -> String {
    user.replace([':', '/'], "-")
}
