use lanner_alert::{Alert, Entity, FLEET, GatewayName, SubjectRoot, publisher_token};
use lanner_service::Chain;

/// A message that no responder can act upon.
#[derive(Debug)]
pub(super) struct Poison {
    pub(super) alert: Option<Box<Alert>>,
    pub(super) node: Option<String>,
    pub(super) reason: String,
}

/// The alert, if it is one, under its own node's name and of our cluster; and the
/// gateway that published it, as the bus proves it.
///
/// The bus proves who published under a subject's node. Who publishes about the
/// nodes themselves has no pods: whatever else such an alert says, it is about
/// none that could be acted upon.
pub(super) fn read(
    root: &SubjectRoot,
    cluster: Option<&str>,
    subject: &str,
    payload: &[u8],
) -> Result<(Alert, Option<GatewayName>), Poison> {
    let poison = |alert: Option<Alert>, node: Option<&str>, reason: String| Poison {
        alert: alert.map(Box::new),
        node: node.map(str::to_owned),
        reason,
    };
    let Some(named) = root.parse_alert(subject) else {
        return Err(poison(None, None, format!("{subject} is not an alert's subject")));
    };
    let mut alert = Alert::from_json(payload)
        .map_err(|error| poison(None, Some(named.node), Chain(&error).to_string()))?;
    if publisher_token(&alert.node) != named.node {
        let reason = format!(
            "the alert names node {:?}, its subject another one: {}",
            alert.node, named.node
        );
        return Err(poison(Some(alert), Some(named.node), reason));
    }
    let gateway = match named.gateway.map(str::parse).transpose() {
        Ok(gateway) => gateway,
        Err(error) => {
            let reason = Chain(&error).to_string();
            return Err(poison(Some(alert), Some(named.node), reason));
        }
    };
    if let Some(ours) = cluster
        && alert.cluster.as_deref() != Some(ours)
    {
        let reason = format!("the alert is of cluster {:?}, not of {ours}", alert.cluster);
        return Err(poison(Some(alert), Some(named.node), reason));
    }
    if named.node == FLEET {
        alert.entity = Entity::default();
    }
    Ok((alert, gateway))
}

#[cfg(test)]
mod tests {
    use lanner_alert::FalcoInput;

    use super::*;

    fn alert(node: &str) -> Vec<u8> {
        let falco = FalcoInput { node: node.to_owned(), cluster: Some("eu-1".to_owned()) };
        let text = r#"{"rule":"r","priority":"critical","output":"o","time":"2026-11-21T10:00:00Z",
            "output_fields":{"k8s.ns.name":"shop","k8s.pod.name":"cart","container.id":"3ad7b26ded6d"}}"#;
        falco.read(text.as_bytes()).unwrap().to_json().unwrap()
    }

    fn read_at(token: &str, payload: &[u8]) -> Result<Alert, Poison> {
        let subject = format!("lanner.alerts.critical.fleet.r.{token}");
        let read = read(&SubjectRoot::default(), Some("eu-1"), &subject, payload);
        read.map(|(alert, _gateway)| alert)
    }

    #[test]
    fn an_alert_of_the_fleet_is_about_no_pod() {
        let of_node = read_at("n1", &alert("n1")).unwrap();
        assert_eq!(of_node.entity.pod_name.as_deref(), Some("cart"));
        assert_eq!(read_at(FLEET, &alert(FLEET)).unwrap().entity, Entity::default());
    }

    #[test]
    fn nobody_passes_for_the_fleet_and_it_for_nobody() {
        for (token, node) in [
            // What nodes of such names would publish under, and what they cannot.
            ("=5Ffleet", FLEET),
            ("=2Efleet", FLEET),
            (FLEET, ".fleet"),
            (FLEET, "n1"),
            ("n1", FLEET),
        ] {
            let poison = read_at(token, &alert(node)).unwrap_err();
            assert!(poison.reason.contains("its subject another one"), "{}", poison.reason);
        }
    }
}
