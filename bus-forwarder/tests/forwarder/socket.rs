use std::{fs, io, os::unix::fs::PermissionsExt as _};

use lanner_alert::{Alert, Priority, frame::Frame};
use lanner_bus::{Connection, Identity};
use lanner_bus_forwarder::Forwarder;
use rustix::process::geteuid;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::rig::{NODE, Rig, SOON, Sensor, alert, alert_of};

#[tokio::test]
async fn an_alert_is_stored_once_and_copied_for_each_of_its_tags() {
    let rig = Rig::new().await;
    let reader = Connection::connect(&rig.bus.connection(&Identity::Subscriber)).await.unwrap();
    let mut copies = reader.subscribe("lanner.tags.>").await.unwrap();
    let running = rig.start("");
    assert_eq!(fs::metadata(rig.socket()).unwrap().permissions().mode() & 0o777, 0o660);

    let mut sensor = rig.sensor().await;
    let json = alert("Terminal shell in container", Priority::Notice);
    sensor.send(json.clone()).await;
    sensor.acknowledged().await;

    let mut alerts = rig.responder().await.alerts();
    let stored = timeout(SOON, alerts.next()).await.unwrap();
    let id = Alert::from_json(&json).unwrap().id.to_string();
    assert_eq!(stored.subject(), "lanner.alerts.notice.shell.terminal_shell_in_container.n1_test");
    assert_eq!(stored.payload(), json);
    for (header, value) in [
        ("Nats-Msg-Id", id.as_str()),
        ("Lanner-Tags", "container,maturity_stable,shell"),
        ("Lanner-Rule", "Terminal shell in container"),
        ("Lanner-Node", NODE),
        ("Lanner-Source", "syscall"),
        ("Lanner-Schema", "1"),
    ] {
        assert_eq!(stored.header(header), Some(value), "{header}");
    }
    for tag in ["container", "maturity_stable", "shell"] {
        let copy = timeout(SOON, copies.next()).await.unwrap().unwrap().unwrap();
        let subject = format!("lanner.tags.{tag}.notice.terminal_shell_in_container.n1_test");
        assert_eq!((copy.subject, &copy.payload[..]), (subject, &json[..]));
    }
    assert_eq!(running.stop().await, 0);
    assert!(!rig.socket().exists(), "the socket's file is left behind");
}

#[tokio::test]
async fn what_is_no_alert_or_another_nodes_is_counted_and_stops_nothing() {
    let rig = Rig::new().await;
    let running = rig.start("");
    let mut sensor = rig.sensor().await;
    sensor.send(alert("first", Priority::Notice)).await;
    sensor.send(b"{\"rule\": \x1b[31m not JSON".to_vec()).await;
    sensor.send(alert_of("n2", "forged", Priority::Emergency)).await;
    sensor.send(alert("second", Priority::Notice)).await;
    sensor.acknowledged().await;

    let stored = rig.stored(2).await;
    assert_eq!(stored.into_keys().collect::<Vec<_>>(), ["first", "second"]);
    let summary = running.counters.summary();
    assert_eq!((summary.taken, summary.unreadable, summary.foreign), ([2, 0, 0, 0], 1, 1));
    running.stop().await;
}

#[tokio::test]
async fn who_does_not_keep_to_the_protocol_is_closed_and_the_others_go_on() {
    let rig = Rig::new().await;
    let running = rig.start("");
    let mut good = rig.sensor().await;

    let mut again = rig.sensor().await;
    again.send(alert("once", Priority::Notice)).await;
    again.acknowledged().await;
    again.write(&Frame::Alert { sequence: 1, json: alert("twice", Priority::Notice) }).await;
    assert_eq!(again.read().await, None, "a sequence that does not ascend");

    let mut garbage = rig.sensor().await;
    garbage.stream.write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(garbage.read().await, None, "a frame of 4 GiB");

    let mut newer = tokio::net::UnixStream::connect(rig.socket()).await.unwrap();
    let mut bytes = Vec::new();
    lanner_alert::frame::encode(&Frame::Hello { oldest: 99, newest: 99 }, &mut bytes).unwrap();
    newer.write_all(&bytes).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut newer, &mut rest);
    // Closed with or without a reset: both end it.
    let _ = timeout(SOON, closed).await.expect("another version is not closed");

    good.send(alert("still here", Priority::Notice)).await;
    good.acknowledged().await;
    assert_eq!(rig.stored(2).await.into_keys().collect::<Vec<_>>(), ["once", "still here"]);
    running.stop().await;
}

#[tokio::test]
async fn only_the_users_that_are_named_may_connect() {
    let rig = Rig::new().await;
    // Not us: as root and as anybody else, this is somebody's else id.
    let other = geteuid().as_raw() + 1;
    let input = format!("  socket: {{path: {}, uids: [{other}]}}\n", rig.socket().display());
    let forwarder = Forwarder::open(rig.config(&input, ""), None).unwrap();
    let stop = lanner_service::CancellationToken::new();
    let done = tokio::spawn(forwarder.run(stop.clone()));

    let mut stream = tokio::net::UnixStream::connect(rig.socket()).await.unwrap();
    let mut told = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut told);
    timeout(SOON, read).await.expect("not closed").unwrap();
    assert_eq!(told, b"", "it was greeted");
    stop.cancel();
    assert_eq!(done.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn it_takes_the_place_of_a_dead_socket_and_of_nothing_else() {
    let rig = Rig::new().await;
    let open = || Forwarder::open(rig.config(&rig.socket_input(), ""), None);
    let refusal = || format!("{:#}", open().err().expect("it opened"));

    fs::write(rig.socket(), "somebody's file").unwrap();
    assert!(refusal().ends_with("there is something else than a socket"), "{}", refusal());
    assert_eq!(fs::read(rig.socket()).unwrap(), b"somebody's file");
    fs::remove_file(rig.socket()).unwrap();

    let alive = std::os::unix::net::UnixListener::bind(rig.socket()).unwrap();
    assert!(refusal().ends_with("another process listens there"), "{}", refusal());
    drop(alive);
    assert!(rig.socket().exists(), "the stale socket is what this is about");
    let running = rig.start("");
    let mut sensor = Sensor::connect(&rig.socket()).await;
    sensor.send(alert("after", Priority::Notice)).await;
    sensor.acknowledged().await;
    assert_eq!(running.stop().await, 0);

    let gone = std::os::unix::net::UnixStream::connect(rig.socket()).unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::NotFound);
}
