//! etcd and kube-apiserver: what a test needs of a cluster, and what a whole
//! cluster starts with.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::pki::Pki;
use crate::{
    process::{Process, free_port},
    programs::Program,
};

/// Where the Kubernetes API itself is, as a service inside of the cluster.
const API_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVICE_RANGE: &str = "10.0.0.0/24";
const START_MAX: Duration = Duration::from_secs(60);

/// What the two users of the control plane want differently.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The programs to run: a test may run the user's, a cluster runs ours.
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kubectl: PathBuf,
    /// Where the API server listens. A port that is taken is an error.
    pub address: SocketAddr,
    /// Further arguments of kube-apiserver.
    pub apiserver_args: Vec<String>,
}

/// A running etcd and kube-apiserver.
pub struct ControlPlane {
    settings: Settings,
    pki: Pki,
    admin_kubeconfig: PathBuf,
    // In this order, so that the API server does not live to see etcd go.
    kube_apiserver: Process,
    etcd: Process,
}

impl ControlPlane {
    /// Starts both with their files in `dir` and waits until `/readyz` is ok
    /// and the default namespace exists.
    ///
    /// # Errors
    /// When one of them ends or is not ready in time: [`io::ErrorKind::AddrInUse`]
    /// if that was for a port, and with the end of its log.
    pub fn start(dir: &Path, settings: Settings) -> io::Result<Self> {
        let pki_dir = dir.join("pki");
        fs::create_dir_all(&pki_dir)?;
        let pki = Pki::create(&pki_dir)?;
        let server = format!("https://{}", settings.address);
        let admin_kubeconfig = pki.kubeconfig(&server, "admin", Some("system:masters"))?;
        let (etcd, etcd_url) = start_etcd(dir, &settings)?;
        let kube_apiserver = start_apiserver(dir, &settings, &pki, &etcd_url)?;
        let mut control = Self { settings, pki, admin_kubeconfig, kube_apiserver, etcd };
        control.wait_until_ready()?;
        Ok(control)
    }

    /// The certificates: mints further users.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// `https://address:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.settings.address)
    }

    /// The kubeconfig of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// A `kubectl` command with the admin's rights.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.settings.kubectl);
        command.arg("--kubeconfig").arg(&self.admin_kubeconfig).stdin(Stdio::null());
        command
    }

    /// Kills the API server as `kill -9` does; etcd goes on.
    pub fn kill_apiserver(&mut self) {
        self.kube_apiserver.kill();
    }

    /// Fails with the end of the log of the one that has ended, if one has.
    ///
    /// # Errors
    /// When etcd or the API server has ended.
    pub fn check_running(&mut self) -> io::Result<()> {
        for process in [&mut self.etcd, &mut self.kube_apiserver] {
            if let Some(status) = process.exit_status() {
                let log = process.log_tail();
                let kind = if log.contains("address already in use") {
                    io::ErrorKind::AddrInUse
                } else {
                    io::ErrorKind::Other
                };
                let name = process.name();
                let message = format!("{name} ended with {status}; its log ends with:\n{log}");
                return Err(io::Error::new(kind, message));
            }
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let started = Instant::now();
        loop {
            self.check_running()?;
            if self.asks_well(&["get", "--raw", "/readyz"])
                && self.asks_well(&["get", "namespace", "default"])
            {
                return Ok(());
            }
            if started.elapsed() > START_MAX {
                let log = self.kube_apiserver.log_tail();
                let message = format!(
                    "kube-apiserver was not ready within {START_MAX:?}; its log ends with:\n{log}"
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn asks_well(&self, args: &[&str]) -> bool {
        self.kubectl()
            .arg("--request-timeout=5s")
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

fn start_etcd(dir: &Path, settings: &Settings) -> io::Result<(Process, String)> {
    let clients = format!("http://127.0.0.1:{}", free_port());
    let peers = format!("http://127.0.0.1:{}", free_port());
    let args = [
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        // A test's data need not survive a power cut.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let process = Process::try_spawn(&settings.etcd, args, &dir.join("etcd.log"))?;
    Ok((process, clients))
}

fn start_apiserver(
    dir: &Path,
    settings: &Settings,
    pki: &Pki,
    etcd_url: &str,
) -> io::Result<Process> {
    let address = settings.address;
    let server = pki.server(address.ip(), API_SERVICE)?;
    let mut args = vec![
        format!("--etcd-servers={etcd_url}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        format!("--cert-dir={}", dir.display()),
        format!("--tls-cert-file={}", server.certificate.display()),
        format!("--tls-private-key-file={}", server.key.display()),
        format!("--client-ca-file={}", pki.ca_file().display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", pki.service_account_public_key_file().display()),
        format!("--service-account-signing-key-file={}", pki.service_account_key_file().display()),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    args.extend(settings.apiserver_args.iter().cloned());
    Process::try_spawn(&settings.kube_apiserver, args, &dir.join("kube-apiserver.log"))
}

/// The settings for a test: found programs, a free loopback port, no node.
pub(super) fn for_tests() -> Settings {
    Settings {
        etcd: Program::Etcd.path(),
        kube_apiserver: Program::KubeApiserver.path(),
        kubectl: Program::Kubectl.path(),
        address: (Ipv4Addr::LOCALHOST, free_port()).into(),
        apiserver_args: vec![
            // Nobody makes the tokens that this plugin wants in each pod.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            // A loopback address cannot be the address of the API's service,
            // and without a node nobody would use it.
            "--advertise-address=192.0.2.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
        ],
    }
}
