//! The container that a control group's path names.

use lanner_sensor::enrich::container::{ContainerId, Groups, Runtime};

const ID: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";

fn container_of_path(path: &str) -> Option<ContainerId> {
    Groups::default().container_of_path(path)
}

fn container_of_proc(lines: &str) -> Option<ContainerId> {
    Groups::default().container_of_proc(lines)
}

#[track_caller]
fn check(path: &str, expected: Option<Runtime>) {
    let path = path.replace("ID", ID);
    let found = container_of_path(&path);
    assert_eq!(found.as_ref().map(|found| found.runtime), expected, "path {path}");
    if let Some(found) = found {
        assert_eq!(found.full, ID);
        assert_eq!(found.short(), "8d8d2bd3c5f6");
        assert!(found.is_certain);
    }
}

/// A container whose group bears its name.
#[track_caller]
fn check_named(path: &str, expected: Option<(Runtime, &str)>) {
    let found = container_of_path(path);
    let found = found.as_ref().map(|found| (found.runtime, found.full.as_str()));
    assert_eq!(found, expected, "path {path}");
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
    check(
        "/kubepods-burstable-podbd12dd3393227d950605a2444b13c27a.slice:cri-containerd:ID",
        Some(Runtime::Containerd),
    );
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
    check("/system.slice/libpod-ID", Some(Runtime::Podman));
    check("/machine.slice/machine-libpod_pod_1.slice/libpod-ID.scope", Some(Runtime::Podman));
    check("/user.slice/user-1000.slice/user@1000.service/libpod-ID", Some(Runtime::Podman));
}

#[test]
fn podman_with_split_groups() {
    let service = "/system.slice/system-ceph-f952f5be.slice/ceph-f952f5be@mon.node-1.service";
    for end in ["", ".scope", ".scope/container"] {
        check(&format!("{service}/libpod-payload-ID{end}"), Some(Runtime::Podman));
    }
    check(&format!("{service}/supervisor"), None);
}

#[test]
fn an_id_is_of_64_digits_and_no_more() {
    let user = "/user.slice/user-1000.slice/user@1000.service";
    check(&format!("{user}/libpod-ID0123456789abcdef"), None);
    check(&format!("{user}/libpod-IDg"), None);
    check(&format!("{user}/libpod-{}", ID.trim_start_matches('8')), None);
}

#[test]
fn lxc() {
    for path in ["/lxc/web-1", "/lxc/web-1/init.scope", "/lxc.payload/web-1", "/lxc.payload.web-1"]
    {
        check_named(path, Some((Runtime::Lxc, "web-1")));
    }
    check_named("/lxc.payload.web-1/system.slice/ssh.service", Some((Runtime::Lxc, "web-1")));
    check_named("/lxc.monitor.web-1", None);
    check_named(&format!("/lxc/{}", "a".repeat(129)), None);
    check_named("/lxc/a b", None);
}

#[test]
fn lxc_of_libvirt() {
    check_named("/libvirt/lxc/web", Some((Runtime::LibvirtLxc, "web")));
    check_named("/machine/web.libvirt-lxc", Some((Runtime::LibvirtLxc, "web")));
    let name = r"2293906\x2dlibvirt\x2dcontainer";
    for end in ["", "/libvirt"] {
        let path = format!(r"/machine.slice/machine-lxc\x2d{name}.scope{end}");
        check_named(&path, Some((Runtime::LibvirtLxc, name)));
    }
    check_named(r"/machine.slice/machine-qemu\x2d1\x2dweb.scope", None);
}

#[test]
fn bpm() {
    check_named("/system.slice/bpm-nats.worker_1.scope", Some((Runtime::Bpm, "nats.worker_1")));
    check_named("/system.slice/bpm-.scope", None);
}

/// Two groups may be a container of `ctr`; whether they are is told by the process ids.
#[test]
fn two_groups_of_any_name() {
    for (path, name) in [
        ("/default/test_container", "test_container"),
        ("/my_very_long_namespace-1.5/test_container", "test_container"),
        ("/default/abcdef123456", "abcdef123456"),
        ("/my.namespace/container.name", "container.name"),
        ("/default/service.container", "service.container"),
        ("/default/slice.mycontainer", "slice.mycontainer"),
        ("/default/a", "a"),
        ("/k8s.io/my-test_container", "my-test_container"),
    ] {
        check_named(path, Some((Runtime::Containerd, name)));
        assert!(!container_of_path(path).unwrap().is_certain);
    }
    for path in [
        "/default/some_short_id.service",
        "/default/some_short_id.slice",
        "/default/some_short_id.scope",
        "/namespace/.service",
        "/namespace/.slice",
        "/namespace/.scope",
        "/system.slice/name",
        "/one",
        "/one/two/three",
        "/one/",
        "//two",
        "one/two",
    ] {
        check_named(path, None);
    }
    check_named(&format!("/default/{}", "a".repeat(65)), None);
}

