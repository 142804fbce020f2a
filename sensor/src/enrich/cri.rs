//! Asks the container runtimes (containerd, CRI-O) over their CRI socket what a
//! container is and which pod it is part of.
//!
//! ```text
//! id ─▶ ContainerStatus (verbose) ─▶ sandbox id ─▶ PodSandboxStatus ─▶ ContainerInfo
//!          └ not found: it may be a sandbox itself ─▶ PodSandboxStatus
//! ```

mod facts;

/// Made by `examples/generate_cri.rs` from `proto/cri.proto`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
#[rustfmt::skip]
#[path = "cri/runtime.v1.rs"]
pub mod v1;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Uri},
};
use tracing::{info, warn};

pub use self::facts::{container_info, sandbox_info, sandbox_of};
use self::v1::{
    ContainerStatusRequest, ListContainersRequest, PodSandboxStatusRequest, VersionRequest,
    runtime_service_client::RuntimeServiceClient,
};
use super::metadata::{Answer, ContainerInfo};

/// Longest that one question may take, with all that follows from it.
const LOOK_UP_MAX: Duration = Duration::from_secs(2);

/// Questions asked at the same time.
const AT_ONCE_MAX: usize = 8;

/// A container's processes may run before its runtime tells of it.
const TRIES: usize = 4;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(75);

/// Answers are small; an evil runtime's are cut here.
const ANSWER_BYTES_MAX: usize = 8 << 20;

type Client = RuntimeServiceClient<Channel>;

/// One runtime's socket.
#[derive(Clone)]
struct Runtime {
    socket: Arc<Path>,
    client: Client,
}

/// Answers `requests` until `stop`. Each request gets its answer, if only that
/// nobody knows.
pub async fn run(
    sockets: Vec<PathBuf>,
    mut requests: mpsc::Receiver<String>,
    answers: mpsc::Sender<Answer>,
    stop: CancellationToken,
) {
    let runtimes: Arc<[Runtime]> = sockets.iter().map(|socket| connect(socket)).collect();
    let permits = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut waiting: Vec<String> = Vec::new();
    for runtime in runtimes.iter() {
        waiting.extend(greet(runtime).await);
    }
    let mut waiting = waiting.into_iter();
    loop {
        let id = match waiting.next() {
            Some(id) => id,
            None => tokio::select! {
                () = stop.cancelled() => return,
                id = requests.recv() => match id {
                    Some(id) => id,
                    None => return,
                },
            },
        };
        // Closed never: nobody closes it.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (runtimes, answers) = (Arc::clone(&runtimes), answers.clone());
        tokio::spawn(async move {
            let info = look_up(&runtimes, &id).await;
            // Nobody takes answers once the sensor stops.
            let _ = answers.send((id, info)).await;
            drop(permit);
        });
    }
}

/// Says who answers at a socket, for `doctor`.
///
/// # Errors
/// When nobody does.
pub async fn version(socket: &Path) -> Result<String, Status> {
    let mut client = connect(socket).client;
    let asked = client.version(VersionRequest { version: String::new() });
    match timeout(LOOK_UP_MAX, asked).await {
        Ok(Ok(answer)) => {
            let answer = answer.into_inner();
            Ok(format!("{} {}", answer.runtime_name, answer.runtime_version))
        }
        Ok(Err(status)) => Err(status),
        Err(_elapsed) => Err(Status::deadline_exceeded("no answer")),
    }
}

/// Logs whether a runtime answers, and gives the containers that it has.
async fn greet(runtime: &Runtime) -> Vec<String> {
    match version(&runtime.socket).await {
        Ok(version) => {
            info!(socket = %runtime.socket.display(), version, "container runtime answers")
        }
        Err(status) => {
            let error = status.message();
            warn!(
                socket = %runtime.socket.display(),
                error,
                "container runtime does not answer; alerts lack pod and image"
            );
            return Vec::new();
        }
    }
    let mut client = runtime.client.clone();
    match timeout(LOOK_UP_MAX, client.list_containers(ListContainersRequest {})).await {
        Ok(Ok(list)) => {
            let containers = list.into_inner().containers;
            containers.into_iter().map(|container| container.id).collect()
        }
        _ => Vec::new(),
    }
}

/// A client that connects when it is first used, and again when it must.
fn connect(socket: &Path) -> Runtime {
    let path: Arc<Path> = socket.into();
    let at = Arc::clone(&path);
    let connector = tower::service_fn(move |_: Uri| {
        let at = Arc::clone(&at);
        async move { UnixStream::connect(at).await.map(TokioIo::new) }
    });
    // The address is only a name: the connector knows the socket.
    let channel =
        Endpoint::from_static("http://cri.invalid").connect_with_connector_lazy(connector);
    let client = RuntimeServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    Runtime { socket: path, client }
}

async fn look_up(runtimes: &[Runtime], id: &str) -> Option<ContainerInfo> {
    let asked = async {
        for _ in 0..TRIES {
            for runtime in runtimes {
                match ask(&runtime.client, id).await {
                    Ok(info) => return Some(info),
                    Err(status) if status.code() == Code::NotFound => {}
                    Err(status) => {
                        let error = status.message();
                        warn!(socket = %runtime.socket.display(), container = id, error, "container look-up failed");
                    }
                }
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        None
    };
    timeout(LOOK_UP_MAX, asked).await.ok().flatten()
}

async fn ask(client: &Client, id: &str) -> Result<ContainerInfo, Status> {
    let mut client = client.clone();
    let question = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
    match client.container_status(question).await {
        Ok(answer) => {
            let container = answer.into_inner();
            let sandbox = match sandbox_of(&container) {
                Some(sandbox) => Some(ask_sandbox(&mut client, &sandbox).await?),
                None => None,
            };
            Ok(container_info(&container, sandbox.as_ref()))
        }
        Err(status) if status.code() == Code::NotFound => {
            Ok(sandbox_info(&ask_sandbox(&mut client, id).await?))
        }
        Err(status) => Err(status),
    }
}

async fn ask_sandbox(
    client: &mut Client,
    id: &str,
) -> Result<v1::PodSandboxStatusResponse, Status> {
    let question = PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: false };
    Ok(client.pod_sandbox_status(question).await?.into_inner())
}
