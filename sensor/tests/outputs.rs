//! Each output, with a real other end.

use std::{fs, sync::Arc, time::Duration};

use lanner_alert::{
    Alert, AlertId, Entity, Priority, SCHEMA,
    frame::{self, Decoder, Frame},
};
use lanner_sensor::{
    config::Config,
    output::{LossAlert, Outputs},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixDatagram, UnixListener, UnixStream, unix::pipe},
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(20);

fn alert(rule: &str) -> Arc<Alert> {
    Arc::new(Alert {
        id: AlertId::new(),
        schema: SCHEMA,
        time: "2026-11-21T10:00:00.000000001Z".parse().unwrap(),
        node: "node-1".to_owned(),
        cluster: None,
        hostname: "node-1".to_owned(),
        rule: rule.to_owned(),
        priority: Priority::Warning,
        source: "syscall".to_owned(),
        tags: Default::default(),
        output: format!("10:00:00.000000001: Warning {rule} file=a\nb"),
        output_fields: Default::default(),
        entity: Entity::default(),
        other: Default::default(),
    })
}

fn start(yaml: &str) -> Outputs {
    let loss_alert: LossAlert = Box::new(|message| {
        let mut loss = (*alert("Lanner lost alerts")).clone();
        loss.output = message.to_owned();
        loss
    });
    let yaml = format!("outputs: {yaml}\n");
    let config: Config = lanner_service::config::parse(&yaml, "test".as_ref()).unwrap();
    Outputs::start(&config.outputs, loss_alert)
}

#[tokio::test]
async fn a_file_gets_one_line_each_whatever_the_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts");
    let outputs = start(&format!("{{ file: {{ path: {}, format: text }} }}", path.display()));
    outputs.sender().send(&alert("one"));
    outputs.sender().send(&alert("two"));
    outputs.finish().await;
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "10:00:00.000000001: Warning one file=a\\nb\n10:00:00.000000001: Warning two file=a\\nb\n"
    );
}

#[tokio::test]
async fn several_outputs_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let syslog = UnixDatagram::bind(&log).unwrap();
    let reader = pipe::OpenOptions::new().open_receiver(&pipe).unwrap();
    let outputs = start(&format!(
        "{{ syslog: {{ path: {} }}, fifo: {{ path: {} }} }}",
        log.display(),
        pipe.display()
    ));
    outputs.sender().send(&alert("both"));

    let mut datagram = vec![0; 65_536];
    let len = timeout(DEADLINE, syslog.recv(&mut datagram)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&datagram[..len]).into_owned();
    // user.warning
    assert!(text.starts_with("<12>"), "{text}");
    assert!(text.contains(" lanner-sensor["), "{text}");
    assert!(text.ends_with("]: 10:00:00.000000001: Warning both file=a\\nb"), "{text}");

    let mut lines = BufReader::new(reader).lines();
    let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(Alert::from_json(line.as_bytes()).unwrap().rule, "both");
    outputs.finish().await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_costs_only_its_own_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let file = directory.path().join("file");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let outputs = start(&format!(
        "{{ file: {{ path: {} }}, fifo: {{ path: {} }} }}",
        file.display(),
        pipe.display()
    ));
    outputs.sender().send(&alert("lost in the pipe"));
    let counted = async {
        while outputs.sender().drops().map(|(_, drops)| drops.total()).sum::<u64>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, counted).await.unwrap();
    let drops: Vec<_> = outputs
        .sender()
        .drops()
        .map(|(output, drops)| (output, drops.counts().collect::<Vec<_>>()))
        .collect();
    assert_eq!(drops, [("file", vec![]), ("fifo", vec![(Priority::Warning, 1)])]);
    outputs.finish().await;
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_forwarder_is_told_how_the_sensor_is_unless_it_is_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let outputs = start(&format!("{{ socket: {{ path: {} }} }}", path.display()));
    let tell = |text: &str| drop(outputs.status().send_replace(Some(text.as_bytes().into())));
    let told = |text: &str| Frame::Status { json: text.as_bytes().to_vec() };

    let mut forwarder = Forwarder::accept(&listener).await;
    tell("first");
    assert_eq!(forwarder.next().await, told("first"));
    tell("second");
    assert_eq!(forwarder.next().await, told("second"));
    drop(forwarder);
    // Another one is told at once.
    let mut forwarder = Forwarder::accept(&listener).await;
    assert_eq!(forwarder.next().await, told("second"));
    drop(forwarder);

    let (stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let mut old = Forwarder { stream, decoder: Decoder::default() };
    old.send(&Frame::Hello { oldest: 1, newest: 1 }).await;
    assert_eq!(old.next().await, frame::HELLO);
    tell("third");
    outputs.sender().send(&alert("what it understands"));
    assert!(matches!(old.next().await, Frame::Alert { sequence: 1, .. }));
    old.send(&Frame::Ack { sequence: 1 }).await;
    outputs.finish().await;
}

