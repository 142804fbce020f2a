//! Is the alert true? An attacker on one node may say anything of pods on
//! others; what the API server knows decides.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use lanner_alert::{Entity, Plan};

use super::{ActError, Cluster, failure, protection::is_static};

/// Stock Falco's `container.id` is that long.
const SHORT_ID_LEN: usize = 12;
const FULL_ID_LEN: usize = 64;

impl Cluster {
    /// Finds the alert's pod and gives its uid: it exists, runs on the alert's
    /// node, holds the alert's container and has the alert's uid.
    ///
    /// # Errors
    /// [`ActError::Refused`] or [`ActError::NotYet`], with the reason.
    pub async fn evidence(&self, plan: &Plan) -> Result<String, ActError> {
        let refused = |reason: &str| Err(ActError::Refused(reason.to_owned()));
        let Entity { pod_namespace, pod_name, container_id, .. } = &plan.entity;
        let (Some(namespace), Some(name)) = (pod_namespace, pod_name) else {
            return refused("the alert names no pod");
        };
        let Some(container) = container_id else { return refused("the alert names no container") };
        let found = self.pods(namespace).get_opt(name).await;
        match found.map_err(|error| failure(&format!("get pod {namespace}/{name}"), error))? {
            Some(pod) => check(plan, &pod, container),
            None => Err(ActError::Refused(format!("pod {namespace}/{name} does not exist"))),
        }
    }
}

fn check(plan: &Plan, pod: &Pod, container: &str) -> Result<String, ActError> {
    let refused = |reason: String| Err(ActError::Refused(reason));
    let name = format!(
        "pod {}/{}",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default()
    );
    if is_static(pod) {
        return refused(format!("{name} is a static pod"));
    }
    let Some(uid) = pod.metadata.uid.clone() else { return refused(format!("{name} has no uid")) };
    if let Some(wanted) = plan.entity.pod_uid.as_ref().filter(|wanted| **wanted != uid) {
        return refused(format!("{name} has the uid {uid}, the alert is about {wanted}"));
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    if node != Some(plan.node.as_str()) {
        let runs = node.map_or("on no node".to_owned(), |node| format!("on {node}"));
        return refused(format!("{name} runs {runs}, the alert came from {}", plan.node));
    }
    let ids: Vec<&str> = container_ids(pod).collect();
    match held(&ids, container) {
        Ok(true) => Ok(uid),
        // A pod that has just begun: its status is a second or two behind.
        Ok(false) => Err(ActError::NotYet(format!("{name} holds no container {container}"))),
        Err(reason) => refused(format!("{name}: {reason}")),
    }
}

/// Whether one of `ids` is `wanted`: all of it, or the start that Falco gives.
fn held(ids: &[&str], wanted: &str) -> Result<bool, String> {
    let hexadecimal = wanted.bytes().all(|b| b.is_ascii_hexdigit());
    match wanted.len() {
        FULL_ID_LEN if hexadecimal => Ok(ids.contains(&wanted)),
        SHORT_ID_LEN if hexadecimal => Ok(ids.iter().any(|id| id.starts_with(wanted))),
        _ => Err(format!("{wanted:?} is not a container's id")),
    }
}

/// The ids of all containers that the pod has now, and of those that were
/// restarted since the alert, without `containerd://`.
pub(super) fn container_ids(pod: &Pod) -> impl Iterator<Item = &str> {
    let lists = pod.status.iter().flat_map(|status| {
        [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ]
    });
    lists.flatten().flatten().flat_map(ids_of).filter_map(|id| Some(id.split_once("://")?.1))
}

fn ids_of(status: &ContainerStatus) -> impl Iterator<Item = &str> {
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let last = last.and_then(|terminated| terminated.container_id.as_deref());
    status.container_id.as_deref().into_iter().chain(last)
}
