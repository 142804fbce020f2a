//! `ka.req.pod.*` and `ka.req.container.*`: the pod that a request asks for.

use serde_json::Value as Json;

use super::extract::{at, list, text, text_of, texts, values};
use crate::{event::Value, field::Field};

/// The lists of containers in a pod's spec.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

pub(super) fn value<'a>(json: &'a Json, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
    let volumes = |path: &[&str]| {
        let path: Vec<&str> =
            ["requestObject", "spec", "volumes"].iter().chain(path).copied().collect();
        texts(json, arg, &path)
    };
    match field {
        Field::KaReqContainerImage => text_at(json, "image"),
        Field::KaReqContainerImageRepository => {
            let image = first_container(json)?.get("image")?;
            Some(Value::from(repository(&text_of(image)).to_owned()))
        }
        Field::KaReqContainerPrivileged => {
            let path = container_path("containers", &["securityContext", "privileged"]);
            let all = values(json, None, &path)?;
            let is_one = all.into_iter().flatten().any(|json| *json == Json::Bool(true));
            Some(Value::text(if is_one { "true" } else { "false" }))
        }
        Field::KaReqVolumeHostpath => {
            let path = ["requestObject", "spec", "volumes", "hostPath", "path"];
            let wanted = arg?;
            let all = values(json, None, &path)?;
            let is_one = all.into_iter().flatten().map(text_of).any(|path| {
                wanted.strip_suffix('*').is_some_and(|start| path.starts_with(start))
                    || path == wanted
            });
            Some(Value::text(if is_one { "true" } else { "false" }))
        }
        Field::KaReqPodSupplementalGroups => {
            let path = ["requestObject", "spec", "securityContext", "supplementalGroups"];
            list(at(json, &path)?.as_array()?.iter().map(text).collect())
        }
        Field::KaReqPodVolumesHostpath => volumes(&["hostPath", "path"]),
        Field::KaReqPodVolumesFlexvolumeDriver => volumes(&["flexVolume", "driver"]),
        Field::KaReqPodVolumesVolumeType => {
            let all = values(json, arg, &["requestObject", "spec", "volumes", ""])?;
            let objects = all.into_iter().flatten().filter_map(Json::as_object);
            let keys = objects.flat_map(|volume| volume.keys()).filter(|key| *key != "name");
            list(keys.map(Value::text).collect())
        }
        _ => {
            let (containers, fact) = field.name().strip_prefix("ka.req.pod.")?.split_once('.')?;
            let containers = CONTAINERS.into_iter().find(|known| *known == containers)?;
            of_containers(json, containers, fact, arg)
        }
    }
}

/// One fact about each container, or about the one at that index.
fn of_containers<'a>(
    json: &'a Json,
    containers: &'static str,
    fact: &str,
    index: Option<&str>,
) -> Option<Value<'a>> {
    let all = |path: &[&'static str]| values(json, index, &container_path(containers, path));
    let security = |key| texts(json, index, &container_path(containers, &["securityContext", key]));
    match fact {
        // A container without a name or an image makes the whole list unknown.
        "name" => {
            list(all(&["name"])?.into_iter().map(|json| json.map(text)).collect::<Option<_>>()?)
        }
        "image" => {
            list(all(&["image"])?.into_iter().map(|json| json.map(text)).collect::<Option<_>>()?)
        }
        "image.repository" => {
            let repository =
                |json: Option<&Json>| Some(Value::from(repository(&text_of(json?)).to_owned()));
            list(all(&["image"])?.into_iter().map(repository).collect::<Option<_>>()?)
        }
        "command" => lines(all(&["command"])?),
        "args" => lines(all(&["args"])?),
        "host_port" => ports(all(&["ports"])?),
        "privileged" => security("privileged"),
        "allow_privilege_escalation" => security("allowPrivilegeEscalation"),
        "read_only_fs" => security("readOnlyRootFilesystem"),
        "run_as_user" => security("runAsUser"),
        "run_as_group" => security("runAsGroup"),
        "proc_mount" => security("procMount"),
        "add_capabilities" => texts(
            json,
            index,
            &container_path(containers, &["securityContext", "capabilities", "add"]),
        ),
        "eff_run_as_user" => effective(json, all(&["runAsUser"])?, "runAsUser"),
        "eff_run_as_group" => effective(json, all(&["runAsGroup"])?, "runAsGroup"),
        _ => None,
    }
}

fn container_path(containers: &'static str, path: &[&'static str]) -> Vec<&'static str> {
    ["requestObject", "spec", containers].iter().chain(path).copied().collect()
}

/// Each array of words as one line. One that is no array of texts makes the whole list unknown.
fn lines<'a>(commands: Vec<Option<&'a Json>>) -> Option<Value<'a>> {
    let line = |command: &'a Json| {
        let words: Option<Vec<&str>> = command.as_array()?.iter().map(Json::as_str).collect();
        Some(Value::from(words?.join(" ")))
    };
    list(commands.into_iter().flatten().map(line).collect::<Option<_>>()?)
}

/// The host's port of each port, or the container's, which is the same with the host's network.
fn ports<'a>(ports: Vec<Option<&'a Json>>) -> Option<Value<'a>> {
    let arrays: Option<Vec<_>> = ports.into_iter().flatten().map(Json::as_array).collect();
    let port = |port: &'a Json| port.get("hostPort").or_else(|| port.get("containerPort"));
    list(arrays?.into_iter().flatten().filter_map(port).map(text).collect())
}

/// The container's id, the pod's, or 0.
///
/// Falco's plugin reads both beside the security contexts, not in them; so do we, or rules would
/// fire differently.
fn effective<'a>(json: &'a Json, ids: Vec<Option<&'a Json>>, key: &str) -> Option<Value<'a>> {
    let of_pod = at(json, &["requestObject", "spec", key]);
    let id = |id: Option<&'a Json>| id.or(of_pod).map_or(Value::text("0"), text);
    list(ids.into_iter().map(id).collect())
}

fn first_container(json: &Json) -> Option<&Json> {
    at(json, &["requestObject", "spec", "containers", "0"])
}

fn text_at<'a>(json: &'a Json, key: &str) -> Option<Value<'a>> {
    first_container(json)?.get(key).map(text)
}

/// What is before the first colon or at sign: a registry with a port loses its port and its path,
/// as in Falco's plugin.
fn repository(image: &str) -> &str {
    image.split([':', '@']).next().unwrap_or(image)
}
