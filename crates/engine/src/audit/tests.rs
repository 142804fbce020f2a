use serde_json::{Value as Json, json};

use super::{AuditEvent, AuditEventError};
use crate::{ArgumentRule, Event, Field, FieldRef, Filler, Kind, Shape, Value};

/// The audit event with these keys beside those that every event has.
fn event(keys: Json) -> AuditEvent {
    let mut event = json!({
        "kind": "Event",
        "auditID": "a1",
        "stage": "ResponseComplete",
        "stageTimestamp": "2024-05-01T10:00:00.000001Z",
    });
    event.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    AuditEvent::from_value(event).remove(0).unwrap()
}

fn json_of(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).into(),
        Value::Bool(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::List(list) => list.iter().map(|value| json_of(&value)).collect(),
        other => panic!("{other:?}"),
    }
}

/// What a field gives; `null` for nothing.
fn value(event: &AuditEvent, name: &str) -> Json {
    let FieldRef { field, arg } = FieldRef::parse(name).unwrap();
    event.get(field, arg.as_deref()).as_ref().map_or(Json::Null, json_of)
}

#[track_caller]
fn check(keys: Json, expected: &[(&str, Json)]) {
    let event = event(keys);
    for (name, expected) in expected {
        assert_eq!(value(&event, name), *expected, "{name}");
    }
}

#[test]
fn who_asked_for_what() {
    check(
        json!({
            "verb": "create",
            "user": {"username": "jane", "groups": ["dev", "system:authenticated"]},
            "impersonatedUser": {"username": "root"},
            "sourceIPs": ["10.0.0.1", "192.168.0.2"],
            "userAgent": "kubectl/v1.30",
            "requestURI": "/api/v1/pods?limit=5&fieldSelector=a%3Db&limit=6",
            "objectRef": {"resource": "pods", "namespace": "shop", "name": "web"},
            "responseStatus": {"code": 403, "reason": "Forbidden"},
            "responseObject": {"metadata": {"name": "web-1"}},
            "annotations": {
                "authorization.k8s.io/decision": "forbid",
                "authorization.k8s.io/reason": "",
                "authentication.openshift.io/decision": "allow",
                "authentication.openshift.io/username": "kube:admin",
                "validation.policy.admission.k8s.io/validation_failure": "[]",
                "pod-security.kubernetes.io/audit-violations": "would violate",
                "cluster_name": "west",
            },
        }),
        &[
            ("ka.auditid", json!("a1")),
            ("ka.stage", json!("ResponseComplete")),
            ("ka.verb", json!("create")),
            ("ka.user.name", json!("jane")),
            ("ka.user.groups", json!(["dev", "system:authenticated"])),
            ("ka.impuser.name", json!("root")),
            ("ka.sourceips", json!(["10.0.0.1", "192.168.0.2"])),
            ("ka.sourceips[1]", json!(["192.168.0.2"])),
            ("ka.sourceips[2]", Json::Null),
            ("ka.useragent", json!("kubectl/v1.30")),
            ("ka.uri.param[limit]", json!("5")),
            ("ka.uri.param[fieldSelector]", json!("a=b")),
            ("ka.uri.param[nope]", Json::Null),
            ("ka.target.resource", json!("pods")),
            ("ka.target.subresource", Json::Null),
            ("ka.target.namespace", json!("shop")),
            ("ka.target.name", json!("web")),
            ("ka.target.pod.name", json!("web-1")),
            ("ka.resp.name", json!("web-1")),
            ("ka.response.code", json!("403")),
            ("ka.response.reason", json!("Forbidden")),
            ("ka.auth.decision", json!("forbid")),
            ("ka.auth.reason", json!("")),
            ("ka.auth.openshift.decision", json!("allow")),
            ("ka.auth.openshift.username", json!("kube:admin")),
            ("ka.validations.admission.policy.failure", json!("[]")),
            ("ka.security.pod.violations", json!("would violate")),
            ("ka.cluster.name", json!("west")),
            ("evt.source", json!("k8s_audit")),
            ("evt.pluginname", json!("k8saudit")),
            ("ka.exec.command", Json::Null),
            ("ka.exec.tty", Json::Null),
        ],
    );
}

