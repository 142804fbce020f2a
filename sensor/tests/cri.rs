//! Answers of the container runtimes. containerd's are recorded (1.6.20, a pod
//! of one container); CRI-O's is built to the shape that its sources give it.

use lanner_sensor::enrich::{
    container::Runtime,
    cri::{container_info, sandbox_info, sandbox_of, v1},
    metadata::PodInfo,
};
use prost::Message as _;

fn recorded() -> (v1::ContainerStatusResponse, v1::PodSandboxStatusResponse) {
    let container = include_bytes!("data/cri/containerd-container.bin");
    let sandbox = include_bytes!("data/cri/containerd-sandbox.bin");
    (
        v1::ContainerStatusResponse::decode(container.as_slice()).unwrap(),
        v1::PodSandboxStatusResponse::decode(sandbox.as_slice()).unwrap(),
    )
}

#[test]
fn containerd() {
    let (container, sandbox) = recorded();
    let sandbox_id = sandbox_of(&container).unwrap();
    assert_eq!(sandbox.status.as_ref().unwrap().id, sandbox_id);
    let info = container_info(&container, Some(&sandbox));
    assert_eq!(info.name.as_deref(), Some("main"));
    assert_eq!(info.image.repository.as_deref(), Some("lanner.local/busybox"));
    assert_eq!(info.image.tag.as_deref(), Some("1"));
    assert_eq!(info.privileged, Some(false));
    assert_eq!(info.started_ns, Some(1_795_259_870_200_636_111));
    let image = "74f271f52141d80a5bb131d03b4968f045c3ba8b4014b7d2218a343ba3237e14";
    assert_eq!(info.image_id.as_deref(), Some(image));
    assert_eq!(info.runtime, Some(Runtime::Containerd));
    assert_eq!(info.pid, Some(4705));
    assert_eq!(info.ip.as_deref(), Some("10.231.78.3"));
    assert_eq!(info.mounts[0].propagation, "rprivate");
    assert!(info.mounts.iter().any(|mount| mount.destination == "/etc/hosts" && mount.writable));
    let pod = info.pod.unwrap();
    assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("default", "second"));
    assert_eq!(pod.uid, "9717b887-1064-43d9-8fbe-117de02b6a7c");
    assert_eq!(pod.ip.as_deref(), Some("10.231.78.3"));
    assert_eq!(pod.labels["app"], "shop");
    assert_eq!(pod.sandbox_id, sandbox_id);
    let workload = pod.workload.unwrap();
    assert_eq!((workload.kind, workload.name.as_str()), ("Pod", "second"));
}

/// What `kubectl apply` was given is the one place where a pod's probes are seen.
#[test]
fn probes_of_a_pod_that_was_applied() {
    let (container, mut sandbox) = recorded();
    let applied = serde_json::json!({"spec": {"containers": [
        {"name": "other", "livenessProbe": {"exec": {"command": ["no"]}}},
        {
            "name": "main",
            "livenessProbe": {"exec": {"command": ["cat", "/ready"]}},
            "readinessProbe": {"httpGet": {"port": 80}},
            "startupProbe": {"exec": {"command": []}},
            "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        },
    ]}});
    let key = "kubectl.kubernetes.io/last-applied-configuration".to_owned();
    let status = sandbox.status.as_mut().unwrap();
    status.annotations.insert(key.clone(), applied.to_string());
    let probes = container_info(&container, Some(&sandbox)).probes;
    assert_eq!(probes, [["cat", "/ready"], ["sleep", "5"]]);
    for odd in ["", "[", "{\"spec\":{\"containers\":{\"name\":\"main\"}}}"] {
        let status = sandbox.status.as_mut().unwrap();
        status.annotations.insert(key.clone(), odd.to_owned());
        assert_eq!(container_info(&container, Some(&sandbox)).probes, [[""; 0]; 0]);
    }
}

#[test]
fn a_pod_is_known_by_labels_while_its_sandbox_is_not() {
    let (container, _) = recorded();
    let pod = container_info(&container, None).pod.unwrap();
    assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("default", "second"));
    assert_eq!(pod.uid, "9717b887-1064-43d9-8fbe-117de02b6a7c");
}

#[test]
fn a_sandbox_is_in_its_pod_too() {
    let (_, sandbox) = recorded();
    let info = sandbox_info(&sandbox);
    assert_eq!(info.pod.unwrap().name, "second");
}

#[test]
fn crio() {
    let image_id = "a".repeat(64);
    let verbose = serde_json::json!({
        "sandboxID": "b".repeat(64),
        "pid": 4242,
        "runtimeSpec": { "ociVersion": "1.2.0", "process": { "args": ["sh"] } },
        "privileged": true,
    });
    let status = v1::ContainerStatus {
        id: "c".repeat(64),
        metadata: Some(v1::ContainerMetadata { name: "cart".to_owned(), attempt: 0 }),
        image: Some(v1::ImageSpec {
            image: image_id,
            user_specified_image: "quay.io/shop/cart:v2".to_owned(),
        }),
        image_ref: "quay.io/shop/cart@sha256:0123".to_owned(),
        ..v1::ContainerStatus::default()
    };
    let answer = v1::ContainerStatusResponse {
        status: Some(status),
        info: [("info".to_owned(), verbose.to_string())].into(),
    };
    let answer = v1::ContainerStatusResponse::decode(answer.encode_to_vec().as_slice()).unwrap();
    assert_eq!(sandbox_of(&answer), Some("b".repeat(64)));
    let info = container_info(&answer, None);
    assert_eq!(info.image.repository.as_deref(), Some("quay.io/shop/cart"));
    assert_eq!(info.image.tag.as_deref(), Some("v2"));
    assert_eq!(info.image.digest.as_deref(), Some("sha256:0123"));
    assert_eq!(info.privileged, Some(true));
    assert_eq!(info.pod, None::<PodInfo>);
}

#[test]
fn an_answer_that_says_nothing_is_no_panic() {
    let info = container_info(&v1::ContainerStatusResponse::default(), None);
    assert_eq!((info.name, info.pod, info.privileged), (None, None, None));
    let odd = v1::ContainerStatusResponse {
        status: None,
        info: [("info".to_owned(), "[1,2".to_owned())].into(),
    };
    assert_eq!(sandbox_of(&odd), None);
    assert_eq!(container_info(&odd, None).image.repository, None);
}
