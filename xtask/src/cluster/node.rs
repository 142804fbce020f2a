//! The programs of the node, and their configuration.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_testkit::{
    kubernetes::control_plane::{ControlPlane, Settings},
    process::Process,
    programs::Program,
};

use super::{NODE_NAME, images, namespaces::POD_RANGE, place::Place};
use crate::run::{find_program, output_of};

const API_PORT: u16 = 6443;
const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
const CONTAINERD_MAX: Duration = Duration::from_secs(20);

/// All that runs on the node but its pods.
pub(super) struct Node {
    // The kubelet first: it must not see the others go.
    programs: Vec<Process>,
    control_plane: ControlPlane,
}

impl Node {
    /// Starts the programs, in the namespaces of this process.
    pub(super) fn start(place: &Place) -> anyhow::Result<Self> {
        let (dir, address) = (place.dir(), place.node_address());
        eprintln!("starting etcd and kube-apiserver");
        let control_plane = ControlPlane::start(dir, control_plane_settings(place))?;
        let pki = control_plane.pki();
        let url = control_plane.url();
        let kubeconfig = |user: &str, group: Option<&str>| -> anyhow::Result<String> {
            let path = pki.kubeconfig(&url, user, group).context("cannot write a kubeconfig")?;
            Ok(path.display().to_string())
        };
        let kubelet = kubeconfig(&format!("system:node:{NODE_NAME}"), Some("system:nodes"))?;
        let manager = kubeconfig("system:kube-controller-manager", None)?;
        let scheduler = kubeconfig("system:kube-scheduler", None)?;
        let proxy = kubeconfig("system:kube-proxy", None)?;
        let files = Files { dir };

        eprintln!("starting containerd");
        let containerd = files.write("containerd.toml", &containerd_config(dir)?)?;
        fs::create_dir_all(dir.join("cni")).context("cannot make the network's folder")?;
        files.write("cni/10-lanner.conflist", &cni_config())?;
        let program = find_program("containerd").context("containerd is missing")?;
        let containerd = files.start(&program, &[format!("--config={containerd}")])?;
        wait_for_containerd()?;
        for image in images::write(dir)? {
            import_image(Path::new(CONTAINERD_SOCKET), &image)?;
        }

        eprintln!("starting kubelet, kube-proxy, kube-scheduler and kube-controller-manager");
        files.write("resolv.conf", "")?;
        let config = files.write("kubelet.yaml", &kubelet_config(place))?;
        let kubelet = files.start(
            &Program::Kubelet.cached(),
            &[
                format!("--config={config}"),
                format!("--kubeconfig={kubelet}"),
                format!("--hostname-override={NODE_NAME}"),
                format!("--node-ip={address}"),
            ],
        )?;
        let config = files.write("kube-proxy.yaml", &proxy_config(address, &proxy))?;
        let proxy = files.start(&Program::KubeProxy.cached(), &[format!("--config={config}")])?;
        let cert_dir = format!("--cert-dir={}", dir.display());
        let shared = [cert_dir, "--bind-address=127.0.0.1".into(), "--leader-elect=false".into()];
        let scheduler = files.start(
            &Program::KubeScheduler.cached(),
            &[&shared[..], &[format!("--kubeconfig={scheduler}")]].concat(),
        )?;
        let manager = files.start(
            &Program::KubeControllerManager.cached(),
            &[
                &shared[..],
                &[
                    format!("--kubeconfig={manager}"),
                    format!("--root-ca-file={}", pki.ca_file().display()),
                    format!(
                        "--service-account-private-key-file={}",
                        pki.service_account_key_file().display()
                    ),
                    "--use-service-account-credentials=true".to_owned(),
                ],
            ]
            .concat(),
        )?;
        Ok(Self { programs: vec![kubelet, proxy, scheduler, manager, containerd], control_plane })
    }

    /// Whether pods can run: the node is ready, and the default namespace has
    /// its service account.
    pub(super) fn is_ready(&self) -> bool {
        let jsonpath = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        let node = ["get", "node", NODE_NAME, "-o", jsonpath];
        let account = ["get", "serviceaccount", "default"];
        let ask = |args: &[&str]| output_of(self.control_plane.kubectl().args(args));
        ask(&node).is_ok_and(|text| text == "True") && ask(&account).is_ok()
    }

