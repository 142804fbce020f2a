//! The chain as processes on this host. The pod is an object of a real API
//! server; where there is no node that runs it, its container is a control
//! group of this host.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use lanner_bus::{ConnectionConfig, Identity};
use lanner_testkit::{
    KubeApiserver, Stack,
    process::Process,
    product::Binary,
    programs::{ETCD_VERSION, KUBERNETES_VERSION, NATS_SERVER_VERSION, Program},
    scene::ScenePod,
    stack::Watch,
};
use rustix::system::uname;

use super::{container::Container, part};
use crate::run::output_of;

const READY_MAX: &str = "120s";

/// Fields drop in this order: who watches, who acts, what they act on.
pub(crate) struct HostStage {
    daemons: Vec<Process>,
    scene: Scene,
    stack: Stack,
    cluster: ActedOn,
    pod: ScenePod,
}

/// How the event comes about.
enum Scene {
    /// A process in a control group of this host, seen by eBPF.
    Live(Container),
    /// A recording, because of this.
    Replay(String),
}

/// Whose pod it is.
enum ActedOn {
    Ours(Box<KubeApiserver>),
    Yours(Namespace),
}

impl HostStage {
    /// With an API server of our own.
    pub(crate) async fn set() -> anyhow::Result<Self> {
        let node = uname().nodename().to_string_lossy().into_owned();
        let apiserver = KubeApiserver::start();
        let pod = ScenePod {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
            node,
            container: random_hex::<32>()?,
        };
        pod.create(&apiserver);
        part(
            "kubernetes",
            &format!(
                "kube-apiserver {KUBERNETES_VERSION}, etcd {ETCD_VERSION}; no kubelet, so a pod is an object only"
            ),
        );
        let kubeconfig = apiserver.kubeconfig_path().to_owned();
        Self::set_around(ActedOn::Ours(Box::new(apiserver)), pod, &kubeconfig, "enforce").await
    }

    /// With the cluster of this kubeconfig.
    pub(crate) async fn set_beside(
        kubeconfig: PathBuf,
        image: &str,
        enforce: bool,
    ) -> anyhow::Result<Self> {
        let namespace = Namespace::make(kubeconfig.clone())?;
        let pod = namespace.run_pod(image)?;
        let place = format!("the cluster of {}, node {}", kubeconfig.display(), pod.node);
        part("kubernetes", &place);
        let mode = if enforce { "enforce" } else { "observe" };
        Self::set_around(ActedOn::Yours(namespace), pod, &kubeconfig, mode).await
    }

    async fn set_around(
        cluster: ActedOn,
        pod: ScenePod,
        kubeconfig: &Path,
        mode: &str,
    ) -> anyhow::Result<Self> {
        let stack = Stack::start(&pod.node).await;
        part(
            "bus",
            &format!("nats-server {NATS_SERVER_VERSION}, mutual TLS, a certificate for each"),
        );
        let mut daemons = vec![stack.start_forwarder()];
        part("forwarder", &format!("may publish as node {} and nothing else", pod.node));
        daemons.push(stack.start_responder(kubeconfig, mode));
        part("responder", &format!("mode {mode}, playbooks of playbooks/"));
        let scene = match cluster {
            ActedOn::Ours(_) => Scene::choose(&stack, &pod)?,
            ActedOn::Yours(_) => {
                Scene::Replay(format!("the pod's node is {}, not this host", pod.node))
            }
        };
        match &scene {
            Scene::Live(_) => {
                daemons.push(stack.start_sensor(&Watch::Kernel));
                part("sensor", "eBPF, rules of rules/");
            }
            Scene::Replay(why) => {
                part("sensor", &format!("replays a recorded event, no eBPF: {why}"));
            }
        }
        Ok(Self { daemons, scene, stack, cluster, pod })
    }

    pub(crate) fn reader(&self) -> ConnectionConfig {
        self.stack.bus.connection(&Identity::Subscriber)
    }

    pub(crate) fn act(&mut self) -> anyhow::Result<String> {
        let place = format!("pod {}/{}", self.pod.namespace, self.pod.name);
        match &self.scene {
            Scene::Live(container) => {
                container.run("cat /etc/shadow >/dev/null")?;
                Ok(format!("somebody ran `sh -c 'cat /etc/shadow'` in {place}"))
            }
            Scene::Replay(_) => {
                let recording = self.stack.dir().join("events.jsonl");
                fs::write(&recording, self.pod.secret_file_read() + "\n")
                    .context("cannot write the recording")?;
                self.daemons.push(self.stack.start_sensor(&Watch::Recording(recording)));
                Ok(format!("as recorded: somebody ran `cat /etc/shadow` in {place}"))
            }
        }
    }

