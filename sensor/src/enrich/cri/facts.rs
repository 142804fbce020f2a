//! The runtimes' answers, made into [`ContainerInfo`].
//!
//! What CRI has no field for is in the verbose answer's `info`, JSON of the
//! runtime's own making. containerd and CRI-O differ there.

use serde_json::Value;

use super::v1::{
    ContainerStatusResponse, Mount, MountPropagation, NamespaceMode, PodSandboxStatusResponse,
};
use crate::enrich::{
    container::Runtime,
    metadata::{self, ContainerInfo, HostShares, ImageName, PodInfo},
    workload::workload_of,
};

/// Where `kubectl apply` keeps what it was given: the one place that shows a pod's probes.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The sandbox that a container runs in.
pub fn sandbox_of(answer: &ContainerStatusResponse) -> Option<String> {
    Some(verbose(&answer.info)?.get("sandboxID")?.as_str()?.to_owned())
}

/// A container's facts; `sandbox` is its pod's, where that is known.
pub fn container_info(
    answer: &ContainerStatusResponse,
    sandbox: Option<&PodSandboxStatusResponse>,
) -> ContainerInfo {
    let status = answer.status.clone().unwrap_or_default();
    let info = verbose(&answer.info).unwrap_or_default();
    let name = status.metadata.map(|metadata| metadata.name);
    let image = status.image.unwrap_or_default();
    let probes = sandbox.map(|sandbox| probes(sandbox, name.as_deref().unwrap_or_default()));
    ContainerInfo {
        name: name.and_then(known),
        image: image_name(&[&image.user_specified_image, &image.image], &status.image_ref, &info),
        image_id: image_id(&status.image_id, &info),
        privileged: is_privileged(&info),
        started_ns: Some(status.started_at).filter(|time| *time > 0),
        pod: sandbox.and_then(pod_info).or_else(|| PodInfo::of_labels(&status.labels)),
        mounts: status.mounts.into_iter().map(mount).collect(),
        labels: status.labels,
        runtime: runtime(&info),
        pid: pid(&info),
        ip: sandbox.and_then(ip),
        shares: sandbox.map(shares).unwrap_or_default(),
        probes: probes.unwrap_or_default(),
    }
}

/// The facts of a sandbox's own process (the `pause` of a pod).
pub fn sandbox_info(answer: &PodSandboxStatusResponse) -> ContainerInfo {
    let labels = answer.status.as_ref().map(|status| status.labels.clone());
    let info = verbose(&answer.info).unwrap_or_default();
    let image = info.get("image").and_then(Value::as_str).unwrap_or_default();
    ContainerInfo {
        // As kubelet's cgroup and log files call it.
        name: Some("POD".to_owned()),
        image: ImageName::parse(if is_image_id(image) { "" } else { image }),
        labels: labels.unwrap_or_default(),
        pod: pod_info(answer),
        runtime: runtime(&info),
        pid: pid(&info),
        ip: ip(answer),
        shares: shares(answer),
        started_ns: answer.status.as_ref().map(|status| status.created_at).filter(|time| *time > 0),
        ..ContainerInfo::default()
    }
}

fn pod_info(answer: &PodSandboxStatusResponse) -> Option<PodInfo> {
    let status = answer.status.as_ref()?;
    let metadata = status.metadata.as_ref()?;
    Some(PodInfo {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        sandbox_id: status.id.clone(),
        ip: ip(answer),
        workload: Some(workload_of(&metadata.name, &status.labels)),
        labels: status.labels.clone(),
    })
}

fn ip(answer: &PodSandboxStatusResponse) -> Option<String> {
    known(answer.status.as_ref()?.network.as_ref()?.ip.clone())
}

fn shares(answer: &PodSandboxStatusResponse) -> HostShares {
    let linux = answer.status.as_ref().and_then(|status| status.linux.as_ref());
    let namespaces = linux.and_then(|linux| linux.namespaces.as_ref());
    let Some(options) = namespaces.and_then(|namespaces| namespaces.options.as_ref()) else {
        return HostShares::default();
    };
    HostShares {
        pid: Some(options.pid() == NamespaceMode::Node),
        network: Some(options.network() == NamespaceMode::Node),
        ipc: Some(options.ipc() == NamespaceMode::Node),
    }
}

