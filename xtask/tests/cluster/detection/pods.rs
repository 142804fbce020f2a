//! What runs on the node, what is known of it, and all that the sensor told.

use std::{fs, process::Command};

use lanner_testkit::{eventually, programs::Program};
use serde_json::Value;

use crate::{DEADLINE, Xtask};

/// There when the sensor starts.
pub(super) const BEFORE_LANNER: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: storage, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: "lanner.local/busybox:1"
    command: [sleep, "3600"]
    securityContext: {privileged: true}
    volumeMounts: [{name: host, mountPath: /host, readOnly: true}]
  volumes: [{name: host, hostPath: {path: /}}]
"#;

/// `lanner filter check -` waits for the end of its input, which does not come.
///
/// `cart` may do and has all that deeds need; our own image holds our programs and no
/// users. `device` may do everything. `shell` is a pod like any.
pub(super) const AFTER_LANNER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - name: users
    image: "lanner.local/busybox:1"
    command: [cp, /etc/passwd, /etc/group, /etc/shadow, /new]
    volumeMounts: [{name: etc, mountPath: /new}]
  containers:
  - name: main
    image: "lanner.local/lanner:dev"
    imagePullPolicy: Never
    command: [lanner, filter, check, "-"]
    stdin: true
    securityContext: {runAsUser: 0, capabilities: {add: [SYS_ADMIN]}}
    volumeMounts:
    - {name: etc, mountPath: /etc}
    - {name: tmp, mountPath: /tmp}
    - {name: memory, mountPath: /dev/shm}
  volumes:
  - {name: etc, emptyDir: {}}
  - {name: tmp, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
---
apiVersion: v1
kind: Pod
metadata: {name: device, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: "lanner.local/lanner:dev"
    imagePullPolicy: Never
    command: [lanner, filter, check, "-"]
    stdin: true
    securityContext: {runAsUser: 0, privileged: true}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: shell, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "lanner.local/busybox:1", command: [sleep, "3600"]}
"#;

pub(super) struct Node<'a> {
    pub(super) xtask: &'a Xtask,
}

/// A pod as the cluster itself knows it, with its first container.
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) container_id: String,
    /// Without its tag.
    pub(super) image: String,
}

impl Node<'_> {
    /// Returns when all pods are ready.
    pub(super) fn start(&self, objects: &str) {
        let file = self.xtask.dir.join("pods.yaml");
        fs::write(&file, objects).unwrap();
        // A new namespace has no service account for its pods yet.
        let apply = ["apply", "-f", file.to_str().unwrap()];
        eventually("the pods are taken", DEADLINE, || self.xtask.kubectl(&apply).ok());
        let ready = ["wait", "--for=condition=Ready", "--timeout=60s", "pod", "--all"];
        self.shop(&ready);
    }

    /// `kubectl` in the pods' namespace.
    pub(super) fn shop(&self, args: &[&str]) -> String {
        self.xtask.kubectl(&[&["--namespace", "shop"], args].concat()).unwrap()
    }

    /// What takes its input from the caller.
    pub(super) fn kubectl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(Program::Kubectl.path());
        command.arg("--kubeconfig").arg(self.xtask.dir.join("pki/admin.kubeconfig"));
        command.args(["--namespace", "shop"]).args(args);
        command
    }

    /// All pods of the cluster.
    pub(super) fn pods(&self) -> Vec<Pod> {
        let get = ["get", "pods", "--all-namespaces", "-o", "json"];
        let pods: Value = serde_json::from_str(&self.shop(&get)).unwrap();
        pods["items"].as_array().unwrap().iter().map(Pod::of).collect()
    }

    pub(super) fn pod(&self, name: &str) -> Pod {
        self.pods().into_iter().find(|pod| pod.name == name).unwrap()
    }

    /// All alerts since the sensor's start, as it printed them.
    pub(super) fn told(&self) -> Vec<Value> {
        let logs = ["--namespace", "lanner", "logs", "daemonset/lanner-node", "-c", "sensor"];
        let log = self.xtask.kubectl(&logs).unwrap();
        // Its log's lines are between them.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The first alert that is so, waited for.
    pub(super) fn told_eventually(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(what, DEADLINE, || self.told().into_iter().find(&is_so))
    }
}

impl Pod {
    fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer)?.as_str().map(str::to_owned);
        // One that has not started has none.
        let container_id = text("/status/containerStatuses/0/containerID").unwrap_or_default();
        let image = text("/spec/containers/0/image").unwrap();
        Self {
            namespace: text("/metadata/namespace").unwrap(),
            name: text("/metadata/name").unwrap(),
            uid: text("/metadata/uid").unwrap(),
            container_id: container_id.trim_start_matches("containerd://").to_owned(),
            image: image.rsplit_once(':').unwrap().0.to_owned(),
        }
    }

    /// What an alert says of whose deed it is and is not so.
    pub(super) fn differences(&self, alert: &Value) -> Vec<String> {
        let (entity, fields) = (&alert["entity"], &alert["output_fields"]);
        let id = &self.container_id;
        let said_and_true = [
            ("entity.container_id", &entity["container_id"], id.as_str()),
            ("entity.pod_uid", &entity["pod_uid"], &self.uid),
            ("entity.pod_namespace", &entity["pod_namespace"], &self.namespace),
            ("entity.pod_name", &entity["pod_name"], &self.name),
            ("container.id", &fields["container.id"], id.get(..12).unwrap_or_default()),
            ("container.image.repository", &fields["container.image.repository"], &self.image),
            ("k8s.ns.name", &fields["k8s.ns.name"], &self.namespace),
            ("k8s.pod.name", &fields["k8s.pod.name"], &self.name),
        ];
        let wrong = said_and_true.into_iter().filter(|(_, said, truth)| *said != truth);
        wrong.map(|(what, said, truth)| format!("{what} is {said}, not {truth:?}")).collect()
    }
}
