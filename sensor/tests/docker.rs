//! Docker and Podman: answers recorded from both (20.10.24, 4.3.1), by themselves and
//! behind a socket.

use std::time::Duration;

use lanner_sensor::enrich::{
    docker::container_info,
    metadata::{Answer, ContainerInfo, HostShares},
    runtimes::{self, Api, Socket, Spoken},
};
use lanner_testkit::container_engine::ContainerEngine;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const DOCKER: &str = include_str!("data/docker/docker-container.json");
const DOCKER_ID: &str = "c3d9c93d5565c0b2ea8768f8b9db131c79b317ec57e6032bf05e3c52159ad138";
const DOCKER_IMAGE: &str = include_str!("data/docker/docker-image.json");
const PODMAN: &str = include_str!("data/docker/podman-container.json");
const PODMAN_ID: &str = "ce454ea156968c18211df3c3ca7fafeacd37e7faa80d74665bee1da40d5d8b33";
const PODMAN_IMAGE: &str = include_str!("data/docker/podman-image.json");
const PODMAN_EVENTS: &str = include_str!("data/docker/podman-events.jsonl");
const DEADLINE: Duration = Duration::from_secs(20);

fn info(container: &str, image: &str) -> ContainerInfo {
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    container_info(&parse(container), &parse(image))
}

#[test]
fn docker() {
    let info = info(DOCKER, DOCKER_IMAGE);
    assert_eq!(info.name.as_deref(), Some("cart2"));
    assert_eq!(info.image.full.as_deref(), Some("lanner.local/busybox:1"));
    assert_eq!(info.image.repository.as_deref(), Some("lanner.local/busybox"));
    assert_eq!(info.image.tag.as_deref(), Some("1"));
    assert_eq!(info.image.digest, None, "an image that was never pushed has none");
    let id = "fcefabd474b7acda1c3589d7dc6211bd400faa21abd8a14adb293add829c1174";
    assert_eq!(info.image_id.as_deref(), Some(id));
    assert_eq!(info.privileged, Some(false));
    assert_eq!(info.started_ns, Some(1_795_280_695_898_441_038));
    assert_eq!(info.labels["app"], "shop");
    assert_eq!(info.pid, Some(20_977));
    assert_eq!(info.pod, None);
    let shares = HostShares { pid: Some(false), network: Some(false), ipc: Some(false) };
    assert_eq!(info.shares, shares);
    assert_eq!(info.probes, [["/bin/sh", "-c", "true"]]);
    let mounts: Vec<_> = info
        .mounts
        .iter()
        .map(|mount| (mount.source.as_str(), mount.destination.as_str(), mount.writable))
        .collect();
    assert_eq!(mounts, [("/etc", "/host/etc", false), ("/srv/data", "/data", true)]);
    assert_eq!(
        (info.mounts[0].mode.as_str(), info.mounts[0].propagation.as_str()),
        ("ro", "rprivate")
    );
}

#[test]
fn docker_privileged_and_not_started() {
    let info = info(include_str!("data/docker/docker-privileged.json"), "null");
    assert_eq!(info.privileged, Some(true));
    assert_eq!(info.shares.network, Some(true));
    assert_eq!((info.started_ns, info.pid), (None, None));
    assert_eq!(info.image.tag.as_deref(), Some("1"));
}

#[test]
fn podman() {
    let info = info(PODMAN, PODMAN_IMAGE);
    assert_eq!(info.name.as_deref(), Some("cart"));
    assert_eq!(info.image.repository.as_deref(), Some("lanner.local/busybox"));
    let digest = "sha256:b8d72a933c80b667f8a8a2fe78190e5017cbfe92195cfb7d9feb2866400a7372";
    assert_eq!(info.image.digest.as_deref(), Some(digest));
    assert_eq!(info.privileged, Some(false));
    assert_eq!(info.started_ns, Some(1_795_280_729_947_998_426));
    assert_eq!(info.labels["app"], "shop");
    assert_eq!(info.mounts[0].destination, "/host/etc");
    assert!(!info.mounts[0].writable);
}

#[test]
fn pods_that_docker_runs_for_a_kubelet() {
    let mut container: Value = serde_json::from_str(DOCKER).unwrap();
    container["Config"]["Labels"] = json!({
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.name": "cart-1",
        "io.kubernetes.pod.uid": "u-1",
    });
    let pod = container_info(&container, &Value::Null).pod.unwrap();
    assert_eq!(
        (pod.namespace.as_str(), pod.name.as_str(), pod.uid.as_str()),
        ("shop", "cart-1", "u-1")
    );
}

/// The image's name as asked for, with the record of the image: repository, tag, digest.
#[track_caller]
fn check_image(asked: &str, image: &Value, expected: (&str, Option<&str>, Option<&str>)) {
    let container = json!({"Config": {"Image": asked}});
    let name = container_info(&container, image).image;
    let found = (name.repository.as_deref().unwrap(), name.tag.as_deref(), name.digest.as_deref());
    assert_eq!(found, expected, "asked for {asked}");
}

#[test]
fn the_image_record_adds_what_was_not_asked_for() {
    let image = json!({
        "Id": "sha256:2d6be16ff2584f9dee68c3c8075237acbd01459ee9225298b3118ea328e61186",
        "RepoTags": ["other:9", "nginx:latest"],
        "RepoDigests": ["other@sha256:09", "nginx@sha256:01"],
    });
    check_image("nginx", &image, ("nginx", Some("latest"), Some("sha256:01")));
    check_image("nginx:1.27", &image, ("nginx", Some("1.27"), Some("sha256:01")));
    check_image("nginx@sha256:05", &image, ("nginx", None, Some("sha256:05")));
    check_image("2d6be16ff258", &image, ("other", Some("9"), Some("sha256:09")));
    check_image("nginx", &Value::Null, ("nginx", None, None));
}

