//! `container.*` and `k8s.*`.

use std::collections::BTreeMap;

use lanner_engine::{Field, Value};

use super::View;
use crate::enrich::metadata::{ContainerInfo, Mount, PodInfo};

/// How much of a sandbox's id Falco shows.
const SHORT_LEN: usize = 12;

/// What Falco's rules expect where no mount is the one that was asked for.
const NO_MOUNT: &str = "N/A";

impl<'a> View<'a> {
    pub(super) fn container_field(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let container = self.event.container.as_ref();
        // Asked for only where it is needed: who asks too early has to wait.
        let info = || self.event.info();
        match field {
            Field::ContainerId => {
                Some(Value::text(container.map_or("host", |container| container.short())))
            }
            Field::ContainerFullId => Some(Value::text(&container?.full)),
            Field::ContainerType => {
                let Some(container) = container else { return Some(Value::text("host")) };
                let told = || info()?.runtime?.name();
                Some(Value::text(container.runtime.name().or_else(told)?))
            }
            // Falco shows `host` here, too.
            Field::ContainerName if container.is_none() => Some(Value::text("host")),
            Field::ContainerMount
            | Field::ContainerMountSource
            | Field::ContainerMountDest
            | Field::ContainerMountMode
            | Field::ContainerMountRdwr
            | Field::ContainerMountPropagation => {
                // Also for a container that nothing is known of: the rules that ask say `not`.
                container?;
                Some(mount_field(info(), field, arg?).unwrap_or(Value::text(NO_MOUNT)))
            }
            // The kubelet writes it into the control group's name.
            Field::K8sPodUid => match &container?.pod_uid {
                Some(uid) => Some(Value::text(uid)),
                None => Some(Value::text(&info()?.pod.as_ref()?.uid)),
            },
            _ => match field.name().starts_with("k8s.") {
                true => pod_field(info()?.pod.as_ref()?, field, arg),
                false => self.info_field(info()?, field, arg),
            },
        }
    }

    fn info_field(
        &self,
        info: &'a ContainerInfo,
        field: Field,
        arg: Option<&str>,
    ) -> Option<Value<'a>> {
        match field {
            Field::ContainerName => optional(&info.name),
            Field::ContainerImage => optional(&info.image.full),
            Field::ContainerImageId => optional(&info.image_id),
            Field::ContainerImageRepository => optional(&info.image.repository),
            Field::ContainerImageTag => optional(&info.image.tag),
            Field::ContainerImageDigest => optional(&info.image.digest),
            Field::ContainerPrivileged => info.privileged.map(Value::Bool),
            // Of a container that was just made the runtime does not know it yet.
            Field::ContainerStartTs => {
                let is_first = self.event.process.facts.vpid == 1;
                let started = info.started_ns.or_else(|| is_first.then(|| self.start_ns()));
                started.map(Value::Int)
            }
            Field::ContainerDuration => {
                let lived = self.event.time_ns.saturating_sub(info.started_ns?);
                lived.try_into().ok().map(Value::Uint)
            }
            Field::ContainerIp => optional(&info.ip),
            Field::ContainerHostPid => info.shares.pid.map(Value::Bool),
            Field::ContainerHostNetwork => info.shares.network.map(Value::Bool),
            Field::ContainerHostIpc => info.shares.ipc.map(Value::Bool),
            Field::ContainerLabel => info.labels.get(arg?).map(Value::text),
            Field::ContainerLabels => Some(Value::from(joined(&info.labels))),
            Field::ContainerMounts => {
                Some(Value::from(info.mounts.iter().map(whole).collect::<Vec<_>>().join(",")))
            }
            _ => None,
        }
    }
}

/// A field of one mount: the one of that number, the one at that destination
/// (`container.mount.source`), or the one from that source (all others).
fn mount_field<'a>(info: Option<&'a ContainerInfo>, field: Field, arg: &str) -> Option<Value<'a>> {
    let by_number = || info?.mounts.get(arg.parse::<usize>().ok()?);
    let by_path = || info?.mounts.iter().find(|mount| fits(place(mount, field), arg));
    let mount = by_number().or_else(by_path)?;
    Some(match field {
        Field::ContainerMount => Value::from(whole(mount)),
        Field::ContainerMountSource => Value::text(&mount.source),
        Field::ContainerMountDest => Value::text(&mount.destination),
        Field::ContainerMountMode => Value::text(&mount.mode),
        Field::ContainerMountRdwr => Value::text(if mount.writable { "true" } else { "false" }),
        _ => Value::text(&mount.propagation),
    })
}

fn place(mount: &Mount, field: Field) -> &str {
    match field {
        Field::ContainerMountSource => &mount.destination,
        _ => &mount.source,
    }
}

/// As Falco writes a mount.
fn whole(mount: &Mount) -> String {
    let Mount { source, destination, mode, writable, propagation } = mount;
    format!("{source}:{destination}:{mode}:{writable}:{propagation}")
}

fn pod_field<'a>(pod: &'a PodInfo, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
    let workload = pod.workload.as_ref();
    match field {
        Field::K8sNsName => Some(Value::text(&pod.namespace)),
        Field::K8sPodName => Some(Value::text(&pod.name)),
        Field::K8sPodIp => optional(&pod.ip),
        Field::K8sPodSandboxId => {
            Some(Value::text(pod.sandbox_id.get(..SHORT_LEN).unwrap_or(&pod.sandbox_id)))
        }
        Field::K8sPodFullSandboxId => Some(Value::text(&pod.sandbox_id)),
        Field::K8sPodLabel => pod.labels.get(arg?).map(Value::text),
        Field::K8sPodLabels => Some(Value::from(joined(&pod.labels))),
        Field::K8sWorkloadKind => Some(Value::text(workload?.kind)),
        Field::K8sWorkloadName => Some(Value::text(&workload?.name)),
        Field::K8sRsName => optional(&workload?.replica_set),
        Field::K8sDeploymentName => {
            let workload = workload.filter(|workload| workload.kind == "Deployment");
            Some(Value::text(&workload?.name))
        }
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

/// A path, or the start of one with `*` behind it.
fn fits(path: &str, asked: &str) -> bool {
    match asked.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == asked,
    }
}
