//! The network policies that we keep: what they say, and that they are ours.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use lanner_alert::PlanId;

use super::{ActError, Cluster, FIELD_MANAGER, Warrant, answer::code, failure};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const PLAN: &str = "lanner.dev/plan";
/// Other policies that a remark names.
const OTHERS_NAMED_MAX: usize = 10;
/// Kubernetes itself labels each namespace with its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Whom a policy is about, and what stays open to them.
pub(super) struct Isolation<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'static str,
    pub(super) pods: LabelSelector,
    pub(super) allow_dns: bool,
    pub(super) allow_namespaces: &'a [String],
    /// Whether what comes in is cut too.
    pub(super) ingress: bool,
}

impl Isolation<'_> {
    fn policy(&self, plan: PlanId) -> NetworkPolicy {
        let peers: Vec<NetworkPolicyPeer> =
            self.allow_namespaces.iter().map(|name| namespace_peer(name)).collect();
        let mut egress = Vec::new();
        if self.allow_dns {
            egress.push(dns());
        }
        if !peers.is_empty() {
            egress.push(NetworkPolicyEgressRule { to: Some(peers.clone()), ports: None });
        }
        let ingress = (!peers.is_empty())
            .then(|| vec![NetworkPolicyIngressRule { from: Some(peers), ports: None }]);
        let mut types = vec!["Egress".to_owned()];
        if self.ingress {
            types.push("Ingress".to_owned());
        }
        NetworkPolicy {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                namespace: Some(self.namespace.to_owned()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned())])),
                annotations: Some(BTreeMap::from([(PLAN.to_owned(), plan.to_string())])),
                ..ObjectMeta::default()
            },
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(self.pods.clone()),
                policy_types: Some(types),
                egress: (!egress.is_empty()).then_some(egress),
                ingress,
            }),
        }
    }
}

/// The pods that carry this label, whatever its value.
pub(super) fn pods_with(label: &str) -> LabelSelector {
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: label.to_owned(),
            operator: "Exists".to_owned(),
            values: None,
        }]),
        match_labels: None,
    }
}

fn namespace_peer(name: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(labelled(NAMESPACE_NAME, name)),
        ..NetworkPolicyPeer::default()
    }
}

/// The cluster's own DNS, by the labels that every distribution gives it; never
/// port 53 of anybody else, which is a way out.
fn dns() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(53)),
        end_port: None,
    };
    NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP"), port("TCP")]),
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(labelled(NAMESPACE_NAME, "kube-system")),
            pod_selector: Some(labelled("k8s-app", "kube-dns")),
            ip_block: None,
        }]),
    }
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        match_expressions: None,
    }
}

impl Cluster {
    /// The plan whose policy of that name is there already; refuses when the
    /// policy is not ours.
    pub(super) async fn plan_of_policy(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, ActError> {
        let found = self.policies(namespace).get_opt(name).await;
        let found =
            found.map_err(|error| failure(&format!("get policy {namespace}/{name}"), error))?;
        let Some(policy) = found else { return Ok(None) };
        if !is_ours(&policy) {
            return Err(ActError::Refused(format!(
                "network policy {namespace}/{name} is there and not ours"
            )));
        }
        let annotations = policy.metadata.annotations.unwrap_or_default();
        Ok(Some(annotations.get(PLAN).cloned().unwrap_or_default()))
    }

    pub(super) async fn apply_policy(
        &self,
        warrant: Warrant<'_>,
        isolation: &Isolation<'_>,
        dry_run: bool,
    ) -> Result<(), ActError> {
        let (namespace, name) = (isolation.namespace, isolation.name);
        // Between this look and the apply somebody may make one of that name; the
        // apply is without force, and then ends in a conflict.
        self.plan_of_policy(namespace, name).await?;
        let policy = isolation.policy(warrant.plan.id);
        let params = PatchParams { dry_run, ..PatchParams::apply(FIELD_MANAGER) };
        match self.policies(namespace).patch(name, &params, &Patch::Apply(&policy)).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(409) => Err(ActError::Refused(format!(
                "network policy {namespace}/{name} is also managed by somebody else"
            ))),
            Err(error) => Err(failure(&format!("apply policy {namespace}/{name}"), error)),
        }
    }

    /// Deletes our policy if it is still this plan's.
    pub(super) async fn delete_policy(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, ActError> {
        let gone = || Ok(Some(format!("network policy {namespace}/{name} is gone")));
        let found = self.policies(namespace).get_opt(name).await;
        let found =
            found.map_err(|error| failure(&format!("get policy {namespace}/{name}"), error))?;
        let Some(policy) = found else { return gone() };
        let plan = policy.metadata.annotations.as_ref().and_then(|all| all.get(PLAN));
        if !is_ours(&policy) || plan != Some(&warrant.plan.id.to_string()) {
            return Ok(Some(format!("network policy {namespace}/{name} is not this plan's")));
        }
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: policy.metadata.uid,
                resource_version: policy.metadata.resource_version,
            }),
            ..DeleteParams::default()
        };
        match self.policies(namespace).delete(name, &params).await {
            Ok(_) => Ok(None),
            Err(error) if code(&error) == Some(404) => gone(),
            Err(error) => Err(failure(&format!("delete policy {namespace}/{name}"), error)),
        }
    }

    /// Policies add up: one that allows is not overridden by ours that deny.
    pub(super) async fn remark_on_other_policies(
        &self,
        namespace: &str,
    ) -> Result<Option<String>, ActError> {
        let found = self.policies(namespace).list(&ListParams::default()).await;
        let found =
            found.map_err(|error| failure(&format!("list policies of {namespace}"), error))?;
        let others: Vec<&str> = found
            .items
            .iter()
            .filter(|policy| !is_ours(policy))
            .filter_map(|policy| policy.metadata.name.as_deref())
            .collect();
        // Anybody there may make any number of them, and a record has a greatest length.
        let named = others.get(..OTHERS_NAMED_MAX).unwrap_or(&others).join(", ");
        let more = others.len().saturating_sub(OTHERS_NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Ok((!others.is_empty()).then(|| {
            format!("other network policies there may still allow traffic: {named}{more}")
        }))
    }
}

fn is_ours(policy: &NetworkPolicy) -> bool {
    let labels = policy.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|value| value == FIELD_MANAGER)
}
