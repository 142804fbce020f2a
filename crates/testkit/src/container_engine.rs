//! What a sensor sees of Docker or Podman: a socket that says what it was told to say.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{broadcast, watch},
};

#[derive(Debug, Default)]
struct Script {
    answers: Mutex<HashMap<String, String>>,
    asked: Mutex<Vec<String>>,
}

/// Lives as long as this value.
#[derive(Debug)]
pub struct ContainerEngine {
    path: PathBuf,
    script: Arc<Script>,
    /// `None` hangs up on those who follow the events.
    events: broadcast::Sender<Option<Vec<u8>>>,
    followers: watch::Receiver<usize>,
    server: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl ContainerEngine {
    /// Knows nothing yet, but has events.
    ///
    /// # Panics
    /// When no socket can be made.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("make a temporary folder");
        let path = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&path).expect("listen on a socket");
        let script = Arc::new(Script::default());
        let (events, _) = broadcast::channel(16);
        let (count, followers) = watch::channel(0);
        let (served, tell) = (Arc::clone(&script), events.clone());
        let count = Arc::new(count);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, tell) = (Arc::clone(&served), tell.clone());
                tokio::spawn(serve(stream, script, tell, Arc::clone(&count)));
            }
        });
        Self { path, script, events, followers, server, _directory: directory }
    }

    /// Answers `path` with `body`; all else is not found.
    pub fn with(self, path: &str, body: &str) -> Self {
        self.script
            .answers
            .lock()
            .expect("no other thread panicked")
            .insert(path.to_owned(), body.to_owned());
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.script.asked.lock().expect("no other thread panicked").clone()
    }

    /// Sends `bytes` to whoever follows the events, once somebody does.
    pub async fn tell(&self, bytes: &[u8]) {
        self.followers.clone().wait_for(|count| *count > 0).await.expect("it serves");
        self.events.send(Some(bytes.to_vec())).expect("somebody follows");
    }

    /// Ends the stream of events, and waits until nobody follows it.
    pub async fn hang_up(&self) {
        self.events.send(None).expect("somebody follows");
        self.followers.clone().wait_for(|count| *count == 0).await.expect("it serves");
    }
}

impl Drop for ContainerEngine {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    stream: UnixStream,
    script: Arc<Script>,
    events: broadcast::Sender<Option<Vec<u8>>>,
    followers: Arc<watch::Sender<usize>>,
) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        request.push_str(&line);
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    script.asked.lock().expect("no other thread panicked").push(path.to_owned());
    if path.starts_with("/events?") {
        let mut told = events.subscribe();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        followers.send_modify(|count| *count += 1);
        while let Ok(Some(bytes)) = told.recv().await {
            // In two parts, as a network may cut it.
            let (first, second) = bytes.split_at(bytes.len() / 2);
            for part in [first, second] {
                let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
                if stream.write_all(&chunk).await.is_err() {
                    break;
                }
            }
        }
        followers.send_modify(|count| *count -= 1);
        return;
    }
    let answer = script.answers.lock().expect("no other thread panicked").get(path).cloned();
    let (status, body) = match answer {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", r#"{"message":"no such container"}"#.to_owned()),
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}
