//! What the demo and the end-to-end tests let happen: somebody reads a secret
//! file in a pod.

use jiff::Timestamp;
use serde_json::json;

use crate::KubeApiserver;

/// A pod, and the container in which it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenePod {
    pub namespace: String,
    pub name: String,
    /// Where it runs.
    pub node: String,
    /// 64 hexadecimal digits.
    pub container: String,
}

impl ScenePod {
    /// What Falco and its users know the container by.
    pub fn container_short(&self) -> &str {
        self.container.get(..12).unwrap_or(&self.container)
    }

    /// `cat /etc/shadow` in this pod, now, as the sensor records it.
    pub fn secret_file_read(&self) -> String {
        json!({
            "evt.type": "openat", "evt.num": 1, "evt.time": now_ns(),
            "evt.is_open_read": true, "evt.res": "SUCCESS", "evt.rawres": 3,
            "fd.num": 3, "fd.name": "/etc/shadow", "fd.typechar": "f",
            "fd.directory": "/etc", "fd.filename": "shadow",
            "proc.name": "cat", "proc.exepath": "/bin/busybox", "proc.pid": 4711,
            "proc.cmdline": "cat /etc/shadow", "proc.pname": "sh",
            "user.uid": 0, "user.name": "root",
            "container.id": self.container_short(), "container.full_id": self.container,
            "container.image.repository": "docker.io/library/busybox",
            "k8s.ns.name": self.namespace, "k8s.pod.name": self.name,
        })
        .to_string()
    }

    /// A shell in this pod, now, as stock Falco tells of it: the pod by name,
    /// the container by its first digits, and itself by its own pod's name.
    pub fn shell_told_by_falco(&self) -> String {
        json!({
            "hostname": "falco-x7k2p", "rule": "Terminal shell in container",
            "priority": "Notice", "source": "syscall",
            "tags": ["T1059", "container", "mitre_execution", "shell"],
            "time": Timestamp::now().to_string(),
            "output": "A shell was spawned in a container with an attached terminal",
            "output_fields": {
                "container.id": self.container_short(),
                "k8s.ns.name": self.namespace, "k8s.pod.name": self.name,
                "proc.cmdline": "sh", "proc.pid": 4711, "user.uid": 0,
            },
        })
        .to_string()
    }

    /// Makes the pod in an API server without nodes, and says of it what its
    /// node's kubelet would.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn create(&self, apiserver: &KubeApiserver) {
        let Self { namespace, name, node, container } = self;
        let objects = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {namespace} }}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
             spec: {{ nodeName: {node}, containers: [{{ name: main, image: busybox }}] }}\n"
        );
        apiserver.apply(&objects).expect("make a namespace and a pod");
        let status = json!({"status": {"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "busybox", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{container}"),
        }]}});
        let patch = format!("--patch={status}");
        let pod = ["--namespace", namespace, "patch", "pod", name];
        apiserver
            .kubectl(&[&pod[..], &["--subresource=status", "--type=merge", &patch]].concat())
            .expect("set a pod's status");
    }
}

fn now_ns() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).expect("this century fits")
}
