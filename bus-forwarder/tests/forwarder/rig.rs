//! A bus, a forwarder on it, and a sensor's side of its socket.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use lanner_alert::frame::{Decoder, Frame};
use lanner_alert::{Alert, AlertId, FalcoInput, Priority, frame};
use lanner_bus::{Connection, Consumer, Identity, layout::Layout};
use lanner_bus_forwarder::{Config, Counters, Forwarder, Spool, Summary};
use lanner_service::CancellationToken;
use lanner_testkit::{SecuredBus, eventually_async};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinHandle,
    time::timeout,
};

pub(crate) const NODE: &str = "n1.test";
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) bus: SecuredBus,
    pub(crate) dir: TempDir,
}

pub(crate) struct Running {
    pub(crate) counters: Arc<Counters>,
    /// Where it serves metrics, if it does.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) spool: Arc<Spool>,
    http: Option<SocketAddr>,
    stop: CancellationToken,
    done: JoinHandle<anyhow::Result<u64>>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self { bus: SecuredBus::start(&[NODE, "n2"]).await, dir: tempfile::tempdir().unwrap() }
    }

    /// On a bus whose permissions are of this layout, and nothing is set up.
    pub(crate) fn on_empty_bus(layout: Layout) -> Self {
        let bus = SecuredBus::start_empty_with_layout(&[NODE], layout);
        Self { bus, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("forwarder.sock")
    }

    pub(crate) fn pipe(&self) -> PathBuf {
        self.dir.path().join("falco.pipe")
    }

    /// The text of a configuration; `rest` is what follows `inputs:`.
    pub(crate) fn yaml(&self, inputs: &str, rest: &str) -> String {
        let forwarder = Identity::Forwarder { node: NODE.to_owned() };
        format!("node: {NODE}\n{}", self.yaml_of(&forwarder, inputs, rest))
    }

    /// As [`Rig::yaml`] of any identity; `rest` may name the node.
    fn yaml_of(&self, identity: &Identity, inputs: &str, rest: &str) -> String {
        format!(
            "cluster: test\nrouting_tags: [shell]\nbus:\n{}inputs:\n{inputs}{}{rest}",
            self.bus.connection_yaml(identity, "  "),
            self.spool_unless_in(rest),
        )
    }

    fn spool_unless_in(&self, rest: &str) -> String {
        match rest.contains("spool:") {
            true => String::new(),
            false => format!("spool: {{dir: {}}}\n", self.spool().display()),
        }
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub(crate) fn socket_input(&self) -> String {
        format!("  socket: {{path: {}}}\n", self.socket().display())
    }

    pub(crate) fn config(&self, inputs: &str, rest: &str) -> Config {
        self.parse(&self.yaml(inputs, rest))
    }

    fn parse(&self, yaml: &str) -> Config {
        lanner_service::config::parse(yaml, &self.dir.path().join("forwarder.yaml")).unwrap()
    }

    /// A forwarder with a socket, in this process.
    pub(crate) fn start(&self, rest: &str) -> Running {
        self.start_with(&self.socket_input(), rest)
    }

    /// A forwarder with these inputs, in this process.
    pub(crate) fn start_with(&self, inputs: &str, rest: &str) -> Running {
        run(self.config(inputs, rest))
    }

    /// A forwarder of another identity, in this process.
    pub(crate) fn start_as(&self, identity: &Identity, inputs: &str, rest: &str) -> Running {
        run(self.parse(&self.yaml_of(identity, inputs, rest)))
    }

    pub(crate) async fn sensor(&self) -> Sensor {
        Sensor::connect(&self.socket()).await
    }

    pub(crate) async fn responder(&self) -> Connection {
        Connection::connect(&self.bus.connection(&Identity::Responder)).await.unwrap()
    }

    /// The rules of the next `count` stored alerts, and how often each came.
    pub(crate) async fn stored(&self, count: usize) -> BTreeMap<String, usize> {
        let mut alerts = self.responder().await.alerts();
        let mut rules = BTreeMap::new();
        for _ in 0..count {
            *rules.entry(next_alert(&mut alerts).await.rule).or_default() += 1;
        }
        let more = timeout(Duration::from_millis(300), alerts.next()).await;
        assert!(more.is_err(), "more than {count} alerts are stored");
        rules
    }
}

fn run(config: Config) -> Running {
    let forwarder = Forwarder::open(config, None).unwrap();
    let (counters, spool) = (forwarder.counters(), forwarder.spool());
    let (http, stop) = (forwarder.http_address(), CancellationToken::new());
    let metrics = forwarder.metrics_address().unwrap();
    let done = tokio::spawn(forwarder.run(stop.clone()));
    Running { counters, spool, metrics, http, stop, done }
}

/// Takes the next alert off the bus.
pub(crate) async fn next_alert(alerts: &mut Consumer) -> Alert {
    let delivery = timeout(SOON, alerts.next()).await.expect("no alert on the bus");
    delivery.ack().await.unwrap();
    Alert::from_json(delivery.payload()).unwrap()
}

impl Running {
    /// Where it listens for HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http.unwrap()
    }

    /// Stops it; gives the number of alerts it left behind.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.cancel();
        timeout(SOON, self.done).await.expect("it does not stop").unwrap().unwrap()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Summary) -> bool) {
        let summary = || self.counters.summary();
        eventually_async(what, SOON, async || condition(&summary()).then_some(())).await;
    }
}

