//! The bus of a cluster, as it is reached from this host.

use std::{path::Path, process::Command};

use lanner_testkit::{eventually, process::Process, product::Binary, programs::Program};

use crate::{DEADLINE, Xtask, output};

/// The cluster's bus on a port of this host.
pub(crate) struct Forward {
    _kubectl: Process,
    server: String,
    certificates: String,
}

impl Forward {
    pub(crate) fn to_the_bus(xtask: &Xtask, folder: &Path) -> Self {
        let log = folder.join("port-forward.log");
        let kubeconfig = xtask.dir.join("pki/admin.kubeconfig");
        let args = ["--namespace", "lanner", "port-forward", "service/nats", ":4222"];
        let args = [&["--kubeconfig", kubeconfig.to_str().unwrap()][..], &args].concat();
        let mut kubectl = Process::spawn(&Program::Kubectl.path(), args, &log);
        let port = eventually("the port is forwarded", DEADLINE, || {
            kubectl.assert_running();
            let text = kubectl.log_tail();
            let (_, rest) = text.split_once("127.0.0.1:")?;
            Some(rest.split(' ').next()?.to_owned())
        });
        let certificates = xtask.dir.join("bus").display().to_string();
        Self { _kubectl: kubectl, server: format!("tls://127.0.0.1:{port}"), certificates }
    }

    /// Runs our tool as the bus's admin.
    pub(crate) fn lanner(&self, command: &[&str], operands: &[&str]) -> String {
        output(self.command("admin", command).args(operands)).unwrap()
    }

    /// Our tool with this role's certificate.
    pub(crate) fn command(&self, role: &str, command: &[&str]) -> Command {
        let mut lanner = Command::new(Binary::Tool.path());
        lanner.args(command).args(["--server", &self.server]);
        let (cert, key) = (format!("{role}.crt"), format!("{role}.key"));
        for (flag, file) in [("--ca", "ca.crt"), ("--cert", &cert), ("--key", &key)] {
            lanner.arg(flag).arg(Path::new(&self.certificates).join(file));
        }
        lanner
    }
}
