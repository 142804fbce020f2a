//! One runtime's socket, whatever is spoken there.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Uri},
};
use tracing::{info, warn};

use super::{Problem, SUBSCRIBED_AFTER};
use crate::enrich::{
    containerd::{self, Containerd},
    cri::{self, Cri},
    docker::{self, Docker},
    metadata::ContainerInfo,
};

/// What is spoken at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// The Kubernetes runtime interface, containerd's own services, or both.
    Grpc,
    /// Docker's, which Podman speaks as well.
    Http,
}

/// Where a runtime may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub api: Api,
    pub path: Arc<Path>,
}

/// Who answered, and what it offers.
#[derive(Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Name and version: `containerd 1.6.20`.
    pub version: String,
    /// Whether it tells when a container starts.
    pub has_events: bool,
}

enum Engine {
    Grpc { cri: Cri, containerd: Containerd },
    Http(Docker),
}

/// The ids of containers that start, as a runtime tells them.
pub(super) enum Events {
    Containerd(containerd::Events),
    Cri(cri::Events),
    Docker(docker::Events),
}

pub(super) struct Runtime {
    pub(super) socket: Socket,
    engine: Engine,
    /// Whether it answered the last time; [`UNKNOWN`] before the first.
    health: AtomicU8,
}

const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

impl Runtime {
    /// Connects when it is first used, and again when it must.
    pub(super) fn new(socket: Socket) -> Self {
        let engine = match socket.api {
            Api::Http => Engine::Http(Docker::new(&socket.path)),
            Api::Grpc => {
                let channel = channel(&socket.path);
                Engine::Grpc {
                    cri: Cri::new(channel.clone()),
                    containerd: Containerd::new(channel),
                }
            }
        };
        Self { socket, engine, health: AtomicU8::new(UNKNOWN) }
    }

    pub(super) fn is_there(&self) -> bool {
        self.socket.path.exists()
    }

    /// What it knows of a container.
    pub(super) async fn ask(&self, id: &str) -> Option<ContainerInfo> {
        let answer = match &self.engine {
            Engine::Http(docker) => docker.ask(id).await,
            Engine::Grpc { cri, containerd } => match known(cri.ask(id).await) {
                Ok(None) | Err(Problem::Unsupported) => match known(containerd.ask(id).await) {
                    Err(Problem::Unsupported) => Ok(None),
                    answer => answer,
                },
                answer => answer,
            },
        };
        self.note(answer.as_ref().map(|_| ()));
        answer.ok().flatten()
    }

    /// The containers that run.
    pub(super) async fn running(&self) -> Result<Vec<String>, Problem> {
        let list = match &self.engine {
            Engine::Http(docker) => docker.running().await,
            Engine::Grpc { cri, containerd } => {
                let of_pods = cri.running().await.map_err(Problem::from);
                let others = containerd.running().await.map_err(Problem::from);
                match (of_pods, others) {
                    (Ok(of_pods), Ok(others)) => Ok([of_pods, others].concat()),
                    (Ok(list), Err(Problem::Unsupported))
                    | (Err(Problem::Unsupported), Ok(list)) => Ok(list),
                    (Err(problem), _) | (_, Err(problem)) => Err(problem),
                }
            }
        };
        self.note(list.as_ref().map(|_| ()));
        list
    }

    /// Hears of what starts from now on.
    pub(super) async fn events(&self) -> Result<Events, Problem> {
        match &self.engine {
            Engine::Http(docker) => docker.events().await.map(Events::Docker),
            Engine::Grpc { cri, containerd } => {
                match containerd.events().await.map_err(Problem::from) {
                    // Not containerd.
                    Err(Problem::Unsupported) => {
                        cri.events().await.map(Events::Cri).map_err(Problem::from)
                    }
                    stream => stream.map(Events::Containerd),
                }
            }
        }
    }

    pub(super) async fn examine(&self) -> Result<Spoken, Problem> {
        let version = match &self.engine {
            Engine::Http(docker) => docker.version().await?,
            Engine::Grpc { cri, containerd } => match cri.version().await.map_err(Problem::from) {
                Err(Problem::Unsupported) => containerd.version().await?,
                version => version?,
            },
        };
        // Still waiting means that nothing happened yet.
        let refused = timeout(SUBSCRIBED_AFTER, self.events()).await;
        Ok(Spoken { version, has_events: !matches!(refused, Ok(Err(_))) })
    }

    /// Logs the first success, the first failure and each change between them.
    fn note(&self, outcome: Result<(), &Problem>) {
        let health = if outcome.is_ok() { GOOD } else { BAD };
        if self.health.swap(health, Ordering::Relaxed) == health {
            return;
        }
        let socket = self.socket.path.display();
        match outcome {
            Ok(()) => info!(%socket, "container runtime answers"),
            Err(error) => warn!(
                %socket,
                %error,
                "container runtime does not answer; alerts lack pod and image"
            ),
        }
    }
}

impl Events {
    /// `None` when the runtime went away.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self {
            Self::Containerd(events) => events.next().await,
            Self::Cri(events) => events.next().await,
            Self::Docker(events) => events.next().await,
        }
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::Unsupported,
            _ => Self::Failed(status.message().to_owned()),
        }
    }
}

/// Not knowing is an answer, too.
fn known(answer: Result<ContainerInfo, Status>) -> Result<Option<ContainerInfo>, Problem> {
    match answer {
        Err(status) if status.code() == Code::NotFound => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

fn channel(socket: &Arc<Path>) -> Channel {
    let at = Arc::clone(socket);
    let connector = tower::service_fn(move |_: Uri| {
        let at = Arc::clone(&at);
        async move { UnixStream::connect(at).await.map(TokioIo::new) }
    });
    // The address is only a name: the connector knows the socket.
    Endpoint::from_static("http://runtime.invalid").connect_with_connector_lazy(connector)
}
