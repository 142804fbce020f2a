//! Docker's HTTP interface on a Unix socket, which Podman speaks as well.
//!
//! ```text
//! GET /containers/ID/json ─▶ GET /images/ID/json ─▶ ContainerInfo
//! GET /events ─▶ one JSON object a line, as long as the connection lasts
//! ```
//!
//! No version is in the paths: both engines then speak their own.

mod facts;

use std::{path::Path, sync::Arc};

use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

pub use self::facts::container_info;
use super::{cri::ANSWER_BYTES_MAX, metadata::ContainerInfo, runtimes::Problem};

/// Longest line of the event stream; Docker's are of some hundred bytes and the labels.
const LINE_BYTES_MAX: usize = 1 << 20;

/// `{"type":["container"],"event":["create","start"]}`
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%5D%7D";

/// A client; each question has a connection of its own.
pub(super) struct Docker {
    socket: Arc<Path>,
}

/// The ids of containers that were made or started.
pub(super) struct Events {
    body: Incoming,
    line: Vec<u8>,
    _connection: AbortOnDropHandle<()>,
}

impl Docker {
    pub(super) fn new(socket: &Arc<Path>) -> Self {
        Self { socket: Arc::clone(socket) }
    }

    /// Name and version of the engine.
    pub(super) async fn version(&self) -> Result<String, Problem> {
        let answer = self.get("/version").await?.unwrap_or_default();
        let version = answer.get("Version").and_then(Value::as_str).unwrap_or_default();
        // Docker's engine is called so; Podman's has its own name.
        let name = answer.pointer("/Components/0/Name").and_then(Value::as_str);
        let name = match name {
            Some("Engine") | None => "docker",
            Some(_) => "podman",
        };
        Ok(format!("{name} {version}"))
    }

    pub(super) async fn running(&self) -> Result<Vec<String>, Problem> {
        let list = self.get("/containers/json").await?.unwrap_or_default();
        let id = |container: &Value| Some(container.get("Id")?.as_str()?.to_owned());
        Ok(list.as_array().into_iter().flatten().filter_map(id).collect())
    }

    /// `None` when it does not know the container.
    pub(super) async fn ask(&self, id: &str) -> Result<Option<ContainerInfo>, Problem> {
        // An id is part of a path: nothing that is none may be sent.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        if id.is_empty() || id.starts_with('.') || !id.bytes().all(is_plain) {
            return Ok(None);
        }
        let Some(container) = self.get(&format!("/containers/{id}/json")).await? else {
            return Ok(None);
        };
        let image = container.get("Image").and_then(Value::as_str).unwrap_or_default();
        let image = match !image.is_empty() && image.bytes().all(is_plain) {
            true => self.get(&format!("/images/{image}/json")).await?,
            false => None,
        };
        Ok(Some(container_info(&container, &image.unwrap_or_default())))
    }

    pub(super) async fn events(&self) -> Result<Events, Problem> {
        let (status, body, connection) = self.send(EVENTS).await?;
        match status {
            StatusCode::OK => Ok(Events { body, line: Vec::new(), _connection: connection }),
            StatusCode::NOT_FOUND => Err(Problem::Unsupported),
            status => Err(Problem::Failed(format!("events: {status}"))),
        }
    }

    /// `None` for what is not found.
    async fn get(&self, path: &str) -> Result<Option<Value>, Problem> {
        let (status, body, _connection) = self.send(path).await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(Problem::Failed(status.to_string())),
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Problem::Failed(error.to_string()))?.to_bytes();
        serde_json::from_slice(&body).map(Some).map_err(failed)
    }

    async fn send(
        &self,
        path: &str,
    ) -> Result<(StatusCode, Incoming, AbortOnDropHandle<()>), Problem> {
        let stream = UnixStream::connect(&self.socket).await.map_err(failed)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever reads the answer sees its end.
            let _ = connection.await;
        }));
        let request = Request::get(path).header(HOST, "runtime").body(Empty::<Bytes>::new());
        let request = request.map_err(failed)?;
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        Ok((head.status, body, connection))
    }
}

impl Events {
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                if let Some(id) = started(&line) {
                    return Some(id);
                }
            }
            if self.line.len() > LINE_BYTES_MAX {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Some(data) = frame.data_ref() {
                self.line.extend_from_slice(data);
            }
        }
    }
}

/// The container of an event, if it begins there. Older engines do not know the filter.
fn started(line: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(line).ok()?;
    let is_container = event.get("Type")?.as_str()? == "container";
    let begins = matches!(event.get("Action")?.as_str()?, "create" | "start");
    let id = event.pointer("/Actor/ID")?.as_str()?;
    (is_container && begins).then(|| id.to_owned())
}

fn failed(error: impl std::error::Error) -> Problem {
    Problem::Failed(error.to_string())
}
