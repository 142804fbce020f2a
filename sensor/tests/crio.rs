//! CRI-O, whose answers are built to the shape that its sources give them, behind a socket.

#[path = "support/grpc.rs"]
mod grpc;

use std::time::Duration;

use lanner_sensor::enrich::{
    cri::v1,
    metadata::Answer,
    runtimes::{self, Api, Socket, Spoken},
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::grpc::{Runtime, Script};

const DEADLINE: Duration = Duration::from_secs(20);
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";

fn id() -> String {
    "c".repeat(64)
}

fn crio(running: Vec<v1::Container>) -> Script {
    let verbose = serde_json::json!({
        "sandboxID": "b".repeat(64),
        "pid": 4242,
        "runtimeSpec": { "ociVersion": "1.2.0" },
        "privileged": true,
    });
    let status = v1::ContainerStatus {
        id: id(),
        metadata: Some(v1::ContainerMetadata { name: "cart".to_owned(), attempt: 0 }),
        image: Some(v1::ImageSpec {
            image: "quay.io/shop/cart:v2".to_owned(),
            user_specified_image: "quay.io/shop/cart:v2".to_owned(),
        }),
        ..v1::ContainerStatus::default()
    };
    let container = v1::ContainerStatusResponse {
        status: Some(status),
        info: [("info".to_owned(), verbose.to_string())].into(),
    };
    let metadata = v1::PodSandboxMetadata {
        name: "cart-5d59d67564-x7x2p".to_owned(),
        uid: "u-1".to_owned(),
        namespace: "shop".to_owned(),
        attempt: 0,
    };
    let sandbox = v1::PodSandboxStatusResponse {
        status: Some(v1::PodSandboxStatus {
            id: "b".repeat(64),
            metadata: Some(metadata),
            labels: [("pod-template-hash".to_owned(), "5d59d67564".to_owned())].into(),
            ..v1::PodSandboxStatus::default()
        }),
        ..v1::PodSandboxStatusResponse::default()
    };
    let version = v1::VersionResponse {
        runtime_name: "cri-o".to_owned(),
        runtime_version: "1.31.0".to_owned(),
        ..v1::VersionResponse::default()
    };
    Script::default()
        .with("/runtime.v1.RuntimeService/Version", &version)
        .with("/runtime.v1.RuntimeService/ContainerStatus", &container)
        .with("/runtime.v1.RuntimeService/PodSandboxStatus", &sandbox)
        .with("/runtime.v1.RuntimeService/ListPodSandbox", &v1::ListPodSandboxResponse::default())
        .with(
            "/runtime.v1.RuntimeService/ListContainers",
            &v1::ListContainersResponse { containers: running },
        )
}

fn container(id: &str, state: v1::ContainerState) -> v1::Container {
    v1::Container { id: id.to_owned(), state: state.into(), ..v1::Container::default() }
}

fn socket(runtime: &Runtime) -> Socket {
    Socket { api: Api::Grpc, path: runtime.path().into() }
}

/// What arrives without being asked for.
fn follow(runtime: &Runtime) -> (mpsc::Sender<String>, mpsc::Receiver<Answer>) {
    let (requests, asked) = mpsc::channel(16);
    let (answered, answers) = mpsc::channel(16);
    let stop = CancellationToken::new();
    tokio::spawn(runtimes::run(vec![socket(runtime)], asked, answered, stop));
    (requests, answers)
}

async fn next(answers: &mut mpsc::Receiver<Answer>) -> Answer {
    tokio::time::timeout(DEADLINE, answers.recv()).await.expect("in time").expect("an answer")
}

#[tokio::test]
async fn containers_that_start_are_told_of() {
    let (script, tell) = crio(Vec::new()).with_stream(EVENTS);
    let runtime = Runtime::start(script);
    let (_requests, mut answers) = follow(&runtime);
    let event = |container_id: String, kind: v1::ContainerEventType| {
        let event = v1::ContainerEventResponse { container_id, container_event_type: kind.into() };
        event.encode_to_vec()
    };
    // One that ends is not asked about.
    let gone = event("d".repeat(64), v1::ContainerEventType::ContainerDeletedEvent);
    tell.send(gone).await.unwrap();
    tell.send(event(id(), v1::ContainerEventType::ContainerStartedEvent)).await.unwrap();
    let (found, info) = next(&mut answers).await;
    assert_eq!(found, id());
    let info = info.unwrap();
    assert_eq!((info.name.as_deref(), info.privileged), (Some("cart"), Some(true)));
    assert_eq!(info.pid, Some(4242));
    let pod = info.pod.unwrap();
    assert_eq!((pod.namespace.as_str(), pod.uid.as_str()), ("shop", "u-1"));
    let workload = pod.workload.unwrap();
    assert_eq!((workload.kind, workload.name.as_str()), ("Deployment", "cart"));
    assert_eq!(workload.replica_set.as_deref(), Some("cart-5d59d67564"));
}

/// Events are off in CRI-O unless somebody enables them.
#[tokio::test]
async fn without_events_the_containers_are_listed() {
    let ended = "e".repeat(64);
    let runtime = Runtime::start(crio(vec![
        container(&ended, v1::ContainerState::ContainerExited),
        container(&id(), v1::ContainerState::ContainerRunning),
    ]));
    let spoken = runtimes::examine(&socket(&runtime)).await.unwrap();
    assert_eq!(spoken, Spoken { version: "cri-o 1.31.0".to_owned(), has_events: false });
    let (_requests, mut answers) = follow(&runtime);
    let (found, info) = next(&mut answers).await;
    assert_eq!((found, info.is_some()), (id(), true));
    assert!(answers.try_recv().is_err());
}

#[tokio::test]
async fn a_runtime_that_offers_nothing_knows_nobody() {
    let runtime = Runtime::start(Script::default());
    assert!(runtimes::examine(&socket(&runtime)).await.is_err());
    let (requests, mut answers) = follow(&runtime);
    requests.send(id()).await.unwrap();
    assert_eq!(next(&mut answers).await, (id(), None));
}
