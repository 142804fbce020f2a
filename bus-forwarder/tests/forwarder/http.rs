//! The HTTP input as Falco and Falcosidekick's users know it.

use std::{fs, net::SocketAddr, path::Path};

use lanner_alert::Priority;
use lanner_testkit::http::{Authority, Client};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    rig::{NODE, Rig, SOON, falco_line, next_alert},
    spool::SmallDisk,
};

pub(crate) const HTTP: &str = "  http: {listen: '127.0.0.1:0'}\n";

/// What Falco's `http_output` sends by libcurl, `compress_uploads` on: that asks
/// for a compressed answer.
fn as_falco(address: SocketAddr, content_type: &str, body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: falcosecurity/falco\r\nAccept: */*\r\n\
         TE: gzip\r\nConnection: TE\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn status(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = timeout(SOON, stream.read_u8()).await.expect("no answer").expect("it closed");
        answer.push(byte);
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn falco_posts_one_alert_after_another_on_one_connection() {
    let rig = Rig::new().await;
    let running = rig.start_with(HTTP, "");
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    for (content_type, body) in [
        ("application/json", falco_line("first", Priority::Notice)),
        ("text/plain", "15:30:59.726060287: Critical Shell (user=root)\n".to_owned()),
    ] {
        let request = as_falco(running.http(), content_type, &body);
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, "HTTP/1.1 200 OK");
    }
    let mut alerts = rig.responder().await.alerts();
    let mut first = next_alert(&mut alerts).await;
    let mut second = next_alert(&mut alerts).await;
    if first.priority != Priority::Notice {
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!((first.rule.as_str(), first.node.as_str()), ("first", NODE));
    assert_eq!((second.rule.as_str(), second.hostname.as_str()), ("Falco text", NODE));
    assert_eq!(second.output, "15:30:59.726060287: Critical Shell (user=root)");
    assert_eq!(running.counters.summary().taken, [0, 0, 0, 2]);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn it_answers_as_falcosidekick_does() {
    let rig = Rig::new().await;
    let running = rig.start_with(HTTP, "");
    let client = Client::plain(running.http());
    let ping = client.get("/ping").await.unwrap();
    assert_eq!((ping.status.as_u16(), ping.body.as_str()), (200, "pong\n"));
    let health = client.get("/healthz").await.unwrap();
    assert_eq!((health.status.as_u16(), health.body.as_str()), (200, r#"{"status": "ok"}"#));
    assert_eq!(health.headers["content-type"], "application/json");
    assert_eq!(client.get("/").await.unwrap().status, 405);

    for bad in ["", "{}", "{garbage", "[1, 2]", "hello", r#"{"rule":"r"}"#] {
        let answer = client.post("/", bad).await.unwrap();
        let expected = (400, "Please send a valid request body\n");
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), expected, "{bad:?}");
    }
    let alert = |rule| falco_line(rule, Priority::Notice);
    let lines = format!("{}\ngarbage\n{}\n", alert("line 1"), alert("line 2"));
    let list = format!("[{},{}]", alert("listed 1"), alert("listed 2"));
    let pretty: serde_json::Value = serde_json::from_str(&alert("pretty")).unwrap();
    for body in [lines, list, format!("{pretty:#}")] {
        assert_eq!(client.post("/", body).await.unwrap().status, 200);
    }
    assert_eq!(client.post("/test", "").await.unwrap().status, 200);

    let stored = rig.stored(6).await;
    let rules: Vec<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(rules, ["Test rule", "line 1", "line 2", "listed 1", "listed 2", "pretty"]);
    let now = running.counters.summary();
    assert_eq!((now.taken[3], now.unreadable), (6, 7));
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn a_full_disk_is_503_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(512 << 10) else { return };
    let rig = Rig::new().await;
    let spool = disk.0.path().join("spool");
    let running = rig.start_with(HTTP, &format!("spool: {{dir: {}}}\n", spool.display()));
    let client = Client::plain(running.http());
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![0; 512 << 10]).unwrap_err();
    let long = falco_line(&"long ".repeat(3000), Priority::Notice);
    let refused = client.post("/", long.clone()).await.unwrap();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(client.get("/healthz").await.unwrap().status, 503);

    fs::remove_file(&filler).unwrap();
    assert_eq!(client.post("/", long).await.unwrap().status, 200);
    assert_eq!(client.get("/healthz").await.unwrap().status, 200);
    assert_eq!(rig.stored(1).await.len(), 1);
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_send_alerts() {
    let rig = Rig::new().await;
    let (ours, others) = (rig.dir.path().join("ours"), rig.dir.path().join("others"));
    let (authority, foreign) =
        (Authority::create(&ours).unwrap(), Authority::create(&others).unwrap());
    let server = authority.issue("server").unwrap();
    let (falco, stranger) = (authority.issue("falco").unwrap(), foreign.issue("falco").unwrap());
    let tls = |path: &Path| path.display().to_string();
    let inputs = format!(
        "  http:\n    listen: '127.0.0.1:0'\n    tls: {{cert_file: {}, key_file: {}, client_ca_file: {}}}\n",
        tls(&server.cert_file),
        tls(&server.key_file),
        tls(&authority.ca_file())
    );
    let running = rig.start_with(&inputs, "");
    let connect = |own| Client::tls(running.http(), &authority.ca_file(), own).unwrap();
    let alert = |rule| falco_line(rule, Priority::Notice);
    for refused in [connect(None), connect(Some(&stranger)), Client::plain(running.http())] {
        assert!(refused.post("/", alert("forged")).await.is_err());
    }
    assert_eq!(connect(Some(&falco)).post("/", alert("true")).await.unwrap().status, 200);
    assert_eq!(rig.stored(1).await.into_keys().collect::<Vec<_>>(), ["true"]);
    assert_eq!(running.stop().await, 0);
}
