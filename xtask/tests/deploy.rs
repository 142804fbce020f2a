//! The manifests in `deploy/kubernetes`, against a real API server.

use std::{fs, path::Path, time::Duration};

use lanner_testkit::{KubeApiserver, eventually};
use serde_json::{Value, json};

const RESPONDER: &str = "system:serviceaccount:lanner:lanner-responder";

/// A server that has taken the manifests of that folder, strictly.
fn applied(name: &str) -> KubeApiserver {
    let server = KubeApiserver::start();
    server.kubectl(&["create", "namespace", "lanner"]).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes").join(name);
    let apply = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-k"];
    let apply = [&apply[..], &[path.to_str().unwrap()]].concat();
    server.kubectl(&[&apply[..], &["--dry-run=server"]].concat()).unwrap();
    server.kubectl(&apply).unwrap();
    server
}

fn object(server: &KubeApiserver, kind: &str, name: &str) -> Value {
    let text = server.kubectl(&["-n", "lanner", "get", kind, name, "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn pod_of(server: &KubeApiserver, kind: &str, name: &str) -> Value {
    object(server, kind, name)["spec"]["template"]["spec"].clone()
}

#[test]
fn on_the_local_cluster_nobody_has_to_look_up_the_bus() {
    let server = applied("local");
    let address = object(&server, "service", "nats")["spec"]["clusterIP"].clone();
    for (kind, name) in [
        ("daemonset", "lanner-node"),
        ("deployment", "lanner-responder"),
        ("job", "lanner-bus-setup"),
    ] {
        let aliases = &pod_of(&server, kind, name)["hostAliases"];
        assert_eq!(*aliases, json!([{"ip": address, "hostnames": ["nats.lanner.svc"]}]), "{name}");
    }
    let nats = pod_of(&server, "statefulset", "nats");
    let image = format!("lanner.local/nats:{}", lanner_testkit::programs::NATS_SERVER_VERSION);
    assert_eq!(nats["containers"][0]["image"], *image);
}

#[test]
fn playbooks_act_only_where_that_is_asked_for() {
    for (name, mode) in [("base", "mode: observe\n"), ("local-enforce", "mode: enforce\n")] {
        let server = applied(name);
        let volumes = pod_of(&server, "deployment", "lanner-responder")["volumes"].clone();
        let config = volumes[0]["configMap"]["name"].as_str().unwrap();
        let config = object(&server, "configmap", config);
        let responder = config["data"]["responder.yaml"].as_str().unwrap();
        assert!(responder.contains(mode), "{name}: {responder}");
        assert!(config["data"]["sensor.yaml"].is_string(), "{name} has the others, too");
    }
}

#[test]
fn the_responder_may_what_its_verbs_need_and_no_more() {
    let server = applied("base");
    let rules = &object(&server, "clusterrole", "lanner-responder")["rules"];
    assert_eq!(
        *rules,
        json!([
            {"apiGroups": [""], "resources": ["pods"],
             "verbs": ["get", "list", "watch", "patch", "delete"]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"],
             "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        ])
    );
    let may = |verb: &str, resource: &str, namespace: &str| {
        let args = ["auth", "can-i", verb, resource, "--namespace", namespace, "--as", RESPONDER];
        server.kubectl(&args).is_ok()
    };
    // The authorizer reads a new role a moment later.
    eventually("the role counts", Duration::from_secs(10), || {
        may("delete", "pods", "shop").then_some(())
    });
    assert!(may("create", "networkpolicies.networking.k8s.io", "shop"));
    for (verb, resource) in [
        ("create", "pods"),
        ("get", "secrets"),
        ("create", "pods/exec"),
        ("delete", "namespaces"),
        ("patch", "deployments.apps"),
        ("impersonate", "users"),
    ] {
        assert!(!may(verb, resource, "lanner"), "the responder may {verb} {resource}");
    }
}

#[test]
fn the_sensor_holds_four_capabilities_and_no_credential() {
    let server = applied("base");
    let pod = pod_of(&server, "daemonset", "lanner-node");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["hostPID"], true);
    assert_eq!(pod.get("hostNetwork"), None);
    let containers = pod["containers"].as_array().unwrap();
    let [sensor, forwarder] = &containers[..] else { panic!("two containers") };

    let context = &sensor["securityContext"];
    assert_eq!(
        context["capabilities"],
        json!({"drop": ["ALL"], "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]})
    );
    for (key, value) in [
        ("privileged", false),
        ("allowPrivilegeEscalation", false),
        ("readOnlyRootFilesystem", true),
    ] {
        assert_eq!(context[key], value, "{key}");
    }
    let mounts = |container: &Value| {
        let mounts = container["volumeMounts"].as_array().unwrap().clone();
        mounts.iter().map(|mount| mount["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(mounts(sensor), ["lanner-socket", "runtime", "lanner-config", "lanner-rules"]);
    assert_eq!(
        mounts(forwarder),
        [
            "lanner-socket",
            "lanner-spool",
            "lanner-config",
            "lanner-tls",
            "lanner-tls",
            "lanner-tls"
        ]
    );
    assert_eq!(forwarder["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(forwarder["securityContext"]["runAsNonRoot"], true);
}

/// By these names `rules/90-lanner.yaml` tells them from others, as seen from the host.
#[test]
fn what_pods_mount_has_a_name_of_ours() {
    let server = applied("base");
    for (kind, name) in [
        ("daemonset", "lanner-node"),
        ("deployment", "lanner-responder"),
        ("statefulset", "nats"),
        ("job", "lanner-bus-setup"),
    ] {
        let pod = pod_of(&server, kind, name);
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(!volumes.is_empty(), "{name}");
        for volume in volumes.iter().filter(|volume| volume.get("hostPath").is_none()) {
            let volume = volume["name"].as_str().unwrap();
            assert!(volume.starts_with("lanner-"), "{name}: {volume}");
        }
    }
}

/// All but the node's pods, of which only the sensor needs what it has.
#[test]
fn the_rest_passes_the_strictest_level() {
    let server = applied("base");
    server
        .apply(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: strict\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n",
        )
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let create = |name: &str, spec: &Value| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": "strict"}});
        let path = dir.path().join(name);
        fs::write(&path, pod.to_string()).unwrap();
        server.kubectl(&["create", "--dry-run=server", "-f", path.to_str().unwrap()])
    };
    for (kind, name) in
        [("deployment", "lanner-responder"), ("statefulset", "nats"), ("job", "lanner-bus-setup")]
    {
        create(name, &pod_of(&server, kind, name)).unwrap();
    }
    let mut node = pod_of(&server, "daemonset", "lanner-node");
    let refused = create("node", &node).unwrap_err();
    assert!(refused.contains("hostPID=true"), "{refused}");

    // The forwarder alone, without what only the sensor's share of the pod needs.
    let spec = node.as_object_mut().unwrap();
    spec.remove("hostPID");
    spec["containers"].as_array_mut().unwrap().retain(|container| container["name"] != "sensor");
    spec["volumes"].as_array_mut().unwrap().retain(|volume| volume["name"] != "runtime");
    create("forwarder", &node).unwrap();
}
