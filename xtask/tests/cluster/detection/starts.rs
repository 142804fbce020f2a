//! Containers that may do too much are told of once, whether they or the sensor were
//! there first; and so is a mount in one.

use serde_json::Value;

use super::pods::Node;

const PRIVILEGED: &str = "Launch Privileged Container";
const MOUNT: &str = "Mount Launched in Privileged Container";

/// Of all pods of the cluster, and no more.
const TOLD: [(&str, &str, &str); 5] = [
    ("Launch Excessively Capable Container", "cart", "lanner.local/lanner"),
    (PRIVILEGED, "device", "lanner.local/lanner"),
    (PRIVILEGED, "storage", "lanner.local/busybox"),
    ("Launch Sensitive Mount Container", "storage", "lanner.local/busybox"),
    (MOUNT, "storage", "lanner.local/busybox"),
];

pub(super) fn each_is_told_once(node: &Node<'_>) {
    node.shop(&["exec", "storage", "--", "mount", "-t", "tmpfs", "none", "/tmp"]);
    node.told_eventually("a mount is told", |alert| alert["rule"] == MOUNT);

    let pods = node.pods();
    let mut told: Vec<[String; 4]> = Vec::new();
    for alert in node.told() {
        // Another cluster of this machine is no concern of this test.
        let is_of_pod = pods.iter().any(|pod| alert["entity"]["pod_uid"] == *pod.uid);
        let rule = text(&alert["rule"]);
        if is_of_pod && TOLD.iter().any(|(watched, ..)| *watched == rule) {
            let fields = &alert["output_fields"];
            let [namespace, pod, image] =
                ["k8s.ns.name", "k8s.pod.name", "container.image.repository"]
                    .map(|name| text(&fields[name]));
            told.push([rule, namespace, pod, image]);
        }
    }
    told.sort();
    let mut expected = TOLD.map(|(rule, pod, image)| [rule, "shop", pod, image].map(str::to_owned));
    expected.sort();
    assert_eq!(told, expected);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
