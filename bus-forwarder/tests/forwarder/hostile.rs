//! Who sends without end, slowly, or from everywhere: refused or bounded, and
//! the service goes on.

use std::{fs::OpenOptions, io::Write as _, time::Duration};

use lanner_alert::Priority;
use lanner_testkit::{http::Client, not_run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    http::HTTP,
    rig::{Rig, SOON, falco_line, next_alert},
};

const MEGABYTES: usize = 100;

fn resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_mb_into_the_pipe_costs_itself_alone() {
    let rig = Rig::new().await;
    let bad = rig.dir.path().join("bad");
    let rest = format!("bad_inputs: {{dir: {}}}\n", bad.display());
    let running = rig.start_with(&format!("  pipe: {{path: {}}}\n", rig.pipe().display()), &rest);
    let mut pipe = OpenOptions::new().write(true).open(rig.pipe()).unwrap();
    let before = resident_kilobytes();
    tokio::task::spawn_blocking(move || {
        pipe.write_all(b"{\"rule\":\"").unwrap();
        let megabyte = vec![b'x'; 1 << 20];
        for _ in 0..MEGABYTES {
            pipe.write_all(&megabyte).unwrap();
        }
        let after = falco_line("after it", Priority::Notice);
        pipe.write_all(format!("\"}}\n{after}\n").as_bytes()).unwrap();
    })
    .await
    .unwrap();
    let mut alerts = rig.responder().await.alerts();
    assert_eq!(next_alert(&mut alerts).await.rule, "after it");
    let now = running.counters.summary();
    assert_eq!((now.taken, now.unreadable), ([0, 1, 0, 0], 1));
    let grown = resident_kilobytes().saturating_sub(before);
    // Other tests run beside this one.
    assert!(grown < 60 << 10, "it holds {grown} KiB more");
    let kept = std::fs::read_to_string(bad.join("newest.jsonl")).unwrap();
    let told: serde_json::Value = serde_json::from_str(kept.trim()).unwrap();
    assert_eq!(told["bytes"], (MEGABYTES << 20) + 11);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_before_and_while_it_comes() {
    let rig = Rig::new().await;
    let running = rig.start_with(HTTP, "");
    // Told beforehand: not one byte of it is read.
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", MEGABYTES << 20);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");

    // Not told: it ends soon after the first megabyte.
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < MEGABYTES && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < MEGABYTES / 2, "it took {sent} megabytes");

    let client = Client::plain(running.http());
    let alert = falco_line("after it", Priority::Notice);
    assert_eq!(client.post("/", alert).await.unwrap().status, 200);
    assert_eq!(rig.stored(1).await.len(), 1);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn slowloris_keeps_nobody_out() {
    let rig = Rig::new().await;
    let running = rig.start_with(HTTP, "");
    let address = running.http();
    // More than there is room for, in every state that takes time.
    let slow: Vec<_> = (0..400)
        .map(|n| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                let head: &[u8] = match n % 3 {
                    0 => b"POST / HTTP/1.1\r\n",
                    1 => b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n",
                    _ => b"",
                };
                stream.write_all(head).await?;
                loop {
                    sleep(Duration::from_millis(100)).await;
                    stream.write_all(if n % 3 == 1 { b"x" } else { b"x: y\r\n" }).await?;
                }
                #[expect(unreachable_code, reason = "says of what type the errors above are")]
                std::io::Result::Ok(())
            })
        })
        .collect();
    let client = Client::plain(address);
    let (started, mut served) = (Instant::now(), 0);
    // While they last; whoever is too slow is cut off after 15 s.
    while started.elapsed() < Duration::from_secs(3) {
        let alert = falco_line(&format!("rule {served}"), Priority::Notice);
        let asked = Instant::now();
        assert_eq!(client.post("/", alert).await.unwrap().status, 200);
        assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
        served += 1;
        sleep(Duration::from_millis(50)).await;
    }
    let open = slow.iter().filter(|slow| !slow.is_finished()).count();
    assert!(open > 0 && open <= 256, "{open} of 400 are open");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(rig.stored(served).await.len(), served);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_are_bounded_and_alerts_go_on() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = maximum.unwrap_or(1 << 20).min(1 << 20);
    // An error leaves what there is, and what there is is looked at.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum });
    let limit = getrlimit(Resource::Nofile).current.or(current).unwrap_or(limit);
    let room = usize::try_from(limit).unwrap().saturating_sub(2000);
    let count = room.min(10_000);
    if count < 10_000 {
        not_run("all of 10 000 connections", &format!("{limit} open files allow {count}"));
    }

    let rig = Rig::new().await;
    let running = rig.start_with(&format!("{HTTP}{}", rig.socket_input()), "");
    let mut crowd = Vec::new();
    for n in 0..count {
        crowd.push(TcpStream::connect(running.http()).await.unwrap());
        if n % 1000 == 999 {
            let alert = falco_line(&format!("among {n}"), Priority::Notice);
            let answer = Client::plain(running.http()).post("/", alert).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    }
    // Another input does not notice.
    let mut sensor = rig.sensor().await;
    sensor.send(crate::rig::alert("from the sensor", Priority::Notice)).await;
    sensor.acknowledged().await;
    let open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
        // Ours, and what other tests in this process have.
        files.saturating_sub(crowd.len())
    };
    let deadline = Instant::now() + SOON;
    while open() > 256 + 700 {
        assert!(Instant::now() < deadline, "it holds {} files", open());
        sleep(Duration::from_millis(20)).await;
    }
    let stored = rig.stored(count / 1000 + 1).await;
    assert!(stored.contains_key("from the sensor"));
    drop(crowd);
    assert_eq!(running.stop().await, 0);
}