#[test]
fn answers_that_say_nothing_are_no_panic() {
    for container in [json!(null), json!([]), json!({"Name": 1, "Mounts": {"a": 1}, "Config": []})]
    {
        let info = container_info(&container, &json!("x"));
        assert_eq!((info.name, info.pid, info.pod), (None, None, None));
    }
}

/// What answers a look-up, and what arrives by itself.
struct Node {
    requests: mpsc::Sender<String>,
    answers: mpsc::Receiver<Answer>,
    stop: CancellationToken,
}

impl Node {
    fn start(engine: &ContainerEngine) -> Self {
        let (requests, asked) = mpsc::channel(16);
        let (answered, answers) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let sockets = vec![socket(engine)];
        tokio::spawn(runtimes::run(sockets, asked, answered, stop.clone()));
        Self { requests, answers, stop }
    }

    async fn next(&mut self) -> Answer {
        let answer = tokio::time::timeout(DEADLINE, self.answers.recv()).await;
        answer.expect("an answer in time").expect("an answer")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn socket(engine: &ContainerEngine) -> Socket {
    Socket { api: Api::Http, path: engine.path().into() }
}

fn podman_engine() -> ContainerEngine {
    let image = "sha256:2d6be16ff2584f9dee68c3c8075237acbd01459ee9225298b3118ea328e61186";
    ContainerEngine::start()
        .with(&format!("/containers/{PODMAN_ID}/json"), PODMAN)
        .with(&format!("/images/{image}/json"), PODMAN_IMAGE)
        .with("/version", r#"{"Version":"4.3.1","Components":[{"Name":"Podman Engine"}]}"#)
}

#[tokio::test]
async fn a_container_is_asked_for() {
    let engine = podman_engine().with("/containers/json", "[]");
    let mut node = Node::start(&engine);
    node.requests.send(PODMAN_ID.to_owned()).await.unwrap();
    let (id, info) = node.next().await;
    assert_eq!((id.as_str(), info.unwrap().name.as_deref()), (PODMAN_ID, Some("cart")));
    // Nobody knows the next two, and one of them is no id.
    for id in [DOCKER_ID, "../../version"] {
        node.requests.send(id.to_owned()).await.unwrap();
        let answer = node.next().await;
        assert_eq!((answer.0.as_str(), answer.1), (id, None));
    }
    let asked = engine.asked();
    assert!(asked.iter().all(|path| !path.contains("..")), "{asked:?}");
}

#[tokio::test]
async fn containers_that_run_already_are_listed() {
    let list = json!([{"Id": PODMAN_ID}]).to_string();
    let engine = podman_engine().with("/containers/json", &list);
    let mut node = Node::start(&engine);
    let (id, info) = node.next().await;
    assert_eq!((id.as_str(), info.is_some()), (PODMAN_ID, true));
}

#[tokio::test]
async fn containers_that_start_are_told_of() {
    let engine = podman_engine().with("/containers/json", "[]");
    let mut node = Node::start(&engine);
    engine.tell(PODMAN_EVENTS.as_bytes()).await;
    // The recording: it is made, set up and started, and only the first and the last count.
    for _ in ["create", "start"] {
        let (id, info) = node.next().await;
        assert_eq!((id.as_str(), info.is_some()), (PODMAN_ID, true));
    }
    assert!(node.answers.try_recv().is_err());
}

#[tokio::test]
async fn an_engine_that_comes_back_is_followed_again() {
    let engine = podman_engine().with("/containers/json", "[]");
    let mut node = Node::start(&engine);
    engine.tell(b"nonsense\n").await;
    engine.hang_up().await;
    engine.tell(PODMAN_EVENTS.as_bytes()).await;
    assert_eq!(node.next().await.0, PODMAN_ID);
}

#[tokio::test]
async fn who_answers() {
    let engine = podman_engine();
    let spoken = runtimes::examine(&socket(&engine)).await.unwrap();
    assert_eq!(spoken, Spoken { version: "podman 4.3.1".to_owned(), has_events: true });
    let nobody = Socket { api: Api::Http, path: engine.path().with_extension("gone").into() };
    assert!(runtimes::examine(&nobody).await.is_err());
}

/// Whoever makes groups by the thousand does not make us ask thousands of questions; what
/// the engine itself tells of goes on.
#[tokio::test]
async fn a_burst_of_strange_groups_is_bounded() {
    let engine = podman_engine().with("/containers/json", "[]");
    let mut node = Node::start(&engine);
    let requests = node.requests.clone();
    let strange: Vec<String> = (0..10_000).map(|number| format!("{number:064x}")).collect();
    let sent = strange.clone();
    let sender = tokio::spawn(async move {
        for id in sent {
            requests.send(id).await.unwrap();
        }
    });
    let mut answered = 0;
    while answered < strange.len() {
        let (id, info) = node.next().await;
        assert!(info.is_none(), "{id}");
        answered += 1;
    }
    sender.await.unwrap();
    let questions = engine.asked().iter().filter(|path| path.starts_with("/containers/0")).count();
    assert!((1..2000).contains(&questions), "{questions} questions");
    engine.tell(PODMAN_EVENTS.as_bytes()).await;
    assert!(node.next().await.1.is_some());
}
