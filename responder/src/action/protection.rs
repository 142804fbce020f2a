//! What only the cluster knows about what must not be touched.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use lanner_alert::{Action, Target};

use super::{ActError, Cluster, Warrant, failure};

/// On a pod or a namespace: the responder never acts there.
const RESPOND: &str = "lanner.dev/respond";
const NEVER: &str = "never";

const MIRROR: &str = "kubernetes.io/config.mirror";
const CRITICAL_CLASSES: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

impl Cluster {
    pub(super) async fn check_protection(
        &self,
        warrant: Warrant<'_>,
        target: &Target,
    ) -> Result<(), ActError> {
        let namespace = target.namespace();
        let found = self.namespaces().get_opt(namespace).await;
        let found = found.map_err(|error| failure(&format!("get namespace {namespace}"), error))?;
        let Some(found) = found else {
            return Err(ActError::Refused(format!("namespace {namespace} does not exist")));
        };
        if says_never(found.metadata.labels.as_ref()) {
            return refused(format!("namespace {namespace} is labelled {RESPOND}: {NEVER}"));
        }
        match target {
            Target::Pod { name, .. } => {
                let pod = self.pod_with_uid(warrant, namespace, name).await?;
                check_pod(&pod).or_else(|reason| refused(format!("{target} {reason}")))
            }
            Target::Namespace { .. } => self.check_pods_max(warrant, namespace).await,
        }
    }

    /// The pod, if it is still the one that the evidence was about.
    pub(super) async fn pod_with_uid(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<Pod, ActError> {
        let found = self.pods(namespace).get_opt(name).await;
        let found =
            found.map_err(|error| failure(&format!("get pod {namespace}/{name}"), error))?;
        match found {
            Some(pod) if pod.metadata.uid.as_deref() == Some(warrant.pod_uid) => Ok(pod),
            Some(_) => Err(ActError::Refused(format!(
                "pod {namespace}/{name} is another one now, without the uid {}",
                warrant.pod_uid
            ))),
            None => Err(ActError::Refused(format!("pod {namespace}/{name} does not exist"))),
        }
    }

    async fn check_pods_max(&self, warrant: Warrant<'_>, namespace: &str) -> Result<(), ActError> {
        let Some(most) = warrant.plan.pods_max else { return Ok(()) };
        // Only an isolated namespace touches its pods; a label on it does not.
        let isolates = |action: &Action| matches!(action, Action::Isolate { .. });
        if !warrant.plan.steps.iter().any(|step| isolates(&step.action)) {
            return Ok(());
        }
        let params = ListParams::default().limit(most.saturating_add(1));
        let pods = self.pods(namespace).list_metadata(&params).await;
        let pods = pods.map_err(|error| failure(&format!("list pods of {namespace}"), error))?;
        if pods.items.len() > most as usize {
            return refused(format!("namespace {namespace} has more pods than max_pods {most}"));
        }
        Ok(())
    }
}

fn check_pod(pod: &Pod) -> Result<(), String> {
    if is_static(pod) {
        return Err("is a static pod".to_owned());
    }
    if says_never(pod.metadata.labels.as_ref()) {
        return Err(format!("is labelled {RESPOND}: {NEVER}"));
    }
    let class = pod.spec.as_ref().and_then(|spec| spec.priority_class_name.as_deref());
    match class.filter(|class| CRITICAL_CLASSES.contains(class)) {
        Some(class) => Err(format!("has the priority class {class}")),
        None => Ok(()),
    }
}

/// The kubelet made it from a file; the API server only mirrors it.
pub(super) fn is_static(pod: &Pod) -> bool {
    let annotated = pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR));
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    annotated || owners.iter().any(|owner| owner.kind == "Node")
}

fn says_never(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.and_then(|labels| labels.get(RESPOND)).is_some_and(|value| value == NEVER)
}

fn refused<T>(reason: String) -> Result<T, ActError> {
    Err(ActError::Refused(reason))
}