    /// Fails with the end of the log of one that has ended.
    pub(super) fn check_running(&mut self) -> anyhow::Result<()> {
        self.control_plane.check_running()?;
        for program in &mut self.programs {
            if let Some(status) = program.exit_status() {
                let (name, log) = (program.name(), program.log_tail());
                anyhow::bail!("{name} ended with {status}; its log ends with:\n{log}");
            }
        }
        Ok(())
    }
}

/// Gives containerd an image for the pods.
pub(super) fn import_image(socket: &Path, tar: &Path) -> anyhow::Result<()> {
    output_of(ctr(socket).args(["images", "import"]).arg(tar)).map(drop)
}

fn ctr(socket: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket).args(["--namespace", "k8s.io"]).stdin(Stdio::null());
    command
}

fn wait_for_containerd() -> anyhow::Result<()> {
    let started = Instant::now();
    while output_of(ctr(Path::new(CONTAINERD_SOCKET)).arg("version")).is_err() {
        anyhow::ensure!(started.elapsed() < CONTAINERD_MAX, "containerd does not answer");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Files in the cluster's folder.
struct Files<'a> {
    dir: &'a Path,
}

impl Files<'_> {
    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    fn start(&self, program: &Path, args: &[String]) -> anyhow::Result<Process> {
        let name = program.file_name().context("a program has a name")?;
        let log = self.dir.join(name).with_extension("log");
        Process::try_spawn(program, args, &log)
            .with_context(|| format!("cannot start {}", program.display()))
    }
}

fn control_plane_settings(place: &Place) -> Settings {
    let admin = place.dir().join("pki/admin");
    let address = place.node_address();
    Settings {
        // Not the ones the user named: these four go together.
        etcd: Program::Etcd.cached(),
        kube_apiserver: Program::KubeApiserver.cached(),
        kubectl: Program::Kubectl.cached(),
        address: (address, API_PORT).into(),
        apiserver_args: vec![
            format!("--advertise-address={address}"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--kubelet-client-certificate={}", admin.with_extension("crt").display()),
            format!("--kubelet-client-key={}", admin.with_extension("key").display()),
        ],
    }
}

fn containerd_config(dir: &Path) -> anyhow::Result<String> {
    const OVERLAY_MAGIC: i64 = 0x794c_7630;
    let kind =
        rustix::fs::statfs(dir).with_context(|| format!("cannot look at {}", dir.display()))?;
    // An overlay cannot lie on an overlay, as in a container on a build machine.
    let snapshotter = if kind.f_type == OVERLAY_MAGIC { "native" } else { "overlayfs" };
    Ok(format!(
        r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
# Without CAP_SYS_RESOURCE a score below our own is refused.
restrict_oom_score_adj = true
sandbox_image = "{pause}"
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{dir}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
"#,
        pause = images::PAUSE,
        dir = dir.display(),
    ))
}

/// Each pod has a link of its own, not one on a shared bridge: then also the
/// answers of a service on the same node come back through the node, which
/// translates their addresses.
fn cni_config() -> String {
    format!(
        r#"{{
  "cniVersion": "0.4.0",
  "name": "lanner",
  "plugins": [
    {{
      "type": "ptp",
      "ipam": {{
        "type": "host-local",
        "subnet": "{POD_RANGE}",
        "routes": [{{"dst": "0.0.0.0/0"}}]
      }}
    }},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
  ]
}}
"#
    )
}

fn kubelet_config(place: &Place) -> String {
    let (dir, address, cgroup) = (place.dir().display(), place.node_address(), place.cgroup());
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {address}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: false}}
  x509: {{clientCAFile: "{dir}/pki/ca.crt"}}
authorization: {{mode: AlwaysAllow}}
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
containerRuntimeEndpoint: "unix://{CONTAINERD_SOCKET}"
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
oomScoreAdj: 0
resolvConf: "{dir}/resolv.conf"
volumePluginDir: /var/lib/kubelet/volumeplugins
# A full disk of the machine is no reason to throw out the images.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {{memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%"}}
"#
    )
}

fn proxy_config(address: Ipv4Addr, kubeconfig: &str) -> String {
    format!(
        r#"apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
bindAddress: {address}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clusterCIDR: {POD_RANGE}
hostnameOverride: {NODE_NAME}
clientConnection: {{kubeconfig: "{kubeconfig}"}}
oomScoreAdj: 0
# These are settings of the whole machine.
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
"#
    )
}
