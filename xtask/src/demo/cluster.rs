//! The chain as pods of a real node, put there by the manifests that people
//! use, and a pod beside them in which somebody opens a shell.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use lanner_bus::ConnectionConfig;
use lanner_testkit::{process::Process, programs::Program};

use super::part;
use crate::{
    cluster::{BUSYBOX_IMAGE, Cluster, NODE_NAME, default_dir},
    deploy::Lanner,
    run::{is_root, output_of, repository},
};

const FORWARD_MAX: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "shop";
const POD: &str = "cart";

/// Fields drop in this order.
pub(crate) struct ClusterStage {
    /// Brings the bus to this side.
    forward: Process,
    cluster: Cluster,
    certificates: PathBuf,
    port: u16,
}

impl ClusterStage {
    pub(crate) async fn set() -> anyhow::Result<Self> {
        anyhow::ensure!(is_root(), "a cluster takes root; `cargo xtask demo` does without");
        let dir = default_dir();
        anyhow::ensure!(
            Cluster::running(&dir).is_none(),
            "a local cluster runs already; `cargo xtask cluster down` ends it"
        );
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&dir)).await??;
        part(
            "kubernetes",
            &format!(
                "node {NODE_NAME}: etcd, API server, controllers, scheduler, containerd, kubelet"
            ),
        );

        let (rules, playbooks) = (repository().join("rules"), repository().join("playbooks"));
        let deploy = move || {
            let lanner =
                Lanner { profile: "dev", rules: &rules, playbooks: &playbooks, enforce: true };
            let deployed = lanner.deploy(&cluster)?;
            run_pod(&cluster)?;
            anyhow::Ok((cluster, deployed))
        };
        let (cluster, deployed) = tokio::task::spawn_blocking(deploy).await??;
        part(
            "lanner",
            "deploy/kubernetes: a sensor and a forwarder on the node, two responders, a bus",
        );
        part("pod", &format!("{NAMESPACE}/{POD} runs {BUSYBOX_IMAGE}"));

        let (forward, port) = forward(&cluster).await?;
        Ok(Self { forward, cluster, certificates: deployed.certificates, port })
    }

    pub(crate) fn reader(&self) -> ConnectionConfig {
        let file = |name: &str| Some(self.certificates.join(name));
        ConnectionConfig {
            servers: vec![format!("tls://127.0.0.1:{}", self.port)],
            ca_file: file("ca.crt"),
            cert_file: file("subscriber.crt"),
            key_file: file("subscriber.key"),
            ..ConnectionConfig::default()
        }
    }

    pub(crate) async fn act(&self) -> anyhow::Result<String> {
        let shell = "cat /etc/shadow >/dev/null";
        let exec = ["--namespace", NAMESPACE, "exec", POD, "--", "sh", "-c", shell];
        let mut command = self.cluster.kubectl();
        command.args(exec);
        // The pod may be gone before the shell has ended, which is the point.
        let _ = tokio::task::spawn_blocking(move || output_of(&mut command)).await?;
        Ok(format!("kubectl exec {POD} -- sh -c '{shell}'"))
    }

    pub(crate) fn aftermath(&self) -> anyhow::Result<String> {
        let pod = format!("pod/{POD}");
        let wait = ["wait", "--for=delete", "--timeout=60s", &pod];
        output_of(self.cluster.kubectl().args(["--namespace", NAMESPACE]).args(wait))
            .context("the kubelet has not ended the pod")?;
        Ok(format!("\npod {NAMESPACE}/{POD} is gone: the kubelet has ended its processes"))
    }

    pub(crate) fn logs(&self) -> String {
        let log = |part: &str| {
            let args = ["--namespace", "lanner", "logs", "--all-containers", "--prefix", part];
            output_of(self.cluster.kubectl().args(args))
                .unwrap_or_else(|error| format!("{error:#}"))
        };
        let forward = self.forward.log_tail();
        log("daemonset/lanner-node") + &log("deployment/lanner-responder") + &forward
    }

    pub(crate) fn hint(&self) -> String {
        format!("export KUBECONFIG={}", self.cluster.kubeconfig().display())
    }
}

fn run_pod(cluster: &Cluster) -> anyhow::Result<()> {
    let kubectl = |args: &[&str]| output_of(cluster.kubectl().args(args)).map(drop);
    kubectl(&["create", "namespace", NAMESPACE])?;
    let in_namespace = ["--namespace", NAMESPACE];
    let image = format!("--image={BUSYBOX_IMAGE}");
    let run =
        ["run", POD, &image, "--image-pull-policy=Never", "--command", "--", "sleep", "86400"];
    kubectl(&[&in_namespace[..], &run].concat())?;
    let pod = format!("pod/{POD}");
    let ready = ["wait", "--for=condition=Ready", "--timeout=120s", &pod];
    kubectl(&[&in_namespace[..], &ready].concat()).context("the demo's pod does not run")
}

/// Forwards a port of this host to the bus in the cluster.
async fn forward(cluster: &Cluster) -> anyhow::Result<(Process, u16)> {
    let log = cluster.dir().join("port-forward.log");
    let kubeconfig = cluster.kubeconfig().display().to_string();
    let args = ["--namespace", "lanner", "port-forward", "service/nats", ":4222"];
    let args = [&["--kubeconfig", &kubeconfig][..], &args].concat();
    let mut forward = Process::try_spawn(&Program::Kubectl.cached(), args, &log)?;
    let port = tokio::time::timeout(FORWARD_MAX, async {
        loop {
            // "Forwarding from 127.0.0.1:40213 -> 4222"
            let text = fs::read_to_string(&log).unwrap_or_default();
            let port = text.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_once(' '));
            if let Some(port) = port.and_then(|(port, _)| port.parse().ok()) {
                return Ok(port);
            }
            anyhow::ensure!(forward.exit_status().is_none(), "{}", forward.log_tail());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let port = port.await.context("kubectl port-forward does not begin")??;
    Ok((forward, port))
}
