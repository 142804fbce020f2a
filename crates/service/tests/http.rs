//! The HTTP server, with real sockets and certificates: what a slow, a large, a
//! crowding and an unknown peer get.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use lanner_service::{
    CancellationToken, config,
    http::{HttpConfig, HttpCounters, HttpLimits, HttpServer},
};
use lanner_testkit::http::{Authority, Client};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

const SOON: Duration = Duration::from_secs(20);
const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn limits() -> HttpLimits {
    HttpLimits {
        handshake_max: Duration::from_millis(300),
        head_max: Duration::from_millis(300),
        request_max: Duration::from_millis(300),
        body_bytes_max: 1000,
        ..HttpLimits::default()
    }
}

struct Running {
    address: SocketAddr,
    counters: Arc<HttpCounters>,
    /// `/wait` was asked.
    asked: Arc<Notify>,
    /// Lets `/wait` answer.
    go_on: Arc<Notify>,
    stop: CancellationToken,
    done: JoinHandle<()>,
}

fn start(yaml: &str, limits: HttpLimits) -> Running {
    let config: HttpConfig = config::parse(yaml, Path::new("x.yaml")).unwrap();
    let server = HttpServer::bind(&config, LOOPBACK, limits).unwrap();
    let (address, counters) = (server.local_address().unwrap(), server.counters());
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asking, waiting) = (asked.clone(), go_on.clone());
    let wait = async move || {
        asking.notify_one();
        waiting.notified().await;
    };
    let stop = CancellationToken::new();
    let router = Router::new()
        .route("/ping", get(async || "pong"))
        .route("/len", post(async |body: Bytes| body.len().to_string()))
        .route("/wait", get(wait));
    let done = tokio::spawn(server.run(router, stop.clone()));
    Running { address, counters, asked, go_on, stop, done }
}

/// Sends `bytes` and reads until the server closes; gives what it said, and
/// when it closed.
async fn talk(address: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    until_closed(stream).await
}

async fn until_closed(mut stream: TcpStream) -> (String, Duration) {
    let (started, mut answer) = (Instant::now(), Vec::new());
    // A reset is as good as an end.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it stays open");
    (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
}

#[tokio::test]
async fn a_request_is_answered() {
    let running = start("{}", limits());
    let client = Client::plain(running.address);
    let answer = client.get("/ping").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "pong"));
    assert_eq!(client.get("/nothing").await.unwrap().status, 404);
    assert_eq!(client.get("/len").await.unwrap().status, 405);
}

#[tokio::test]
async fn who_is_slow_is_closed_in_whatever_part() {
    let running = start("{}", limits());
    for (sent, said) in [
        ("", ""),
        ("GET /pi", ""),
        ("GET /ping HTTP/1.1\r\nhost: x\r\nx-slow: ", ""),
        ("POST /len HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1234", "HTTP/1.1 408 "),
        // Kept alive, and then nothing.
        ("GET /ping HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let (answer, took) = talk(running.address, sent.as_bytes()).await;
        assert!(answer.starts_with(said), "{sent:?}: {answer:?}");
        assert!(took >= Duration::from_millis(200), "{sent:?}: after {took:?}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_by_time_and_by_size() {
    let running = start("{}", limits());
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /ping HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        loop {
            if stream.write_all(b"x: y\r\n").await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, drip).await.expect("it reads on and on");

    let long = format!("GET /ping HTTP/1.1\r\nx: {}", "y".repeat(1 << 20));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // It may be closed while we still write.
    let _ = stream.write_all(long.as_bytes()).await;
    until_closed(stream).await;
    assert_eq!(Client::plain(running.address).get("/ping").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_is_bounded_whether_its_length_is_told_or_not() {
    let running = start("{}", limits());
    let client = Client::plain(running.address);
    assert_eq!(client.post("/len", vec![b'x'; 1000]).await.unwrap().body, "1000");
    assert_eq!(client.post("/len", vec![b'x'; 1001]).await.unwrap().status, 413);
    let told = "POST /len HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\n";
    assert!(talk(running.address, told.as_bytes()).await.0.starts_with("HTTP/1.1 413 "));
    let mut chunked =
        "POST /len HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..3 {
        chunked += &format!("190\r\n{}\r\n", "x".repeat(400));
    }
    let (answer, _) = talk(running.address, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
}

#[tokio::test]
async fn who_crowds_makes_room_for_who_asks() {
    let patient = Duration::from_secs(600);
    let limits = HttpLimits { connections_max: 8, head_max: patient, ..limits() };
    let running = start("{}", limits);
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(running.address).await.unwrap());
    }
    assert_eq!(Client::plain(running.address).get("/ping").await.unwrap().body, "pong");
    let summary = running.counters.summary();
    assert_eq!((summary.connections, summary.made_room), (101, 93));
    for gone in crowd.drain(..93) {
        assert_eq!(until_closed(gone).await.0, "");
    }
    // Those that came last are still there, all but the one that the answer took the place of.
    let mut newest = crowd.pop().unwrap();
    newest.write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(newest).await.0.ends_with("pong"));
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_waits_for_nobody_else() {
    let patient = Duration::from_secs(600);
    let limits = HttpLimits { head_max: patient, request_max: patient, ..limits() };
    let running = start("{}", limits);
    let idle = TcpStream::connect(running.address).await.unwrap();
    let client = Client::plain(running.address);
    let under_way = tokio::spawn(async move { client.get("/wait").await });
    timeout(SOON, running.asked.notified()).await.unwrap();
    running.stop.cancel();
    until_closed(idle).await;
    assert!(!under_way.is_finished());
    running.go_on.notify_one();
    assert_eq!(under_way.await.unwrap().unwrap().status, 200);
    timeout(SOON, running.done).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "it still listens");
}

fn tls_yaml(dir: &Path, server: &str, client_ca: bool) -> String {
    let client_ca = if client_ca {
        format!(", client_ca_file: {}", dir.join("ca.crt").display())
    } else {
        String::new()
    };
    format!(
        "tls: {{cert_file: {0}/{server}.crt, key_file: {0}/{server}.key{client_ca}}}\n",
        dir.display()
    )
}

#[tokio::test]
async fn mutual_tls_lets_in_whom_the_authority_knows() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, others) = (dir.path().join("ours"), dir.path().join("others"));
    let (authority, foreign) =
        (Authority::create(&ours).unwrap(), Authority::create(&others).unwrap());
    authority.issue("server").unwrap();
    let client = authority.issue("client").unwrap();
    let stranger = foreign.issue("client").unwrap();
    let running = start(&tls_yaml(&ours, "server", true), limits());
    let connect = |ca: &Authority, own| Client::tls(running.address, &ca.ca_file(), own).unwrap();

    assert_eq!(connect(&authority, Some(&client)).get("/ping").await.unwrap().body, "pong");
    for refused in [connect(&authority, None), connect(&authority, Some(&stranger))] {
        assert!(refused.get("/ping").await.is_err());
    }
    let _: io::Error = connect(&foreign, Some(&client)).get("/ping").await.unwrap_err();
    assert!(Client::plain(running.address).get("/ping").await.is_err());
    // A peer that never begins its handshake.
    talk(running.address, b"").await;
    assert_eq!(running.counters.summary().handshakes_failed, 5);
    assert_eq!(connect(&authority, Some(&client)).get("/ping").await.unwrap().body, "pong");
}

