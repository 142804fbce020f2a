//! A runtime behind a socket of its own, which speaks gRPC and says what it was told to say.

use std::{
    collections::HashMap,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::UnixListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

type Frames = mpsc::Receiver<Result<Frame<Bytes>, Infallible>>;
type Body = BoxBody<Bytes, Infallible>;

/// What it answers, by the method's path; it does not offer any other.
#[derive(Default)]
pub(crate) struct Script {
    answers: HashMap<&'static str, Vec<u8>>,
    /// A method whose answers come one by one.
    stream: Option<(&'static str, tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>)>,
}

/// Lives as long as this value.
pub(crate) struct Runtime {
    path: PathBuf,
    server: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Script {
    pub(crate) fn with(mut self, method: &'static str, answer: &impl Message) -> Self {
        self.answers.insert(method, answer.encode_to_vec());
        self
    }

    /// Whoever asks `method` first gets what is sent.
    pub(crate) fn with_stream(mut self, method: &'static str) -> (Self, mpsc::Sender<Vec<u8>>) {
        let (tell, told) = mpsc::channel(16);
        self.stream = Some((method, tokio::sync::Mutex::new(told)));
        (self, tell)
    }
}

impl Runtime {
    pub(crate) fn start(script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runtime.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let script = Arc::new(script);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&script);
                let answer = service_fn(move |request| answer(request, Arc::clone(&script)));
                let server = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { path, server, _directory: directory }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().to_owned();
    let (frames, body) = mpsc::channel(16);
    if script.stream.as_ref().is_some_and(|(name, _)| *name == method) {
        let script = Arc::clone(&script);
        tokio::spawn(async move {
            let Some((_, told)) = &script.stream else { return };
            let mut told = told.lock().await;
            while let Some(message) = told.recv().await {
                if frames.send(Ok(Frame::data(framed(&message)))).await.is_err() {
                    return;
                }
            }
        });
        return Ok(response(body, None));
    }
    let Some(message) = script.answers.get(method.as_str()) else {
        // 12: UNIMPLEMENTED
        return Ok(response(body, Some("12")));
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    frames.send(Ok(Frame::data(framed(message)))).await.unwrap();
    frames.send(Ok(Frame::trailers(trailers))).await.unwrap();
    Ok(response(body, None))
}

fn response(body: Frames, status: Option<&str>) -> Response<Body> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    if let Some(status) = status {
        response = response.header("grpc-status", status);
    }
    response.body(StreamBody::new(ReceiverStream::new(body)).boxed()).unwrap()
}

/// Not compressed, its length, the message.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}
