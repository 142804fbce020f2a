//! The Kubernetes runtime interface, version 1, of containerd and CRI-O: which pod a
//! container is part of.
//!
//! ```text
//! id ─▶ ContainerStatus (verbose) ─▶ sandbox id ─▶ PodSandboxStatus ─▶ ContainerInfo
//!          └ not found: it may be a sandbox itself ─▶ PodSandboxStatus
//! ```

mod facts;

/// Made by `examples/generate_grpc.rs` from `proto/cri.proto`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
#[rustfmt::skip]
#[path = "cri/runtime.v1.rs"]
pub mod v1;

use tonic::{Code, Status, Streaming, transport::Channel};

pub use self::facts::{container_info, sandbox_info, sandbox_of};
use self::v1::{
    ContainerEventResponse, ContainerEventType, ContainerState, ContainerStatusRequest,
    GetEventsRequest, ListContainersRequest, ListPodSandboxRequest, PodSandboxState,
    PodSandboxStatusRequest, VersionRequest, runtime_service_client::RuntimeServiceClient,
};
use super::metadata::ContainerInfo;

/// Answers are small; an evil runtime's are cut here.
pub(super) const ANSWER_BYTES_MAX: usize = 8 << 20;

type Client = RuntimeServiceClient<Channel>;

/// A client. Copies of `client` share one connection.
pub(super) struct Cri {
    client: Client,
}

/// The ids of containers that were made or started.
pub(super) struct Events(Streaming<ContainerEventResponse>);

impl Cri {
    pub(super) fn new(channel: Channel) -> Self {
        let client = RuntimeServiceClient::new(channel);
        Self { client: client.max_decoding_message_size(ANSWER_BYTES_MAX) }
    }

    /// Name and version of the runtime.
    pub(super) async fn version(&self) -> Result<String, Status> {
        let question = VersionRequest { version: String::new() };
        let answer = self.client.clone().version(question).await?.into_inner();
        Ok(format!("{} {}", answer.runtime_name, answer.runtime_version))
    }

    /// The containers and sandboxes that run.
    pub(super) async fn running(&self) -> Result<Vec<String>, Status> {
        let mut client = self.client.clone();
        let containers = client.list_containers(ListContainersRequest {}).await?.into_inner();
        let sandboxes = client.list_pod_sandbox(ListPodSandboxRequest {}).await?.into_inner();
        let containers = containers.containers.into_iter();
        let containers = containers
            .filter(|container| container.state() == ContainerState::ContainerRunning)
            .map(|container| container.id);
        let sandboxes = sandboxes.items.into_iter();
        let sandboxes = sandboxes
            .filter(|sandbox| sandbox.state() == PodSandboxState::SandboxReady)
            .map(|sandbox| sandbox.id);
        Ok(containers.chain(sandboxes).collect())
    }

    /// The events of CRI-O, and of containerd from 1.7 on.
    pub(super) async fn events(&self) -> Result<Events, Status> {
        let stream = self.client.clone().get_container_events(GetEventsRequest {}).await?;
        Ok(Events(stream.into_inner()))
    }

    pub(super) async fn ask(&self, id: &str) -> Result<ContainerInfo, Status> {
        let mut client = self.client.clone();
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
}

impl Events {
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let event = self.0.message().await.ok()??;
            match event.container_event_type() {
                ContainerEventType::ContainerCreatedEvent
                | ContainerEventType::ContainerStartedEvent => return Some(event.container_id),
                ContainerEventType::ContainerStoppedEvent
                | ContainerEventType::ContainerDeletedEvent => {}
            }
        }
    }
}

async fn ask_sandbox(
    client: &mut Client,
    id: &str,
) -> Result<v1::PodSandboxStatusResponse, Status> {
    let question = PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
    Ok(client.pod_sandbox_status(question).await?.into_inner())
}
