//! A real containerd with a directory of its own, and containers that `ctr` makes.
//! Needs root, `containerd`, `ctr`, `runc` and a static `busybox`.

#[path = "support/containerd.rs"]
mod containerd;

use std::time::Duration;

use lanner_sensor::enrich::{
    container::Runtime,
    metadata::Answer,
    runtimes::{self, Api, Socket},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::containerd::Containerd;

const DEADLINE: Duration = Duration::from_secs(30);

async fn next(answers: &mut mpsc::Receiver<Answer>) -> Answer {
    tokio::time::timeout(DEADLINE, answers.recv()).await.expect("in time").expect("an answer")
}

#[tokio::test]
async fn containers_of_ctr() {
    let Some(containerd) = Containerd::start("containers_of_ctr") else { return };
    containerd.run("before");

    let socket = Socket { api: Api::Grpc, path: containerd.socket().into() };
    let spoken = runtimes::examine(&socket).await.unwrap();
    assert!(spoken.version.starts_with("containerd"), "{spoken:?}");
    assert!(spoken.has_events);

    let (requests, asked) = mpsc::channel(16);
    let (answered, mut answers) = mpsc::channel(16);
    let stop = CancellationToken::new();
    tokio::spawn(runtimes::run(vec![socket], asked, answered, stop.clone()));

    // It ran already.
    let (id, info) = next(&mut answers).await;
    assert_eq!(id, "before");
    let info = info.unwrap();
    assert_eq!(info.name.as_deref(), Some("before"));
    assert_eq!(info.runtime, Some(Runtime::Containerd));
    assert_eq!(info.privileged, Some(false));
    assert_eq!(info.labels["app"], "shop");
    assert_eq!(info.shares.pid, Some(false));
    assert_eq!(info.pid, Some(containerd.pid_of("before")));
    let etc = info.mounts.iter().find(|mount| mount.source == "/etc").unwrap();
    assert_eq!((etc.destination.as_str(), etc.writable), ("/host/etc", false));

    // It starts, and containerd tells of it: when its task is made, and when that runs.
    containerd.run("after");
    let mut pid = None;
    while pid.is_none() {
        let (id, info) = next(&mut answers).await;
        assert_eq!(id, "after");
        pid = info.unwrap().pid;
    }
    assert_eq!(pid, Some(containerd.pid_of("after")));

    requests.send("nobody".to_owned()).await.unwrap();
    loop {
        let (id, info) = next(&mut answers).await;
        if id == "nobody" {
            assert_eq!(info, None);
            break;
        }
    }
    stop.cancel();
}