/// The commands that the kubelet runs in the container on its own, where the pod was made
/// by `kubectl apply` of itself. Pods of controllers do not show them here.
fn probes(sandbox: &PodSandboxStatusResponse, container: &str) -> Vec<Vec<String>> {
    const PLACES: [&str; 5] = [
        "/livenessProbe/exec/command",
        "/readinessProbe/exec/command",
        "/startupProbe/exec/command",
        "/lifecycle/postStart/exec/command",
        "/lifecycle/preStop/exec/command",
    ];
    let applied = sandbox.status.as_ref().and_then(|status| status.annotations.get(APPLIED));
    let pod: Value = applied.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let named = |spec: &&Value| spec.get("name").and_then(Value::as_str) == Some(container);
    let Some(spec) = containers.into_iter().flatten().find(named) else { return Vec::new() };
    let command = |place: &&str| {
        let words = spec.pointer(place)?.as_array()?;
        words.iter().map(|word| Some(word.as_str()?.to_owned())).collect::<Option<Vec<_>>>()
    };
    PLACES.iter().filter_map(command).filter(|words| !words.is_empty()).collect()
}

/// The image's name. A runtime may give its id instead (`sha256:...`), and then
/// the name that was asked for is in the verbose answer, or the reference has
/// the repository and the digest.
fn image_name(names: &[&String], reference: &str, info: &Value) -> ImageName {
    let asked = info.pointer("/config/image/user_specified_image").and_then(Value::as_str);
    let spec = info.pointer("/config/image/image").and_then(Value::as_str);
    let names = names.iter().map(|name| name.as_str()).chain(asked).chain(spec);
    let is_name = |name: &&str| !name.is_empty() && !is_image_id(name);
    let name = names.chain([reference]).find(is_name).unwrap_or_default();
    let mut image = ImageName::parse(name);
    if image.digest.is_none() {
        image.digest = ImageName::parse(reference).digest;
    }
    image
}

fn is_image_id(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Newer runtimes have a field for it, containerd shows it where the image is named.
fn image_id(of_status: &str, info: &Value) -> Option<String> {
    let spec = info.pointer("/config/image/image").and_then(Value::as_str).unwrap_or_default();
    let id = [of_status, spec].into_iter().find(|id| is_image_id(id))?;
    Some(id.strip_prefix("sha256:").unwrap_or(id).to_owned())
}

/// containerd keeps the CRI config, and CRI-O the runtime's alone.
fn runtime(info: &Value) -> Option<Runtime> {
    let is_containerd = info.get("runtimeType").is_some() || info.get("snapshotter").is_some();
    is_containerd.then_some(Runtime::Containerd)
}

fn pid(info: &Value) -> Option<u32> {
    let pid = u32::try_from(info.get("pid")?.as_u64()?).ok();
    pid.filter(|pid| *pid != 0)
}

/// containerd keeps the CRI config; CRI-O has a key of its own.
fn is_privileged(info: &Value) -> Option<bool> {
    let places = ["/privileged", "/config/linux/security_context/privileged"];
    if let Some(said) = places.iter().find_map(|place| info.pointer(place)?.as_bool()) {
        return Some(said);
    }
    // containerd leaves out a value that is false.
    info.pointer("/config/linux").map(|_| false)
}

fn mount(mount: Mount) -> metadata::Mount {
    // What the runtimes make of it for the kernel.
    let propagation = match mount.propagation() {
        MountPropagation::PropagationPrivate => "rprivate",
        MountPropagation::PropagationHostToContainer => "rslave",
        MountPropagation::PropagationBidirectional => "rshared",
    };
    metadata::Mount {
        source: mount.host_path,
        destination: mount.container_path,
        mode: String::new(),
        writable: !mount.readonly,
        propagation: propagation.to_owned(),
    }
}

fn verbose(info: &std::collections::BTreeMap<String, String>) -> Option<Value> {
    serde_json::from_str(info.get("info")?).ok()
}

fn known(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
