//! The server that other tests rely on: really there, really gone, really back.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use lanner_testkit::{NatsServer, eventually};

/// A client of twenty lines: the bus crate alone may use the real one.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &NatsServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut client = Self(BufReader::new(stream));
        let info = client.line();
        assert!(info.starts_with("INFO {"), "{info}");
        client.send("CONNECT {\"verbose\":false}\r\nSUB reply 1\r\n");
        client
    }

    /// One request to JetStream's API and its JSON answer.
    fn request(&mut self, subject: &str, body: &str) -> String {
        self.send(&format!("PUB {subject} reply {}\r\n{body}\r\n", body.len()));
        loop {
            if self.line().starts_with("MSG reply") {
                return self.line();
            }
        }
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn two_servers_do_not_know_each_other() {
    let (one, two) = (NatsServer::start(), NatsServer::start());
    assert_ne!(one.port(), two.port());
    assert_eq!(one.url(), format!("nats://127.0.0.1:{}", one.port()));

    let stream = r#"{"name":"S","subjects":["s.>"]}"#;
    let answer = Client::connect(&one).request("$JS.API.STREAM.CREATE.S", stream);
    assert!(answer.contains("\"did_create\":true"), "{answer}");
    let answer = Client::connect(&two).request("$JS.API.STREAM.INFO.S", "");
    assert!(answer.contains("stream not found"), "{answer}");
}

#[test]
fn a_killed_server_comes_back_with_its_stream() {
    let mut server = NatsServer::start();
    let port = server.port();
    let mut client = Client::connect(&server);
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    let stored = client.request("s.one", "kept");
    assert!(stored.contains("\"seq\":1"), "{stored}");

    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");

    server.restart();
    assert_eq!(server.port(), port);
    let info = Client::connect(&server).request("$JS.API.STREAM.INFO.S", "");
    assert!(info.contains("\"messages\":1"), "{info}");
}

#[test]
fn its_configuration_file_counts() {
    let server = NatsServer::start_with_config("server_name: falcon\nlisten: 0.0.0.0:4222\n");
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).unwrap());
    let mut info = String::new();
    stream.read_line(&mut info).unwrap();
    assert!(info.contains("\"server_name\":\"falcon\""), "{info}");
    assert!(info.contains("\"host\":\"127.0.0.1\""), "listens on loopback only: {info}");
}

#[test]
fn a_dropped_server_is_gone() {
    let server = NatsServer::start();
    let port = server.port();
    drop(server);
    eventually("nobody listens", Duration::from_secs(5), || {
        TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
}

#[test]
#[should_panic(expected = "nats-server ended with")]
fn a_server_that_cannot_start_says_why() {
    NatsServer::start_with_config("this is not { a configuration");
}