/// The forwarder's end of the socket.
struct Forwarder {
    stream: UnixStream,
    decoder: Decoder,
}

impl Forwarder {
    async fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
        let mut forwarder = Self { stream, decoder: Decoder::default() };
        forwarder.send(&frame::HELLO).await;
        assert_eq!(forwarder.next().await, frame::HELLO);
        forwarder
    }

    async fn send(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame::encode(frame, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return frame;
            }
            let read = self.stream.read(&mut buffer);
            let len = timeout(DEADLINE, read).await.unwrap().unwrap();
            assert_ne!(len, 0, "the sensor hung up");
            self.decoder.push(&buffer[..len]);
        }
    }

    async fn alert(&mut self) -> (u64, Alert) {
        match self.next().await {
            Frame::Alert { sequence, json } => (sequence, Alert::from_json(&json).unwrap()),
            other => panic!("not an alert: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_forwarder_did_not_acknowledge_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    // Nobody listens yet: the alerts wait.
    let outputs = start(&format!("{{ socket: {{ path: {} }} }}", path.display()));
    let sent = [alert("one"), alert("two"), alert("three")];
    for alert in &sent {
        outputs.sender().send(alert);
    }
    let listener = UnixListener::bind(&path).unwrap();
    let mut first = Forwarder::accept(&listener).await;
    for (number, alert) in (1..).zip(&sent) {
        let (sequence, received) = first.alert().await;
        assert_eq!((sequence, received.id), (number, alert.id));
    }
    first.send(&Frame::Ack { sequence: 1 }).await;
    // What was sent before the end is read before the end.
    drop(first);

    let mut second = Forwarder::accept(&listener).await;
    let (sequence, received) = second.alert().await;
    assert_eq!((sequence, received.id), (1, sent[1].id));
    let (sequence, received) = second.alert().await;
    assert_eq!((sequence, received.id), (2, sent[2].id));
    second.send(&Frame::Ack { sequence: 2 }).await;
    timeout(DEADLINE, outputs.finish()).await.unwrap();
}

/// It greets, and then neither reads nor acknowledges.
#[tokio::test]
async fn a_forwarder_that_hangs_does_not_keep_the_sensor_from_ending() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let outputs = start(&format!("{{ socket: {{ path: {} }} }}", path.display()));
    let _hanging = Forwarder::accept(&listener).await;
    for _ in 0..1000 {
        outputs.sender().send(&alert("unread"));
    }
    timeout(DEADLINE, outputs.finish()).await.unwrap();
}

#[tokio::test]
async fn losses_are_told_when_the_forwarder_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let outputs = start(&format!("{{ socket: {{ path: {} }} }}", path.display()));
    // More than any queue of ours holds.
    const ALERTS: u64 = 10_000;
    let one = alert("many");
    for _ in 0..ALERTS {
        outputs.sender().send(&one);
    }
    let lost: u64 = outputs.sender().drops().map(|(_, drops)| drops.total()).sum();
    assert!(lost > 0 && lost < ALERTS, "{lost}");

    let listener = UnixListener::bind(&path).unwrap();
    let mut forwarder = Forwarder::accept(&listener).await;
    let (sequence, told) = forwarder.alert().await;
    assert_eq!((sequence, told.rule.as_str()), (1, "Lanner lost alerts"));
    assert!(told.output.contains(&format!("{lost} Warning")), "{}", told.output);
    for _ in 0..ALERTS - lost {
        let (sequence, received) = forwarder.alert().await;
        assert_eq!(received.rule, "many");
        forwarder.send(&Frame::Ack { sequence }).await;
    }
    timeout(DEADLINE, outputs.finish()).await.unwrap();
}
