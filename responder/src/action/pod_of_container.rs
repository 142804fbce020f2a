//! Whose container is it? The sensor knows a container's id from the kernel at
//! once, and its pod only from the runtime, which may be late or not there.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use lanner_alert::Entity;

use super::{ActError, Cluster, evidence::container_ids, failure};

const FULL_ID_LEN: usize = 64;

impl Cluster {
    /// Gives an alert's entity its pod, where it has a whole container id and
    /// no pod: the one pod of `node` that holds this container. The entity
    /// stays as it is when there is none.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub async fn complete(&self, entity: &mut Entity, node: &str) -> Result<(), ActError> {
        let Some(container) = entity.container_id.as_deref().filter(|_| entity.pod_name.is_none())
        else {
            return Ok(());
        };
        let whole = container.len() == FULL_ID_LEN;
        if !whole || !container.bytes().all(|b| b.is_ascii_hexdigit()) || !is_node_name(node) {
            return Ok(());
        }
        let pods: Api<Pod> = Api::all(self.client.clone());
        let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let pods = pods.list(&of_node).await.map_err(|error| failure("list pods", error))?;
        let pod = pods.into_iter().find(|pod| container_ids(pod).any(|id| id == container));
        if let Some(pod) = pod {
            entity.pod_namespace = pod.metadata.namespace;
            entity.pod_name = pod.metadata.name;
            entity.pod_uid = pod.metadata.uid;
        }
        Ok(())
    }
}

/// What may stand in a field selector: a Kubernetes object's name (RFC 1123).
fn is_node_name(node: &str) -> bool {
    (1..=253).contains(&node.len())
        && node.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
}
