//! The runtimes' answers, made into [`ContainerInfo`].
//!
//! What CRI has no field for is in the verbose answer's `info`, JSON of the
//! runtime's own making. containerd and CRI-O differ there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::v1::{ContainerStatusResponse, Mount, PodSandboxStatusResponse};
use crate::enrich::metadata::{self, ContainerInfo, ImageName, PodInfo};

/// What kubelet writes on each container.
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_UID: &str = "io.kubernetes.pod.uid";

/// The sandbox that a container runs in.
pub fn sandbox_of(answer: &ContainerStatusResponse) -> Option<String> {
    let info = verbose(answer)?;
    info.get("sandboxID")?.as_str().map(str::to_owned)
}

/// A container's facts; `sandbox` is its pod's, where that is known.
pub fn container_info(
    answer: &ContainerStatusResponse,
    sandbox: Option<&PodSandboxStatusResponse>,
) -> ContainerInfo {
    let status = answer.status.clone().unwrap_or_default();
    let info = verbose(answer).unwrap_or_default();
    let name = status.metadata.map(|metadata| metadata.name);
    let image = status.image.unwrap_or_default();
    ContainerInfo {
        name: name.and_then(known),
        image: image_name(&[&image.user_specified_image, &image.image], &status.image_ref, &info),
        image_id: known(status.image_ref.clone()),
        privileged: is_privileged(&info),
        started_ns: Some(status.started_at).filter(|time| *time > 0),
        pod: sandbox.and_then(pod_info).or_else(|| pod_of_labels(&status.labels)),
        mounts: status.mounts.into_iter().map(mount).collect(),
        labels: status.labels,
    }
}

/// The facts of a sandbox's own process (the `pause` of a pod).
pub fn sandbox_info(answer: &PodSandboxStatusResponse) -> ContainerInfo {
    let labels = answer.status.as_ref().map(|status| status.labels.clone());
    ContainerInfo {
        // As kubelet's cgroup and log files call it.
        name: Some("POD".to_owned()),
        labels: labels.unwrap_or_default(),
        pod: pod_info(answer),
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
        ip: status.network.as_ref().and_then(|network| known(network.ip.clone())),
        labels: status.labels.clone(),
    })
}

fn pod_of_labels(labels: &BTreeMap<String, String>) -> Option<PodInfo> {
    Some(PodInfo {
        namespace: labels.get(POD_NAMESPACE)?.clone(),
        name: labels.get(POD_NAME)?.clone(),
        uid: labels.get(POD_UID)?.clone(),
        ..PodInfo::default()
    })
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
    metadata::Mount {
        source: mount.host_path,
        destination: mount.container_path,
        writable: !mount.readonly,
    }
}

fn verbose(answer: &ContainerStatusResponse) -> Option<Value> {
    serde_json::from_str(answer.info.get("info")?).ok()
}

fn known(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
