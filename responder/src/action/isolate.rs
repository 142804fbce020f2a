//! Cutting a pod or a namespace off the network.
//!
//! A pod gets our label, which a standing policy of its namespace selects: one
//! such policy serves all isolated pods there, selects none when none carries the
//! label, and stays. A namespace gets a policy of its own, which its plan's undo
//! deletes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use lanner_alert::{PlanId, Target, Undo};

use super::{
    ActError, Cluster, Warrant,
    policy::{Isolation, pods_with},
};

/// On an isolated pod; the value is the short id of the plan that did it.
const ISOLATED: &str = "lanner.dev/isolated";
/// On an isolated pod that may still ask the cluster's DNS.
const ISOLATED_DNS: &str = "lanner.dev/isolated-dns";

const POD_POLICY: &str = "lanner-isolated";
const POD_DNS_POLICY: &str = "lanner-isolated-dns";
const NAMESPACE_POLICY: &str = "lanner-isolated-namespace";

pub(super) const DONE_BEFORE: &str = "already done by another plan, which also undoes it";

/// The labels that isolate a pod.
pub(super) fn labels(plan: PlanId, allow_dns: bool) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(ISOLATED.to_owned(), plan.short())]);
    if allow_dns {
        labels.insert(ISOLATED_DNS.to_owned(), plan.short());
    }
    labels
}

impl Cluster {
    pub(super) async fn prepare_isolate_pod(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
        allow_dns: bool,
    ) -> Result<Undo, ActError> {
        let pod = self.pod_with_uid(warrant, namespace, name).await?;
        let now = pod.metadata.labels.unwrap_or_default();
        let ours = warrant.plan.id.short();
        if now.get(ISOLATED).is_some_and(|plan| *plan != ours) {
            return Ok(Undo::Nothing);
        }
        let keys = labels(warrant.plan.id, allow_dns).into_keys();
        Ok(Undo::Labels { before: keys.map(|key| (key, None)).collect() })
    }

    pub(super) async fn isolate_pod(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
        allow_dns: bool,
        done_before: bool,
        dry_run: bool,
    ) -> Result<Option<String>, ActError> {
        // The policies first: the label cuts off at once when it is set. They are made
        // even if the label is there: whoever makes a pod can also write that on it.
        let mut isolation = Isolation {
            namespace,
            name: POD_POLICY,
            pods: pods_with(ISOLATED),
            allow_dns: false,
            allow_namespaces: &[],
            ingress: true,
        };
        self.apply_policy(warrant, &isolation, dry_run).await?;
        if allow_dns {
            isolation.name = POD_DNS_POLICY;
            isolation.pods = pods_with(ISOLATED_DNS);
            isolation.allow_dns = true;
            isolation.ingress = false;
            self.apply_policy(warrant, &isolation, dry_run).await?;
        }
        if done_before {
            return Ok(Some(DONE_BEFORE.to_owned()));
        }
        let pod = Target::Pod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: Some(warrant.pod_uid.to_owned()),
        };
        self.set_labels(warrant, &pod, &labels(warrant.plan.id, allow_dns), dry_run).await?;
        self.remark_on_other_policies(namespace).await
    }

    pub(super) async fn prepare_isolate_namespace(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
    ) -> Result<Undo, ActError> {
        match self.plan_of_policy(namespace, NAMESPACE_POLICY).await? {
            Some(plan) if plan != warrant.plan.id.to_string() => Ok(Undo::Nothing),
            _ => Ok(Undo::Policy { name: NAMESPACE_POLICY.to_owned() }),
        }
    }

    pub(super) async fn isolate_namespace(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        allow_dns: bool,
        allow_namespaces: &[String],
        dry_run: bool,
    ) -> Result<Option<String>, ActError> {
        let isolation = Isolation {
            namespace,
            name: NAMESPACE_POLICY,
            pods: LabelSelector::default(),
            allow_dns,
            allow_namespaces,
            ingress: true,
        };
        self.apply_policy(warrant, &isolation, dry_run).await?;
        self.remark_on_other_policies(namespace).await
    }
}
