//! A container that runs when the sensor starts has one event, as those that start later.

#[path = "support/record.rs"]
mod record;

use std::{fs, path::Path, sync::Arc, time::Duration};

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::decode,
    enrich::{
        Enricher, Node,
        metadata::Containers,
        procfs::Procfs,
        runtimes::{self, Api, Socket},
    },
    event::SyscallEvent,
};
use lanner_testkit::container_engine::ContainerEngine;
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::record::{EXEC, Head, exec_payload, record};

const OLDER: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";
const NEWER: &str = "e1e1e1d3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";
const DEADLINE: Duration = Duration::from_secs(20);

/// `/proc` shows two processes of the container, the later one first.
fn processes(proc: &Path) {
    for (pid, name, start_ticks) in [(60, "worker", 900), (70, "cart", 500)] {
        let folder = proc.join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let zeros = "0 ".repeat(13);
        let stat = format!("{pid} ({name}) S 1 1 1 0 0 {zeros}{start_ticks} 0\n");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("status"), format!("NStgid:\t{pid}\t1\n")).unwrap();
        fs::write(folder.join("cgroup"), format!("0::/docker/{OLDER}\n")).unwrap();
    }
}

fn container(id: &str, pid: u32) -> String {
    let config = json!({"Image": "shop/cart:1"});
    json!({"Id": id, "Name": "/cart", "Config": config, "State": {"Pid": pid}}).to_string()
}

fn exec_in(enricher: &mut Enricher, id: &str, tgid: u32) {
    let cgroup = format!("\x01{id}\0docker\0");
    let payload = exec_payload(b"\x01sh\0", b"\x01", cgroup.as_bytes(), b"sh\0", b"");
    let cgroup_id = u64::from(tgid);
    let head = Head { tgid, cgroup_id, start_ns: 9_000_000_000, ..Head::default() };
    enricher.take(decode(&record(&head, EXEC, 1, &payload)).unwrap(), |_| true);
}

fn text(event: &SyscallEvent, field: Field) -> String {
    match event.get(field, None) {
        Some(Value::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_container_that_was_there_before_us_starts_once() {
    let proc = tempfile::tempdir().unwrap();
    processes(proc.path());
    let engine = ContainerEngine::start()
        .with("/containers/json", &json!([{"Id": OLDER}]).to_string())
        .with(&format!("/containers/{OLDER}/json"), &container(OLDER, 70))
        .with(&format!("/containers/{NEWER}/json"), &container(NEWER, 80));
    let (requests, asked) = mpsc::channel(16);
    let (answered, mut answers) = mpsc::channel(16);
    let node = Node::new("n", Procfs::new(proc.path()), Containers::new(Some(requests)));
    let node = Arc::new(node);
    let mut enricher = Enricher::new(Arc::clone(&node));
    node.add_running().unwrap();
    let socket = Socket { api: Api::Http, path: engine.path().into() };
    tokio::spawn(runtimes::run(vec![socket], asked, answered, CancellationToken::new()));

    let mut started = Vec::new();
    // The runtime lists it, and knows it when it is asked, too.
    for _ in 0..2 {
        exec_in(&mut enricher, OLDER, 71);
        let (id, info) = timeout(DEADLINE, answers.recv()).await.unwrap().unwrap();
        assert_eq!((id.as_str(), info.as_ref().unwrap().pid), (OLDER, Some(70)));
        node.answer((id, info));
        started.extend(enricher.take_starts());
    }
    exec_in(&mut enricher, OLDER, 72);
    exec_in(&mut enricher, NEWER, 80);
    let (id, info) = timeout(DEADLINE, answers.recv()).await.unwrap().unwrap();
    assert_eq!(id, NEWER);
    node.answer((id, info));
    started.extend(enricher.take_starts());

    let ids: Vec<_> = started.iter().map(|event| text(event, Field::ContainerFullId)).collect();
    assert_eq!(ids, [OLDER, NEWER]);
    assert_eq!(started[0].event_type(), "container");
    assert_eq!(text(&started[0], Field::ProcName), "cart");
    assert_eq!(text(&started[0], Field::ContainerImageRepository), "shop/cart");
}
