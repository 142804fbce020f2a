//! containerd's own services: its events, and containers that no kubelet made (`ctr`,
//! nerdctl).
//!
//! ```text
//! Events/Subscribe ─▶ a task is made or started ─▶ its container's id
//! id ─▶ Containers/Get in each namespace ─▶ Images/Get, Tasks/Get ─▶ ContainerInfo
//! ```

mod facts;

/// Made by `examples/generate_grpc.rs` from `proto/containerd`.
#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated"
)]
#[rustfmt::skip]
pub mod v1 {
    #[path = "containerd.services.containers.v1.rs"]
    pub mod containers;
    #[path = "containerd.services.events.v1.rs"]
    pub mod events;
    #[path = "containerd.services.images.v1.rs"]
    pub mod images;
    #[path = "containerd.services.namespaces.v1.rs"]
    pub mod namespaces;
    #[path = "containerd.services.tasks.v1.rs"]
    pub mod tasks;
}

use prost::Message as _;
use tonic::{Code, Request, Status, Streaming, metadata::MetadataValue, transport::Channel};

pub use self::facts::container_info;
use self::v1::{
    containers::{GetContainerRequest, containers_client::ContainersClient},
    events::{Envelope, OfTask, SubscribeRequest, events_client::EventsClient},
    images::{GetImageRequest, images_client::ImagesClient},
    namespaces::{ListNamespacesRequest, namespaces_client::NamespacesClient},
    tasks::{GetRequest, ListTasksRequest, tasks_client::TasksClient},
};
use super::{cri::ANSWER_BYTES_MAX, metadata::ContainerInfo, runtimes::Problem};

/// Docker keeps its containers here, and knows more of them itself.
const OF_DOCKER: &str = "moby";

/// Most namespaces that are looked into.
const NAMESPACES_MAX: usize = 32;

/// A task is there before its first process runs the container's program, and has a
/// process id and a time once it is started.
const TOPICS: [&str; 2] = ["/tasks/create", "/tasks/start"];

/// A client. Copies of the channel share one connection.
pub(super) struct Containerd {
    channel: Channel,
}

/// The ids of containers whose task was made or started.
pub(super) struct Events(Streaming<Envelope>);

impl Containerd {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Says that it is there; it tells no version here.
    pub(super) async fn version(&self) -> Result<String, Problem> {
        self.namespaces().await?;
        Ok("containerd".to_owned())
    }

    pub(super) async fn events(&self) -> Result<Events, Status> {
        let filters = TOPICS.iter().map(|topic| format!("topic==\"{topic}\"")).collect();
        let mut client = EventsClient::new(self.channel.clone());
        Ok(Events(client.subscribe(SubscribeRequest { filters }).await?.into_inner()))
    }

    /// The containers that run, but for those of Docker.
    pub(super) async fn running(&self) -> Result<Vec<String>, Status> {
        let mut ids = Vec::new();
        for namespace in self.namespaces().await? {
            let mut client =
                TasksClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
            let list = client.list(within(&namespace, ListTasksRequest {})?).await?.into_inner();
            ids.extend(list.tasks.into_iter().map(|task| match task.container_id.is_empty() {
                true => task.id,
                false => task.container_id,
            }));
        }
        Ok(ids)
    }

    pub(super) async fn ask(&self, id: &str) -> Result<ContainerInfo, Status> {
        for namespace in self.namespaces().await? {
            match self.ask_within(&namespace, id).await {
                Err(status) if status.code() == Code::NotFound => {}
                answer => return answer,
            }
        }
        Err(Status::not_found("in no namespace"))
    }

    async fn ask_within(&self, namespace: &str, id: &str) -> Result<ContainerInfo, Status> {
        let mut containers =
            ContainersClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let question = within(namespace, GetContainerRequest { id: id.to_owned() })?;
        let answer = containers.get(question).await?.into_inner();
        let container = answer.container.ok_or_else(|| Status::not_found("no container"))?;

        // One that was made and not started has no task, and an image may be gone.
        let mut tasks = TasksClient::new(self.channel.clone());
        let question = within(namespace, GetRequest { container_id: id.to_owned() })?;
        let task = tasks.get(question).await.ok().and_then(|answer| answer.into_inner().process);
        let mut images = ImagesClient::new(self.channel.clone());
        let question = within(namespace, GetImageRequest { name: container.image.clone() })?;
        let image = images.get(question).await.ok().and_then(|answer| answer.into_inner().image);
        let digest = image.and_then(|image| image.target).map(|target| target.digest);
        Ok(container_info(&container, digest, task.map(|task| task.pid)))
    }

    async fn namespaces(&self) -> Result<Vec<String>, Status> {
        let mut client = NamespacesClient::new(self.channel.clone());
        let list = client.list(ListNamespacesRequest {}).await?.into_inner().namespaces;
        let names = list.into_iter().map(|namespace| namespace.name);
        Ok(names.filter(|name| name != OF_DOCKER).take(NAMESPACES_MAX).collect())
    }
}

impl Events {
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let envelope = self.0.message().await.ok()??;
            if envelope.namespace == OF_DOCKER || !TOPICS.contains(&envelope.topic.as_str()) {
                continue;
            }
            let packed = envelope.event.unwrap_or_default();
            match OfTask::decode(packed.value.as_slice()) {
                Ok(task) if !task.container_id.is_empty() => return Some(task.container_id),
                _ => {}
            }
        }
    }
}

/// All but the events are of one namespace, named beside the question.
fn within<T>(namespace: &str, question: T) -> Result<Request<T>, Status> {
    let name = MetadataValue::try_from(namespace)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let mut request = Request::new(question);
    request.metadata_mut().insert("containerd-namespace", name);
    Ok(request)
}