#[tokio::test]
async fn new_certificates_are_taken_and_bad_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path()).unwrap();
    let server = authority.issue("server").unwrap();
    let running = start(&tls_yaml(dir.path(), "server", false), limits());
    let trusting = |authority: &Authority| {
        let ca_file = authority.ca_file();
        Client::tls(running.address, &ca_file, None).unwrap()
    };
    let before = trusting(&authority);
    assert_eq!(before.get("/ping").await.unwrap().body, "pong");

    // Another authority's, written into the same files.
    let next_dir = dir.path().join("next");
    let next = Authority::create(&next_dir).unwrap();
    let fresh = next.issue("server").unwrap();
    fs::copy(&fresh.cert_file, &server.cert_file).unwrap();
    // The key is not there yet: the old pair goes on.
    assert_eq!(before.get("/ping").await.unwrap().body, "pong");
    fs::copy(&fresh.key_file, &server.key_file).unwrap();
    assert_eq!(trusting(&next).get("/ping").await.unwrap().body, "pong");
    assert!(before.get("/ping").await.is_err(), "the old certificate is still shown");

    fs::write(&server.cert_file, "garbage").unwrap();
    assert_eq!(trusting(&next).get("/ping").await.unwrap().body, "pong");
}

#[track_caller]
fn check_refused(yaml: &str, expected: &str) {
    let config: HttpConfig = config::parse(yaml, Path::new("x.yaml")).unwrap();
    let error = config.check(LOOPBACK).unwrap_err();
    let told = lanner_service::Chain(&error).to_string();
    assert!(told.contains(expected), "{told:?} does not tell {expected:?}");
}

#[test]
fn what_cannot_work_is_told_with_its_key() {
    check_refused("listen: 0.0.0.0:2801", "set tls, or allow_plain_text: true");
    check_refused("listen: '[::]:2801'", "would be without TLS");
    check_refused("tls: {cert_file: /no/x.crt, key_file: /no/x.key}", "tls.cert_file: cannot read");

    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path()).unwrap();
    let pair = authority.issue("server").unwrap();
    let other = authority.issue("other").unwrap();
    let yaml = tls_yaml(dir.path(), "server", true);
    let config: HttpConfig = config::parse(&yaml, Path::new("x.yaml")).unwrap();
    assert!(config.check(LOOPBACK).is_ok() && !config.is_open(LOOPBACK));

    for mode in [0o644, 0o660, 0o604] {
        fs::set_permissions(&pair.key_file, fs::Permissions::from_mode(mode)).unwrap();
        check_refused(&yaml, &format!("can be read or changed by others (mode {mode:04o})"));
    }
    fs::set_permissions(&pair.key_file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(&other.key_file, &pair.key_file).unwrap();
    check_refused(&yaml, "do not fit together");
    fs::write(&pair.key_file, "garbage").unwrap();
    check_refused(&yaml, "holds no key in PEM form");
}

#[test]
fn plain_text_beyond_loopback_takes_its_own_word() {
    let parse = |yaml: &str| -> HttpConfig { config::parse(yaml, Path::new("x.yaml")).unwrap() };
    let open = parse("{listen: '0.0.0.0:2801', allow_plain_text: true}");
    assert!(open.check(LOOPBACK).is_ok() && open.is_open(LOOPBACK));
    let mapped = parse("listen: '[::ffff:127.0.0.1]:2801'");
    assert!(mapped.check(LOOPBACK).is_ok() && !mapped.is_open(LOOPBACK));
}
