//! The container that a control group's path names.

use lanner_sensor::enrich::container::{Runtime, container_of_path, container_of_proc};

const ID: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";

#[track_caller]
fn check(path: &str, expected: Option<Runtime>) {
    let path = path.replace("ID", ID);
    let found = container_of_path(&path);
    assert_eq!(found.as_ref().map(|found| found.runtime), expected, "path {path}");
    if let Some(found) = found {
        assert_eq!(found.full, ID);
        assert_eq!(found.short(), "8d8d2bd3c5f6");
    }
}

#[test]
fn docker() {
    check("/docker/ID", Some(Runtime::Docker));
    check("/system.slice/docker-ID.scope", Some(Runtime::Docker));
    check("/kubepods.slice/kubepods-pod1.slice/docker-ID.scope", Some(Runtime::Docker));
    check("/docker/ID/system.slice/ssh.service", Some(Runtime::Docker));
}

#[test]
fn containerd() {
    check("/kubepods/burstable/pod6f6f1d6e-1d2c/ID", Some(Runtime::Other));
    check("/kubepods/besteffort/pod1/ID/", Some(Runtime::Other));
    check(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
        Some(Runtime::Containerd),
    );
    check(
        "/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:ID",
        Some(Runtime::Containerd),
    );
    check("/default/ID", Some(Runtime::Other));
    check("/system.slice/nerdctl-ID.scope", Some(Runtime::Containerd));
}

#[test]
fn crio_and_openshift() {
    check("/kubepods/besteffort/pod1/crio-ID", Some(Runtime::Crio));
    check("/kubepods.slice/kubepods-pod63.slice/crio-ID.scope", Some(Runtime::Crio));
    check("/kubepods.slice/kubepods-pod63.slice/crio-ID.scope/container", Some(Runtime::Crio));
    check("/kubepods.slice/kubepods-pod63.slice/crio-conmon-ID.scope", None);
}

#[test]
fn podman() {
    check("/machine.slice/libpod-ID.scope", Some(Runtime::Podman));
    check("/machine.slice/libpod-ID.scope/container", Some(Runtime::Podman));
    check("/machine.slice/libpod-ID.scope/libpod-payload-ID", Some(Runtime::Podman));
    check("/libpod_parent/libpod-ID", Some(Runtime::Podman));
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        Some(Runtime::Podman),
    );
    check("/machine.slice/libpod-conmon-ID.scope", None);
}

#[test]
fn kubernetes_inside_a_container() {
    let outer = "f".repeat(64);
    check(&format!("/docker/{outer}/kubelet/kubepods/pod1/ID"), Some(Runtime::Other));
    check(
        &format!(
            "/docker/{outer}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-ID.scope"
        ),
        Some(Runtime::Containerd),
    );
}

#[test]
fn the_host() {
    for path in [
        "/",
        "",
        "/user.slice/user-0.slice/session-1.scope",
        "/system.slice/sshd.service",
        "/process_api/08606f609aac072a8f30882d3ed06c03",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice",
        "/system.slice/ID.service",
    ] {
        check(path, None);
    }
    check(&format!("/docker/{}", ID.to_uppercase()), None);
    check(&format!("/docker/{ID}0"), None);
}

#[test]
fn lines_of_proc() {
    let v1 = format!("12:pids:/\n5:memory:/kubepods/pod1/{ID}\n0::/system.slice/x.service\n");
    assert_eq!(container_of_proc(&v1).unwrap().full, ID);
    let v2 = format!("0::/../cri-containerd-{ID}.scope\n");
    assert_eq!(container_of_proc(&v2).unwrap().full, ID);
    let colons = format!("0::/system.slice/a.slice:cri-containerd:{ID}\n");
    assert_eq!(container_of_proc(&colons).unwrap().runtime, Runtime::Containerd);
    assert_eq!(container_of_proc("0::/init.scope\nnonsense\n"), None);
}

#[test]
fn a_container_cannot_pass_for_another_by_a_group_below_its_own() {
    let other = "e".repeat(64);
    for own in ["/kubepods/burstable/pod1/ID", "/system.slice/docker-ID.scope", "/docker/ID"] {
        for below in [format!("cri-containerd-{other}.scope"), format!("pod2/{other}")] {
            let path = format!("{own}/{below}").replace("ID", ID);
            let found = container_of_path(&path).map(|found| found.full);
            assert_eq!(found.as_deref(), Some(ID), "path {path}");
        }
    }
}
