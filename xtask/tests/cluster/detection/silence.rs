//! What runs the node, and Lanner itself, is not told of.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, process::Command};

use lanner_testkit::programs::Program;
use serde_json::Value;

use super::pods::Node;

/// What runs the node, as the kernel's names of it begin. Their children are the node's, too:
/// network plugins, iptables, mount.
const OF_THE_NODE: [&str; 8] = [
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "runc",
];

const PROBE: &str = "kubelet-probe";

/// Of the node one thing is told: that a program called like its own reads a secret, which
/// shows that the sensor looks there.
pub(super) fn holds(node: &Node<'_>) {
    let probe = node.xtask.dir.join(PROBE);
    fs::write(&probe, "#!/bin/sh\nread -r line < /etc/shadow\n").unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new(&probe).status().unwrap().success());
    node.told_eventually("a secret is read on the host", is_of_probe);

    let others = node.pods().into_iter().filter(|pod| pod.namespace != "shop");
    let others: BTreeSet<String> = others.map(|pod| pod.uid).collect();
    let mut told = node.told();
    told.retain(|alert| match alert["entity"]["pod_uid"].as_str() {
        Some(uid) => others.contains(uid),
        None => is_of_the_node(alert),
    });
    told.retain(|alert| !is_of_odd_kubelet(alert));
    let (of_probe, noise): (Vec<_>, Vec<_>) = told.iter().partition(|alert| is_of_probe(alert));
    let noise: Vec<String> = noise.into_iter().map(Value::to_string).collect();
    assert!(noise.is_empty(), "{}:\n{}", noise.len(), noise.join("\n"));
    assert_eq!(of_probe.len(), 1);
}

fn is_of_probe(alert: &Value) -> bool {
    alert["output_fields"]["proc.name"] == PROBE
}

/// The kubelet here lies where no distribution puts one, so what it does to the volumes of Lanner's
/// pods is told.
fn is_of_odd_kubelet(alert: &Value) -> bool {
    let kubelet = Program::Kubelet.path();
    alert["rule"] == "Lanner's settings changed"
        && alert["entity"]["exe_path"].as_str() == kubelet.to_str()
}

/// The machine runs other things, too, which are no concern of this test.
fn is_of_the_node(alert: &Value) -> bool {
    let fields = &alert["output_fields"];
    let names = ["proc.name", "proc.pname", "proc.aname[2]"].map(|name| fields[name].as_str());
    let exe = alert["entity"]["exe_path"].as_str().and_then(|path| path.rsplit('/').next());
    let names = names.into_iter().chain([exe]).flatten();
    alert["entity"]["container_id"].is_null()
        && names.into_iter().any(|name| OF_THE_NODE.iter().any(|start| name.starts_with(start)))
}
