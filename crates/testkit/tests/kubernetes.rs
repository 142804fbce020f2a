//! The API server that other tests rely on.

use std::{path::Path, time::Duration};

use lanner_testkit::{KubeApiserver, eventually};

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: shop, namespace: front}
spec:
  containers: [{name: main, image: "registry.example/shop:1"}]
"#;

#[test]
fn it_stores_what_it_is_given() {
    let server = KubeApiserver::start();
    assert_eq!(server.kubectl(&["get", "--raw", "/readyz"]).unwrap(), "ok");
    assert!(server.kubeconfig().contains(&server.url()));

    server.kubectl(&["create", "namespace", "front"]).unwrap();
    server.apply(POD).unwrap();
    let phase = server.kubectl(&["-n", "front", "get", "pod", "shop", "-o", "name"]).unwrap();
    assert_eq!(phase, "pod/shop\n");

    server.kubectl(&["-n", "front", "delete", "pod", "shop"]).unwrap();
    let gone = server.kubectl(&["-n", "front", "get", "pod", "shop"]).unwrap_err();
    assert!(gone.contains("not found"), "{gone}");
}

#[test]
fn its_users_may_what_their_roles_say() {
    let server = KubeApiserver::start();
    let account = ["create", "serviceaccount", "robot"];
    server.kubectl(&account).unwrap();
    let person = server.kubeconfig_of("rita", Some("readers"));
    let robot = server.kubeconfig_of_service_account("default", "robot");
    let list_as = |kubeconfig: &Path| {
        server.kubectl(&["--kubeconfig", kubeconfig.to_str().unwrap(), "get", "pods"])
    };

    let refused = list_as(&person).unwrap_err();
    assert!(refused.contains(r#"User "rita" cannot list resource "pods""#), "{refused}");
    let refused = list_as(&robot).unwrap_err();
    assert!(refused.contains("system:serviceaccount:default:robot"), "{refused}");

    server.kubectl(&["create", "role", "reader", "--verb=list", "--resource=pods"]).unwrap();
    let bind = ["create", "rolebinding", "reader", "--role=reader", "--group=readers"];
    let bind = [bind.as_slice(), &["--serviceaccount=default:robot"]].concat();
    server.kubectl(&bind).unwrap();
    // The authorizer reads roles from its cache, a moment later.
    for kubeconfig in [&person, &robot] {
        eventually("the role counts", Duration::from_secs(10), || list_as(kubeconfig).ok());
    }
}

#[test]
fn two_servers_do_not_know_each_other() {
    let (one, two) = (KubeApiserver::start(), KubeApiserver::start());
    one.kubectl(&["create", "namespace", "only-in-one"]).unwrap();
    two.kubectl(&["get", "namespace", "only-in-one"]).unwrap_err();
}
