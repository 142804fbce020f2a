//! `container.*` and `k8s.*`.

use std::collections::BTreeMap;

use lanner_engine::{Field, Value};

use super::View;
use crate::enrich::metadata::{ContainerInfo, Mount, PodInfo};

/// How much of a sandbox's id Falco shows.
const SHORT_LEN: usize = 12;

impl<'a> View<'a> {
    pub(super) fn container_field(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let container = self.event.container.as_ref();
        match field {
            Field::ContainerId => {
                Some(Value::text(container.map_or("host", |container| container.short())))
            }
            Field::ContainerFullId => Some(Value::text(&container?.full)),
            Field::ContainerType => match container {
                Some(container) => Some(Value::text(container.runtime.name()?)),
                None => Some(Value::text("host")),
            },
            // Falco shows `host` here, too.
            Field::ContainerName if container.is_none() => Some(Value::text("host")),
            _ => {
                let info = self.event.info()?;
                match field.name().starts_with("k8s.") {
                    true => pod_field(info.pod.as_ref()?, field, arg),
                    false => self.info_field(info, field, arg),
                }
            }
        }
    }

    fn info_field(
        &self,
        info: &'a ContainerInfo,
        field: Field,
        arg: Option<&str>,
    ) -> Option<Value<'a>> {
        let mount = || matching_mount(&info.mounts, arg?);
        match field {
            Field::ContainerName => optional(&info.name),
            Field::ContainerImage => optional(&info.image.full),
            Field::ContainerImageId => optional(&info.image_id),
            Field::ContainerImageRepository => optional(&info.image.repository),
            Field::ContainerImageTag => optional(&info.image.tag),
            Field::ContainerImageDigest => optional(&info.image.digest),
            Field::ContainerPrivileged => info.privileged.map(Value::Bool),
            Field::ContainerStartTs => info.started_ns.map(Value::Int),
            Field::ContainerDuration => {
                let lived = self.event.time_ns.saturating_sub(info.started_ns?);
                lived.try_into().ok().map(Value::Uint)
            }
            Field::ContainerLabel => info.labels.get(arg?).map(Value::text),
            Field::ContainerLabels => Some(Value::from(joined(&info.labels))),
            Field::ContainerMountDest => mount().map(|mount| Value::text(&mount.destination)),
            Field::ContainerMountRdwr => {
                mount().map(|mount| Value::text(if mount.writable { "true" } else { "false" }))
            }
            Field::ContainerMountSource => {
                let by_destination =
                    info.mounts.iter().find(|mount| Some(mount.destination.as_str()) == arg);
                by_destination.map(|mount| Value::text(&mount.source))
            }
            Field::ContainerMounts => {
                let all = info.mounts.iter().map(|mount| {
                    format!("{}:{}::{}:", mount.source, mount.destination, mount.writable)
                });
                Some(Value::from(all.collect::<Vec<_>>().join(",")))
            }
            _ => None,
        }
    }
}

fn pod_field<'a>(pod: &'a PodInfo, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
    match field {
        Field::K8sNsName => Some(Value::text(&pod.namespace)),
        Field::K8sPodName => Some(Value::text(&pod.name)),
        Field::K8sPodUid => Some(Value::text(&pod.uid)),
        Field::K8sPodIp => optional(&pod.ip),
        Field::K8sPodSandboxId => {
            Some(Value::text(pod.sandbox_id.get(..SHORT_LEN).unwrap_or(&pod.sandbox_id)))
        }
        Field::K8sPodLabel => pod.labels.get(arg?).map(Value::text),
        Field::K8sPodLabels => Some(Value::from(joined(&pod.labels))),
        _ => None,
    }
}

fn optional(text: &Option<String>) -> Option<Value<'_>> {
    text.as_ref().map(Value::text)
}

fn joined(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}:{value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// The mount from a source, which may end in `*`.
fn matching_mount<'a>(mounts: &'a [Mount], source: &str) -> Option<&'a Mount> {
    mounts.iter().find(|mount| match source.strip_suffix('*') {
        Some(start) => mount.source.starts_with(start),
        None => mount.source == source,
    })
}