#[test]
fn the_pod_of_a_group() {
    let uid = "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa";
    let slice = uid.replace('-', "_");
    for path in [
        format!("/kubepods/burstable/pod{uid}/{ID}"),
        format!("/kubepods/pod{uid}/crio-{ID}"),
        format!("/kubepods.slice/kubepods-pod{slice}.slice/crio-{ID}.scope"),
        format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{ID}.scope"
        ),
        format!(
            "/system.slice/containerd.service/kubepods-burstable-pod{slice}.slice:cri-containerd:{ID}"
        ),
    ] {
        let found = container_of_path(&path).unwrap();
        assert_eq!(found.pod_uid.as_deref(), Some(uid), "path {path}");
    }
    for path in [
        format!("/kubepods/besteffort/pod1/{ID}"),
        format!("/kubepods/besteffort/pod../../{ID}"),
        format!("/kubepods/{ID}/pod{uid}x/"),
        format!("/docker/{ID}/pod{uid}"),
        format!("/docker/{ID}/kubepods/pod{uid}"),
        format!("/kubepods/{ID}/kubepods/pod{uid}"),
        format!("/kubepods/burstable/{ID}/pod{uid}"),
    ] {
        assert_eq!(container_of_path(&path).unwrap().pod_uid, None, "path {path}");
    }
}

/// As in kind, where the node is a container of Docker's.
#[test]
fn kubernetes_inside_a_container_counts_where_it_is_said_to() {
    let (outer, uid) = ("f".repeat(64), "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa");
    let slice = uid.replace('-', "_");
    for (below, runtime) in [
        (format!("kubelet/kubepods/pod{uid}/{ID}"), Runtime::Other),
        (
            format!(
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/cri-containerd-{ID}.scope"
            ),
            Runtime::Containerd,
        ),
    ] {
        let path = format!("/docker/{outer}/{below}");
        let found = Groups { nested_kubernetes: true }.container_of_path(&path).unwrap();
        assert_eq!((found.full.as_str(), found.runtime), (ID, runtime), "path {path}");
        assert_eq!(found.pod_uid.as_deref(), Some(uid));
        let found = container_of_path(&path).unwrap();
        assert_eq!((found.full, found.runtime), (outer.clone(), Runtime::Docker), "path {path}");
        assert_eq!(found.pod_uid, None);
    }
}

#[test]
fn the_host() {
    for path in [
        "/",
        "",
        "/user.slice/user-0.slice/session-1.scope",
        "/system.slice/sshd.service",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice",
        "/system.slice/ID.service",
    ] {
        check(path, None);
    }
    check(&format!("/system.slice/docker-{}.scope", ID.to_uppercase()), None);
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
    let both = format!("2:cpu:/a/b\n1:memory:/docker/{ID}\n0::/c/d\n");
    assert_eq!(container_of_proc(&both).unwrap().full, ID);
    assert_eq!(container_of_proc("2:cpu:/a/b\n0::/\n").unwrap().full, "b");
}

#[test]
fn a_container_cannot_pass_for_another_by_a_group_below_its_own() {
    let (other, uid) = ("e".repeat(64), "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa");
    for own in [
        "/kubepods/burstable/pod1/ID",
        "/system.slice/docker-ID.scope",
        "/docker/ID",
        "/machine.slice/libpod-ID.scope",
    ] {
        for below in [
            format!("cri-containerd-{other}.scope"),
            format!("pod2/{other}"),
            format!("kubepods/pod{uid}/{other}"),
            format!("a/b/c/kubepods.slice/kubepods-pod1.slice/crio-{other}.scope"),
            format!(
                "system.slice/containerd.service/kubepods-pod{uid}.slice:cri-containerd:{other}"
            ),
        ] {
            let path = format!("{own}/{below}").replace("ID", ID);
            let found = container_of_path(&path).unwrap();
            assert_eq!((found.full.as_str(), found.pod_uid), (ID, None), "path {path}");
        }
    }
    for own in ["/lxc/web-1", "/lxc/kubepods", "/lxc.payload.kubepods"] {
        let path = format!("{own}/kubepods/pod{uid}/{other}");
        let found = container_of_path(&path).unwrap();
        assert_eq!((found.runtime, found.pod_uid), (Runtime::Lxc, None), "path {path}");
    }
    // Below a container of a kubelet nobody makes another one, whatever is switched on.
    let path = format!("/kubepods/pod1/{ID}/kubepods/pod{uid}/{other}");
    assert_eq!(Groups { nested_kubernetes: true }.container_of_path(&path).unwrap().full, ID);
}
