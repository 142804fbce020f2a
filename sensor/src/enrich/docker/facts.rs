//! What Docker and Podman say of a container and its image, made into [`ContainerInfo`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::enrich::metadata::{ContainerInfo, HostShares, ImageName, Mount, PodInfo};

/// A container's facts, from the answers of `/containers/ID/json` and `/images/ID/json`;
/// the second may be `null`.
pub fn container_info(container: &Value, image: &Value) -> ContainerInfo {
    let text = |path: &str| container.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let labels: BTreeMap<String, String> = container
        .pointer("/Config/Labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let started = text("/State/StartedAt").parse::<Timestamp>().ok();
    let started_ns = started.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let pid = container.pointer("/State/Pid").and_then(Value::as_u64);
    ContainerInfo {
        name: known(text("/Name").trim_start_matches('/')),
        image: image_name(text("/Config/Image"), image),
        image_id: known(without_algorithm(text("/Image"))),
        privileged: container.pointer("/HostConfig/Privileged").and_then(Value::as_bool),
        // One that was not started has the year 1.
        started_ns: started_ns.filter(|time| *time > 0),
        pod: PodInfo::of_labels(&labels),
        labels,
        mounts: mounts(container),
        pid: pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
        ip: known(text("/NetworkSettings/IPAddress")).or_else(|| first_address(container)),
        shares: HostShares {
            pid: Some(text("/HostConfig/PidMode") == "host"),
            network: Some(text("/HostConfig/NetworkMode") == "host"),
            ipc: Some(text("/HostConfig/IpcMode") == "host"),
        },
        probes: health_check(container).into_iter().collect(),
        ..ContainerInfo::default()
    }
}

/// The name that was asked for, with what the image's own record adds: a tag where none
/// was named, the digest, and a name where an id was asked for.
fn image_name(asked: &str, image: &Value) -> ImageName {
    let list = |key: &str| -> Vec<&str> {
        let list = image.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (tags, digests) = (list("RepoTags"), list("RepoDigests"));
    let is_id = asked.starts_with("sha256:") || image_id_starts_with(image, asked);
    let name = match is_id {
        true => tags.first().copied().unwrap_or_default(),
        false => asked,
    };
    let mut found = ImageName::parse(name);
    let repository = found.repository.clone().unwrap_or_default();
    let of_repository = |names: &[&str]| {
        let mut parsed = names.iter().map(|name| ImageName::parse(name));
        parsed.find(|name| name.repository.as_deref() == Some(&repository))
    };
    if found.tag.is_none() && found.digest.is_none() {
        found.tag = of_repository(&tags).and_then(|name| name.tag);
    }
    if found.digest.is_none() {
        let any = || digests.first().map(|name| ImageName::parse(name));
        found.digest = of_repository(&digests).or_else(any).and_then(|name| name.digest);
    }
    found
}

/// `docker run 2d6be16ff258` names an image by the start of its id.
fn image_id_starts_with(image: &Value, asked: &str) -> bool {
    const SHORTEST: usize = 4;
    let id = image.get("Id").and_then(Value::as_str).unwrap_or_default();
    asked.len() >= SHORTEST && without_algorithm(id).starts_with(asked)
}

fn mounts(container: &Value) -> Vec<Mount> {
    let all = container.get("Mounts").and_then(Value::as_array);
    let mount = |mount: &Value| {
        let text =
            |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Mount {
            source: text("Source"),
            destination: text("Destination"),
            mode: text("Mode"),
            writable: mount.get("RW").and_then(Value::as_bool).unwrap_or(true),
            propagation: text("Propagation"),
        }
    };
    all.into_iter().flatten().map(mount).collect()
}

fn first_address(container: &Value) -> Option<String> {
    let networks = container.pointer("/NetworkSettings/Networks")?.as_object()?;
    networks.values().find_map(|network| known(network.get("IPAddress")?.as_str()?))
}

/// `["CMD", "prog", "arg"]` or `["CMD-SHELL", "line"]`, which the image's shell runs.
fn health_check(container: &Value) -> Option<Vec<String>> {
    let test = container.pointer("/Config/Healthcheck/Test")?.as_array()?;
    let words: Vec<&str> = test.iter().filter_map(Value::as_str).collect();
    let command = match words.split_first()? {
        (&"CMD", command) => command.iter().map(|word| (*word).to_owned()).collect(),
        (&"CMD-SHELL", [line]) => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        _ => return None,
    };
    Some(command)
}

fn without_algorithm(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

fn known(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