    pub(crate) fn aftermath(&self) -> anyhow::Result<String> {
        let ScenePod { namespace, name, .. } = &self.pod;
        let deletion = "jsonpath={.metadata.deletionTimestamp}";
        let args = ["--namespace", namespace, "get", "pod", name, "--output", deletion];
        let found = match &self.cluster {
            ActedOn::Ours(apiserver) => apiserver.kubectl(&args),
            ActedOn::Yours(cluster) => output_of(kubectl(&cluster.kubeconfig).args(args))
                .map_err(|error| format!("{error:#}")),
        };
        match found {
            Ok(time) if time.is_empty() => Ok(format!("\npod {namespace}/{name} is as it was")),
            Ok(time) => Ok(format!("\npod {namespace}/{name} is told to end, by {time}")),
            Err(error) if error.contains("NotFound") => {
                Ok(format!("\npod {namespace}/{name} is gone"))
            }
            Err(error) => anyhow::bail!("cannot look at the pod: {error}"),
        }
    }

    pub(crate) fn logs(&self) -> String {
        self.stack.logs()
    }

    pub(crate) fn hint(&self) -> String {
        match self.scene {
            Scene::Live(_) => "the sensor sees all of this host".to_owned(),
            Scene::Replay(_) => {
                format!("write Falco's JSON lines to {}", self.stack.falco_pipe().display())
            }
        }
    }
}

impl Scene {
    /// Live where the sensor finds all that it cannot do without.
    fn choose(stack: &Stack, pod: &ScenePod) -> anyhow::Result<Self> {
        let config = stack.dir().join("doctor.yaml");
        fs::write(&config, stack.sensor_config()).context("cannot write a configuration")?;
        let doctor = Command::new(Binary::Sensor.path())
            .args(["doctor", "--config"])
            .arg(&config)
            .output()
            .context("cannot start the sensor")?;
        if doctor.status.success() {
            return Ok(Self::Live(Container::make(&pod.container)?));
        }
        let findings = String::from_utf8_lossy(&doctor.stdout).into_owned();
        let lacks = findings.lines().filter_map(|line| line.strip_prefix("FATAL"));
        let lacks: Vec<&str> = lacks.map(str::trim).collect();
        Ok(Self::Replay(lacks.join("; ")))
    }
}

/// A namespace of our own in somebody else's cluster, deleted on drop.
struct Namespace {
    kubeconfig: PathBuf,
    name: String,
}

impl Namespace {
    fn make(kubeconfig: PathBuf) -> anyhow::Result<Self> {
        // The one of the last demo may still be ending.
        let name = format!("lanner-demo-{}", random_hex::<3>()?);
        output_of(kubectl(&kubeconfig).args(["create", "namespace", &name]))?;
        Ok(Self { kubeconfig, name })
    }

    /// `kubectl` in this namespace.
    fn kubectl(&self) -> Command {
        let mut command = kubectl(&self.kubeconfig);
        command.args(["--namespace", &self.name]);
        command
    }

    fn run_pod(&self, image: &str) -> anyhow::Result<ScenePod> {
        let name = "cart";
        let run = ["run", name, "--image", image, "--restart=Never", "--command", "--"];
        output_of(self.kubectl().args(run).args(["sleep", "3600"]))?;
        let ready = ["wait", "--for=condition=Ready", "--timeout", READY_MAX, "pod", name];
        output_of(self.kubectl().args(ready)).context("the demo's pod does not run")?;
        let fields = "jsonpath={.spec.nodeName} {.status.containerStatuses[0].containerID}";
        let text = output_of(self.kubectl().args(["get", "pod", name, "--output", fields]))?;
        let (node, container) = text.split_once(' ').context("the pod runs on no node")?;
        let (_runtime, container) = container.split_once("://").context("no container id")?;
        Ok(ScenePod {
            namespace: self.name.clone(),
            name: name.to_owned(),
            node: node.to_owned(),
            container: container.to_owned(),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", &self.name, "--wait=false"];
        if let Err(error) = output_of(kubectl(&self.kubeconfig).args(delete)) {
            eprintln!("error: namespace {} may still be there: {error:#}", self.name);
        }
    }
}

fn kubectl(kubeconfig: &Path) -> Command {
    let mut command = Command::new(Program::Kubectl.path());
    command.arg("--kubeconfig").arg(kubeconfig);
    command
}

/// Twice `N` digits that nobody else has: of a container's id, of a name.
fn random_hex<const N: usize>() -> anyhow::Result<String> {
    let mut bytes = [0_u8; N];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
