//! What is kept of lines that are no alerts.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use lanner_testkit::http::Client;
use serde_json::Value;

use crate::{http::HTTP, rig::Rig};

fn kept(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn bad_lines_are_kept_bounded_with_their_reason_and_without_secrets() {
    let rig = Rig::new().await;
    let dir = rig.dir.path().join("bad/inputs");
    let rest = format!("bad_inputs: {{dir: {}, size_bytes_max: 4096}}\n", dir.display());
    let running = rig.start_with(HTTP, &rest);
    let client = Client::plain(running.http());
    for bad in [&b"\x1b[2J --password=hunter2 \xff"[..], b"{\"rule\":7}"] {
        assert_eq!(client.post("/", bad).await.unwrap().status, 400);
    }
    let newest = dir.join("newest.jsonl");
    let lines = kept(&newest);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["beginning"], "\u{1b}[2J --password=[redacted] \u{FFFD}");
    assert_eq!((&lines[0]["input"], &lines[0]["bytes"]), (&"http".into(), &25.into()));
    assert!(lines[1]["reason"].as_str().unwrap().contains("invalid type: integer `7`"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&newest)), (0o700, 0o600));

    for n in 0..40 {
        let bad = format!("bad line {n} {}", "x".repeat(200));
        assert_eq!(client.post("/", bad).await.unwrap().status, 400);
    }
    let files: Vec<u64> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert!(files.len() == 2 && files.iter().sum::<u64>() <= 4096, "{files:?}");
    let last = kept(&newest).pop().or_else(|| kept(&dir.join("before.jsonl")).pop()).unwrap();
    assert!(last["beginning"].as_str().unwrap().starts_with("bad line 39 "));
    assert_eq!(running.counters.summary().unreadable, 42);
    assert_eq!(running.stop().await, 0);
}
