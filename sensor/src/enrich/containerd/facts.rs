//! containerd's records, made into [`ContainerInfo`]. Most is in the specification
//! that the low-level runtime got (OCI runtime-spec, `config.md` and `config-linux.md`).

use serde_json::Value;

use super::v1::containers::Container;
use crate::enrich::{
    container::Runtime,
    metadata::{ContainerInfo, HostShares, ImageName, Mount, PodInfo},
};

/// What nerdctl writes on its containers.
const NERDCTL_NAME: &str = "nerdctl/name";

/// A container's facts. `digest` is its image's, `pid` its first process.
pub fn container_info(
    container: &Container,
    digest: Option<String>,
    pid: Option<u32>,
) -> ContainerInfo {
    let spec = container.spec.as_ref().map(|spec| spec.value.as_slice()).unwrap_or_default();
    let spec: Value = serde_json::from_slice(spec).unwrap_or_default();
    let mut image = ImageName::parse(&container.image);
    image.digest = image.digest.or(digest);
    let name = container.labels.get(NERDCTL_NAME).unwrap_or(&container.id);
    let created = container.created_at.unwrap_or_default();
    let created_ns = created.seconds.saturating_mul(1_000_000_000) + i64::from(created.nanos);
    ContainerInfo {
        name: Some(name.clone()).filter(|name| !name.is_empty()),
        image,
        privileged: is_privileged(&spec),
        // When it was made; containerd does not tell when the task was started.
        started_ns: Some(created_ns).filter(|time| *time > 0),
        pod: PodInfo::of_labels(&container.labels),
        mounts: mounts(&spec),
        labels: container.labels.clone(),
        runtime: Some(Runtime::Containerd),
        pid: pid.filter(|pid| *pid != 0),
        shares: shares(&spec),
        ..ContainerInfo::default()
    }
}

/// Nothing says it in one word: all devices are allowed, and nothing of `/proc` is hidden.
fn is_privileged(spec: &Value) -> Option<bool> {
    let linux = spec.get("linux")?;
    let is_hidden =
        |key: &str| linux.get(key).and_then(Value::as_array).is_some_and(|paths| !paths.is_empty());
    let devices = linux.pointer("/resources/devices").and_then(Value::as_array);
    let allows_all = |rule: &Value| {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default();
        let is_number = |key: &str| rule.get(key).is_some_and(Value::is_number);
        rule.get("allow").and_then(Value::as_bool) == Some(true)
            && matches!(text("type"), "" | "a")
            && text("access") == "rwm"
            && !is_number("major")
            && !is_number("minor")
    };
    let has_all_devices = devices.is_some_and(|rules| rules.iter().any(allows_all));
    Some(has_all_devices && !is_hidden("maskedPaths") && !is_hidden("readonlyPaths"))
}

/// What comes from the host; the rest are file systems of the container's own.
fn mounts(spec: &Value) -> Vec<Mount> {
    let all = spec.get("mounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mount = |mount: &Value| {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default();
        let options = mount.get("options").and_then(Value::as_array);
        let options: Vec<&str> = options.into_iter().flatten().filter_map(Value::as_str).collect();
        let is_bind = text("type") == "bind"
            || options.iter().any(|option| matches!(*option, "bind" | "rbind"));
        let propagation = options.iter().find(|option| {
            let kind = option.strip_prefix('r').unwrap_or(option);
            matches!(kind, "private" | "shared" | "slave" | "unbindable")
        });
        is_bind.then(|| Mount {
            source: text("source").to_owned(),
            destination: text("destination").to_owned(),
            mode: String::new(),
            writable: !options.contains(&"ro"),
            propagation: propagation.copied().unwrap_or_default().to_owned(),
        })
    };
    all.iter().filter_map(mount).collect()
}

/// A namespace that is not listed is that of the runtime: the host's.
fn shares(spec: &Value) -> HostShares {
    let Some(own) = spec.pointer("/linux/namespaces").and_then(Value::as_array) else {
        return HostShares::default();
    };
    let is_own = |kind: &str| {
        own.iter().any(|namespace| namespace.get("type").and_then(Value::as_str) == Some(kind))
    };
    HostShares {
        pid: Some(!is_own("pid")),
        network: Some(!is_own("network")),
        ipc: Some(!is_own("ipc")),
    }
}
