//! Lanner on the local cluster, as `deploy/kubernetes/README.md` tells people to
//! put it on theirs: image, certificates, rules, playbooks, manifests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    cluster::{Cluster, NODE_NAME},
    image::{self, Programs},
    run::{output_of, repository, run},
};

const NAMESPACE: &str = "lanner";

/// By what names clients reach the bus: in the cluster, and through
/// `kubectl port-forward`.
const BUS_HOSTS: [&str; 3] = ["nats.lanner.svc", "127.0.0.1", "localhost"];

/// How long a part may take to come up, for `kubectl`.
const READY_MAX: &str = "120s";

/// What to put there.
pub(crate) struct Lanner<'a> {
    /// The cargo profile of our programs.
    pub(crate) profile: &'a str,
    /// A folder with rule files.
    pub(crate) rules: &'a Path,
    /// A folder with playbooks.
    pub(crate) playbooks: &'a Path,
    /// Whether playbooks may act, and not only say what they would do.
    pub(crate) enforce: bool,
}

/// What is there then.
pub(crate) struct Deployed {
    /// `ca.crt`, and certificate and key of `admin`, `responder`, `subscriber`
    /// and each node.
    pub(crate) certificates: PathBuf,
    /// Our programs as they run there, for use on this machine.
    pub(crate) programs: Programs,
}

impl Lanner<'_> {
    /// Puts it on the cluster and waits until all of it runs.
    ///
    /// # Errors
    /// With what did not come up.
    pub(crate) fn deploy(&self, cluster: &Cluster) -> anyhow::Result<Deployed> {
        let image = cluster.dir().join("lanner-image.tar");
        let programs = image::build(&image, self.profile)?;
        cluster.import_image(&image)?;

        let certificates = cluster.dir().join("bus");
        issue_certificates(&programs, &certificates)?;
        let kubernetes = repository().join("deploy/kubernetes");
        let kubectl = Kubectl { cluster };
        kubectl.run(&["apply", "-f", &path(&kubernetes.join("base/namespace.yaml"))])?;
        self.create_inputs(&kubectl, &certificates)?;
        let overlay = if self.enforce { "local-enforce" } else { "local" };
        // A job cannot be changed, and this one may have been done.
        kubectl.run(&["delete", "job", "lanner-bus-setup", "--ignore-not-found"])?;
        kubectl.run(&["apply", "-k", &path(&kubernetes.join(overlay))])?;

        let timeout = format!("--timeout={READY_MAX}");
        kubectl.run(&["rollout", "status", "statefulset/nats", &timeout])?;
        kubectl.run(&["wait", "--for=condition=Complete", "job/lanner-bus-setup", &timeout])?;
        for part in ["daemonset/lanner-node", "deployment/lanner-responder"] {
            kubectl.run(&["rollout", "status", part, &timeout])?;
        }
        Ok(Deployed { certificates, programs })
    }

    /// The secrets and maps that the manifests expect.
    fn create_inputs(&self, kubectl: &Kubectl<'_>, certificates: &Path) -> anyhow::Result<()> {
        let file = |name: &str| path(&certificates.join(name));
        let ca = format!("ca.crt={}", file("ca.crt"));
        for role in ["admin", "responder"] {
            let pair =
                ["crt", "key"].map(|end| format!("tls.{end}={}", file(&format!("{role}.{end}"))));
            kubectl.create("secret", &format!("lanner-{role}-tls"), &[&ca, &pair[0], &pair[1]])?;
        }
        let node = ["crt", "key"].map(|end| {
            format!("{NODE_NAME}.{end}={}", file(&format!("forwarder.{NODE_NAME}.{end}")))
        });
        kubectl.create("secret", "lanner-forwarder-tls", &[&ca, &node[0], &node[1]])?;
        let server = ["crt", "key"].map(|end| file(&format!("server.{end}")));
        kubectl.create("secret", "lanner-nats-tls", &[&ca, &server[0], &server[1]])?;
        kubectl.create("secret", "lanner-nats-config", &[&file("nats.conf")])?;
        kubectl.create("configmap", "lanner-rules", &[&path(self.rules)])?;
        kubectl.create("configmap", "lanner-playbooks", &[&path(self.playbooks)])
    }
}

/// Makes an authority, all certificates and the server's configuration in `dir`.
fn issue_certificates(programs: &Programs, dir: &Path) -> anyhow::Result<()> {
    if dir.join("nats.conf").exists() {
        return Ok(());
    }
    let lanner = |args: &[&str]| output_of(Command::new(programs.tool()).arg("bus").args(args));
    let folder = path(dir);
    let issue = |holder: &[&str]| lanner(&[&["certs", "issue", "--dir", &folder], holder].concat());
    lanner(&["certs", "init", "--dir", &folder])?;
    issue(&["server", "--host", BUS_HOSTS[0], "--host", BUS_HOSTS[1], "--host", BUS_HOSTS[2]])?;
    for role in ["admin", "responder", "subscriber"] {
        issue(&[role])?;
    }
    issue(&["forwarder", "--node", NODE_NAME])?;
    // The folders are those of the server's pod.
    let places = ["--dir", "/etc/nats-tls", "--store-dir", "/data"];
    let config = lanner(&[&["permissions", "--node", NODE_NAME], &places[..]].concat())?;
    let path = dir.join("nats.conf");
    fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// `kubectl` in Lanner's namespace.
struct Kubectl<'a> {
    cluster: &'a Cluster,
}

impl Kubectl<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.cluster.kubectl();
        command.args(["--namespace", NAMESPACE]).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        run(&mut self.command(args))
    }

    /// Creates or replaces a secret or a config map made of files.
    fn create(&self, kind: &str, name: &str, files: &[&str]) -> anyhow::Result<()> {
        let kind: &[&str] = if kind == "secret" { &["secret", "generic"] } else { &["configmap"] };
        let mut command = self.command(&[&["create"], kind, &[name]].concat());
        command.args(files.iter().map(|file| format!("--from-file={file}")));
        let object = output_of(command.args(["--dry-run=client", "-o", "json"]))?;
        let file = self.cluster.dir().join("object.json");
        fs::write(&file, object).with_context(|| format!("cannot write {}", file.display()))?;
        output_of(&mut self.command(&["apply", "--server-side", "-f", &path(&file)])).map(drop)
    }
}