#[test]
fn a_pods_containers_are_lists() {
    check(
        json!({"requestObject": {"spec": {
            "hostNetwork": true,
            "hostPID": false,
            "securityContext": {"runAsUser": 5, "supplementalGroups": [1, 2], "fsGroup": 7},
            "containers": [
                {
                    "name": "a",
                    "image": "docker.io/library/nginx:1.25",
                    "command": ["sh", "-c"],
                    "args": ["sleep", "1"],
                    "ports": [{"hostPort": 80, "containerPort": 8080}, {"containerPort": 9000}],
                    "securityContext": {
                        "privileged": true,
                        "runAsUser": 0,
                        "capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]},
                    },
                },
                {"name": "b", "image": "localhost:5000/tool@sha256:00", "args": ["x"]},
            ],
            "initContainers": [{"name": "i", "image": "busybox"}],
            "ephemeralContainers": [
                {"name": "e", "image": "alpine", "securityContext": {"privileged": false}},
            ],
            "volumes": [
                {"name": "v", "hostPath": {"path": "/etc"}},
                {"name": "s", "secret": {"secretName": "s"}},
                {"name": "f", "flexVolume": {"driver": "d"}},
            ],
        }}}),
        &[
            ("ka.req.pod.containers.name", json!(["a", "b"])),
            ("ka.req.pod.containers.name[1]", json!(["b"])),
            ("ka.req.pod.containers.name[2]", Json::Null),
            ("ka.req.pod.containers.image[0]", json!(["docker.io/library/nginx:1.25"])),
            // A registry's port ends the repository, as in Falco's plugin.
            (
                "ka.req.pod.containers.image.repository",
                json!(["docker.io/library/nginx", "localhost"]),
            ),
            ("ka.req.pod.containers.command", json!(["sh -c"])),
            ("ka.req.pod.containers.args", json!(["sleep 1", "x"])),
            ("ka.req.pod.containers.host_port", json!(["80", "9000"])),
            // Those that do not say are left out.
            ("ka.req.pod.containers.privileged", json!(["true"])),
            ("ka.req.pod.containers.privileged[1]", Json::Null),
            ("ka.req.pod.containers.run_as_user", json!(["0"])),
            ("ka.req.pod.containers.eff_run_as_user", json!(["0", "0"])),
            ("ka.req.pod.containers.read_only_fs", Json::Null),
            // One JSON array for each container.
            ("ka.req.pod.containers.add_capabilities", json!([r#"["NET_ADMIN","SYS_TIME"]"#])),
            ("ka.req.pod.initContainers.image", json!(["busybox"])),
            ("ka.req.pod.initContainers.privileged", Json::Null),
            ("ka.req.pod.ephemeralContainers.privileged", json!(["false"])),
            ("ka.req.container.image", json!("docker.io/library/nginx:1.25")),
            ("ka.req.container.image.repository", json!("docker.io/library/nginx")),
            ("ka.req.container.privileged", json!("true")),
            ("ka.req.container.host_network", json!("true")),
            ("ka.req.pod.host_network", json!("true")),
            ("ka.req.pod.host_pid", json!("false")),
            ("ka.req.pod.host_ipc", Json::Null),
            ("ka.req.pod.run_as_user", json!("5")),
            ("ka.req.pod.fs_group", json!("7")),
            ("ka.req.pod.supplemental_groups", json!(["1", "2"])),
            ("ka.req.pod.volumes.hostpath", json!(["/etc"])),
            ("ka.req.pod.volumes.hostpath[0]", json!(["/etc"])),
            ("ka.req.pod.volumes.hostpath[1]", Json::Null),
            ("ka.req.pod.volumes.flexvolume_driver", json!(["d"])),
            ("ka.req.pod.volumes.volume_type", json!(["hostPath", "secret", "flexVolume"])),
            ("ka.req.pod.volumes.volume_type[1]", json!(["secret"])),
            ("ka.req.volume.hostpath[/etc]", json!("true")),
            ("ka.req.volume.hostpath[/e*]", json!("true")),
            ("ka.req.volume.hostpath[/var*]", json!("false")),
        ],
    );
}

#[test]
fn one_bad_container_hides_what_needs_all() {
    check(
        json!({"requestObject": {"spec": {"containers": [
            {"name": "a", "command": "sh", "ports": "80"},
            {"image": "nginx", "command": ["sh"]},
        ]}}}),
        &[
            ("ka.req.pod.containers.name", Json::Null),
            ("ka.req.pod.containers.image", Json::Null),
            ("ka.req.pod.containers.image[1]", json!(["nginx"])),
            ("ka.req.pod.containers.command", Json::Null),
            ("ka.req.pod.containers.command[1]", json!(["sh"])),
            ("ka.req.pod.containers.host_port", Json::Null),
            ("ka.req.container.image", Json::Null),
            ("ka.req.container.privileged", json!("false")),
        ],
    );
    // Shapes that nobody expects are no value and no panic.
    for spec in [json!(null), json!([]), json!(7), json!({"containers": {}}), json!([[[{}]]])] {
        let event =
            event(json!({"requestObject": {"spec": spec, "rules": spec, "subjects": spec}}));
        for field in Field::all() {
            let _ = event.get(*field, Some("0"));
            let _ = event.get(*field, None);
        }
    }
}

#[test]
fn roles_bindings_and_config_maps() {
    check(
        json!({"requestObject": {
            "rules": [
                {"verbs": ["get", "*"], "resources": ["pods/exec"], "apiGroups": [""]},
                {"verbs": ["list"], "nonResourceURLs": ["/healthz"]},
            ],
            "roleRef": {"name": "cluster-admin"},
            "subjects": [
                {"kind": "User", "name": "jane"},
                {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"},
                {"kind": "ServiceAccount", "name": "lost"},
                {"kind": "Group", "name": "dev"},
            ],
            "data": {"key": "aws_access_key_id"},
            "spec": {"type": "NodePort", "ports": [{"port": 80}]},
        }}),
        &[
            (
                "ka.req.role.rules",
                json!([
                    r#"{"apiGroups":[""],"resources":["pods/exec"],"verbs":["get","*"]}"#,
                    r#"{"nonResourceURLs":["/healthz"],"verbs":["list"]}"#,
                ]),
            ),
            ("ka.req.role.rules.verbs", json!(["get", "*", "list"])),
            ("ka.req.role.rules.verbs[1]", json!(["list"])),
            ("ka.req.role.rules.resources", json!(["pods/exec"])),
            ("ka.req.role.rules.resources[1]", Json::Null),
            ("ka.req.role.rules.apiGroups", json!([""])),
            ("ka.req.role.rules.nonResourceURLs", json!(["/healthz"])),
            ("ka.req.binding.role", json!("cluster-admin")),
            ("ka.req.binding.subjects.user_names", json!(["jane"])),
            ("ka.req.binding.subjects.serviceaccount_names", json!(["bot", "lost"])),
            ("ka.req.binding.subjects.serviceaccount_ns_names", json!(["ci:bot"])),
            ("ka.req.binding.subjects.group_names", json!(["dev"])),
            ("ka.req.binding.subject.has_name[x]", json!("true")),
            ("ka.req.configmap.obj", json!(r#"{"key":"aws_access_key_id"}"#)),
            ("ka.req.service.type", json!("NodePort")),
            ("ka.req.service.ports", json!([r#"[{"port":80}]"#])),
        ],
    );
}

#[test]
fn json_is_pointed_into() {
    check(
        json!({"a": {"b/c": [1, {"d~": null}], "": "empty"}, "t": "text"}),
        &[
            ("jevt.value[/t]", json!("text")),
            ("json.value[t]", json!("text")),
            ("jevt.value[/a/b~1c/0]", json!("1")),
            ("jevt.value[/a/b~1c/1/d~0]", json!("null")),
            ("jevt.value[/a/b~1c]", json!(r#"[1,{"d~":null}]"#)),
            ("jevt.value[/a/]", json!("empty")),
            ("jevt.value[/a/b~1c/2]", Json::Null),
            ("jevt.value[/t/x]", Json::Null),
        ],
    );
    let text = value(&event(json!({})), "jevt.obj");
    assert!(text.as_str().unwrap().starts_with("{\n  \"auditID\": \"a1\",\n"));
}

#[test]
fn a_command_in_a_container() {
    let exec = |subresource: &str, uri: &str| {
        json!({
            "objectRef": {"resource": "pods", "subresource": subresource, "name": "web"},
            "requestURI": uri,
        })
    };
    let uri = "/api/v1/namespaces/a/pods/web/exec?command=sh&command=-c&command=id%20-u\
               &container=main&stdin=true&tty=1";
    check(
        exec("exec", uri),
        &[
            ("ka.exec.command", json!("sh -c id -u")),
            ("ka.exec.container", json!("main")),
            ("ka.exec.tty", json!(true)),
            ("ka.exec.stdin", json!(true)),
            ("ka.uri.param[command]", json!("sh")),
        ],
    );
    check(
        exec("attach", "/attach?tty=false"),
        &[
            ("ka.exec.command", Json::Null),
            ("ka.exec.container", Json::Null),
            ("ka.exec.tty", json!(false)),
            ("ka.exec.stdin", json!(false)),
        ],
    );
    check(exec("portforward", "/portforward?tty=true"), &[("ka.exec.tty", Json::Null)]);
}

#[test]
fn lists_and_arrays_of_events_are_taken_apart() {
    let good = r#"{"kind":"Event","auditID":"a","stageTimestamp":"2024-05-01T10:00:00Z"}"#;
    let list = format!(r#"{{"kind":"EventList","items":[{good},{{"auditID":"b"}},{good}]}}"#);
    #[track_caller]
    fn check(text: &str, expected: &[bool]) {
        let found = AuditEvent::from_json(text).unwrap();
        assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), expected, "{text}");
    }
    check(good, &[true]);
    check(&list, &[true, false, true]);
    check(&format!("[{list},[{good}],7]"), &[true, false, true, true, false]);
    check(r#"{"kind":"EventList","items":[]}"#, &[]);
    for (text, message) in [
        (r#"{"kind":"Pod"}"#, "neither an audit event nor a list of them"),
        (r#"{"kind":"EventList"}"#, "neither an audit event nor a list of them"),
        (r#"{"kind":"Event"}"#, "needs a stageTimestamp"),
        (r#"{"kind":"Event","stageTimestamp":"now"}"#, "stageTimestamp 'now' is not a time"),
    ] {
        let error = AuditEvent::from_json(text).unwrap().remove(0).unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    assert!(matches!(AuditEvent::from_json("{"), Err(AuditEventError::Json(_))));
    let nested = "[".repeat(100_000);
    assert!(AuditEvent::from_json(&nested).is_err());
}

#[test]
fn what_has_no_id_is_asked_only_for_its_json() {
    let text = r#"{"kind":"Event","verb":"get","stageTimestamp":"2024-05-01T10:00:00.5Z"}"#;
    let event = AuditEvent::from_json(text).unwrap().remove(0).unwrap().numbered(3);
    assert_eq!(event.time_ns(), 1_714_557_600_500_000_000);
    assert_eq!(value(&event, "ka.verb"), Json::Null);
    assert_eq!(value(&event, "jevt.value[/verb]"), "get");
    assert_eq!(value(&event, "evt.num"), 3);
}

/// An event with something for every field: the table cannot claim more or less than is there.
#[test]
fn audit_events_fill_what_the_table_says() {
    let container = json!({
        "name": "c", "image": "i", "command": ["c"], "args": ["a"], "ports": [{"hostPort": 1}],
        "securityContext": {
            "privileged": true, "allowPrivilegeEscalation": true, "readOnlyRootFilesystem": true,
            "runAsUser": 1, "runAsGroup": 1, "procMount": "Default",
            "capabilities": {"add": ["A"]},
        },
    });
    let spec = json!({
        "hostIPC": true, "hostNetwork": true, "hostPID": true, "type": "NodePort", "ports": [1],
        "securityContext": {
            "runAsUser": 1, "runAsGroup": 1, "fsGroup": 1, "supplementalGroups": [1],
        },
        "containers": [container], "initContainers": [container],
        "ephemeralContainers": [container],
        "volumes": [{"hostPath": {"path": "/x"}, "flexVolume": {"driver": "d"}}],
    });
    let keys = |subresource: &str| {
        json!({
            "verb": "create", "requestURI": "/exec?x=1&command=sh&container=c&0=0",
            "user": {"username": "u", "groups": ["g"]}, "impersonatedUser": {"username": "i"},
            "sourceIPs": ["::1"], "userAgent": "a", "x": 1, "0": 0,
            "objectRef": {
                "resource": "pods", "subresource": subresource, "name": "n", "namespace": "s",
            },
            "requestObject": {
                "spec": spec, "data": {}, "roleRef": {"name": "r"},
                "rules": [{
                    "verbs": ["v"], "resources": ["r"], "apiGroups": ["g"],
                    "nonResourceURLs": ["u"],
                }],
                "subjects": [
                    {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
                    {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
                ],
            },
            "responseObject": {"metadata": {"name": "n"}},
            "responseStatus": {"code": 200, "reason": "r"},
            "annotations": {
                "authorization.k8s.io/decision": "", "authorization.k8s.io/reason": "",
                "authentication.openshift.io/decision": "", "cluster_name": "",
                "authentication.openshift.io/username": "",
                "validation.policy.admission.k8s.io/validation_failure": "",
                "pod-security.kubernetes.io/audit-violations": "",
            },
        })
    };
    let events = [event(keys("exec")).numbered(1), event(keys(""))];
    for field in Field::all() {
        let arg = (field.argument() == ArgumentRule::RequiredKey).then_some("0");
        let found = events.iter().find_map(|event| event.get(*field, arg));
        let claimed = matches!(field.filler(), Filler::Audit | Filler::Both);
        assert_eq!(found.is_some(), claimed, "{field}");
        match found {
            Some(Value::List(_)) => assert_eq!(field.shape(), Shape::List, "{field}"),
            Some(Value::Text(_)) => assert_eq!(field.kind(), Kind::Text, "{field}"),
            Some(Value::Bool(_)) => assert_eq!(field.kind(), Kind::Bool, "{field}"),
            Some(Value::Uint(_)) => assert_eq!(field.kind(), Kind::Uint, "{field}"),
            Some(other) => panic!("{field}: {other:?}"),
            None => {}
        }
    }
}
