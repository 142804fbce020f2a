//! What no plan may touch, whatever its playbook says.
//!
//! Here is what can be known from the plan alone; what only the cluster knows
//! (critical pods, the label `lanner.dev/respond: never`) is checked where the
//! target is looked up.

use std::collections::BTreeSet;

use lanner_alert::{Class, Plan, Target};

use crate::playbook::names;

/// Namespaces that the cluster itself lives in.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
const SYSTEM_PREFIX: &str = "openshift-";

/// The protected namespaces.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Beside those that are always protected.
    protected: BTreeSet<String>,
    /// Whether what cannot be taken back may be done at a gateway's word.
    final_at_gateways_word: bool,
}

impl Guard {
    /// Protects these too; the responder's own namespace belongs among them.
    pub fn new(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self { protected: namespaces.into_iter().collect(), final_at_gateways_word: false }
    }

    /// Lets verbs that cannot be taken back answer alerts of gateways as well.
    #[must_use]
    pub fn allowing_final_verbs_to_gateways(self, allow: bool) -> Self {
        Self { final_at_gateways_word: allow, ..self }
    }

    /// Whether each step may be tried at all.
    ///
    /// # Errors
    /// The reason for people, with the step's place.
    pub fn check(&self, plan: &Plan) -> Result<(), String> {
        let mut pods = BTreeSet::new();
        for step in &plan.steps {
            if let (Some(gateway), Some(Class::Final), false) =
                (&plan.gateway, step.class, self.final_at_gateways_word)
            {
                return Err(format!(
                    "{}: cannot be taken back, and the alert is of gateway {gateway}, \
                     not of its node itself (gateways.final_verbs)",
                    step.at
                ));
            }
            let Some(target) = &step.target else { continue };
            self.check_target(target).map_err(|reason| format!("{}: {reason}", step.at))?;
            if let Target::Pod { namespace, name, .. } = target {
                pods.insert((namespace, name));
            }
        }
        match plan.pods_max {
            Some(most) if pods.len() > most as usize => {
                Err(format!("the plan touches {} pods, more than max_pods {most}", pods.len()))
            }
            _ => Ok(()),
        }
    }

    fn check_target(&self, target: &Target) -> Result<(), String> {
        names::check_dns_label(target.namespace())?;
        if let Target::Pod { name, .. } = target {
            names::check_dns_subdomain(name)?;
        }
        let namespace = target.namespace();
        if self.protects(namespace) {
            return Err(format!("namespace {namespace} is protected"));
        }
        Ok(())
    }

    fn protects(&self, namespace: &str) -> bool {
        SYSTEM.contains(&namespace)
            || namespace.starts_with(SYSTEM_PREFIX)
            || self.protected.contains(namespace)
    }
}

#[cfg(test)]
mod tests {
    use lanner_alert::{Class, Plan};

    use super::Guard;

    fn plan(class: Class, gateway: Option<&str>) -> Plan {
        let golden = include_str!("../../crates/alert/tests/golden/plan.json");
        let mut plan: Plan = serde_json::from_str(golden).unwrap();
        plan.steps.truncate(1);
        for step in &mut plan.steps {
            step.class = Some(class);
        }
        plan.gateway = gateway.map(|name| name.parse().unwrap());
        plan
    }

    #[test]
    fn what_cannot_be_taken_back_is_not_done_at_a_gateways_word() {
        let guard = Guard::new([]);
        let refusal = guard.check(&plan(Class::Final, Some("edge"))).unwrap_err();
        assert!(
            refusal.contains("the alert is of gateway edge, not of its node itself"),
            "{refusal}"
        );
        for (class, gateway) in
            [(Class::Reversible, Some("edge")), (Class::Costly, Some("edge")), (Class::Final, None)]
        {
            guard.check(&plan(class, gateway)).unwrap();
        }
        let allowing = guard.allowing_final_verbs_to_gateways(true);
        allowing.check(&plan(Class::Final, Some("edge"))).unwrap();
    }
}