/// The sensor's side of the socket.
pub(crate) struct Sensor {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
    sent: u64,
}

impl Sensor {
    pub(crate) async fn connect(path: &std::path::Path) -> Self {
        let mut sensor = Self::unconnected(path).await;
        sensor.write(&frame::HELLO).await;
        assert_eq!(sensor.read().await, Some(frame::HELLO));
        sensor
    }

    /// Before it said anything.
    pub(crate) async fn unconnected(path: &std::path::Path) -> Self {
        let stream = UnixStream::connect(path).await.unwrap();
        Self { stream, decoder: Decoder::default(), sent: 0 }
    }

    pub(crate) async fn send(&mut self, json: Vec<u8>) {
        self.sent += 1;
        self.write(&Frame::Alert { sequence: self.sent, json }).await;
    }

    /// Returns when all that was sent is taken on.
    pub(crate) async fn acknowledged(&mut self) {
        loop {
            match self.read().await {
                Some(Frame::Ack { sequence }) if sequence == self.sent => return,
                Some(Frame::Ack { .. }) => {}
                other => panic!("{other:?} instead of an ack"),
            }
        }
    }

    pub(crate) async fn write(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame::encode(frame, &mut bytes).unwrap();
        timeout(SOON, self.stream.write_all(&bytes)).await.unwrap().unwrap();
    }

    /// The next frame; `None` when the forwarder closed the connection.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            let mut bytes = [0; 4096];
            match timeout(SOON, self.stream.read(&mut bytes)).await.unwrap() {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.decoder.push(&bytes[..read]),
            }
        }
    }
}

/// An alert as the sensor sends it.
pub(crate) fn alert(rule: &str, priority: Priority) -> Vec<u8> {
    alert_of(NODE, rule, priority)
}

pub(crate) fn alert_of(node: &str, rule: &str, priority: Priority) -> Vec<u8> {
    let falco = FalcoInput { node: node.to_owned(), cluster: Some("test".to_owned()) };
    let mut alert = falco.read(falco_line(rule, priority).as_bytes()).unwrap();
    alert.id = AlertId::new();
    alert.to_json().unwrap()
}

/// An alert as Falco writes it, without a line feed.
pub(crate) fn falco_line(rule: &str, priority: Priority) -> String {
    serde_json::json!({
        "hostname": "falco-x7k2p",
        "output": "12:00:00.000000001: something happened",
        "output_fields": {"container.id": "3ad7b26ded6d", "proc.name": "sh"},
        "priority": priority.as_str(),
        "rule": rule,
        "source": "syscall",
        "tags": ["container", "maturity_stable", "shell"],
        "time": "2026-11-20T12:00:00.000000001Z",
    })
    .to_string()
}
