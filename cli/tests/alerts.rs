//! `lanner alerts tail`, against a real bus with certificates.

use std::{
    io::{BufRead as _, BufReader, Lines, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use lanner_alert::{Alert, AlertId, RoutingTags, SubjectRoot};
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers};
use lanner_testkit::{SecuredBus, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const NODE: &str = "node-1";
const SUBJECT: &str = "lanner.alerts.warning.shell.terminal_shell.node-1";

/// `lanner alerts tail`, killed when the test ends early.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    /// Returns once it reads.
    fn start(bus: &SecuredBus, flags: &[&str]) -> Self {
        let dir = bus.pki();
        let config = format!("bus:\n{}", bus.connection_yaml(&Identity::Subscriber, "  "));
        std::fs::write(dir.join("subscriber.yaml"), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lanner"))
            .args(["alerts", "tail", "--config", "subscriber.yaml"])
            .args(flags)
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("reading lanner."), "{said}");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let status = eventually("Ctrl-C ends it", SOON, || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // An error here means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn alert(output: &str) -> Alert {
    let alert = json!({
        "id": AlertId::new(), "schema": 1, "time": "2026-01-02T03:04:05.006007008Z",
        "node": NODE, "hostname": NODE, "rule": "Terminal shell", "priority": "Warning",
        "source": "syscall", "tags": ["shell"], "output": output, "of_another_writer": 7,
        "entity": { "pod_namespace": "shop", "pod_name": "cart" },
    });
    Alert::from_json(alert.to_string().as_bytes()).unwrap()
}

async fn publish(bus: &SecuredBus, alert: &Alert) {
    let identity = Identity::Forwarder { node: NODE.to_owned() };
    let connection = Connection::connect(&bus.connection(&identity)).await.unwrap();
    let message = Message {
        subject: SubjectRoot::default().alert(alert, &RoutingTags::default()).to_string(),
        id: alert.id.to_string(),
        headers: Headers::default(),
        payload: alert.to_json().unwrap().into(),
    };
    Publisher::new(connection).publish(&message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_a_line_that_no_text_in_it_leaves() {
    let bus = SecuredBus::start(&[NODE]).await;
    let mut tail = Tail::start(&bus, &[]);
    publish(&bus, &alert("sh\n\u{1b}[2J\u{9b}1m\u{202e}txt.exe")).await;
    publish(&bus, &alert("second")).await;
    let before = "2026-01-02 03:04:05.006Z Warning       Terminal shell  node=node-1 pod=shop/cart";
    assert_eq!(tail.line(), format!("{before}  sh\u{fffd}\u{fffd}[2J\u{fffd}1m\u{fffd}txt.exe"));
    assert_eq!(tail.line(), format!("{before}  second"));
    tail.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_it_is_the_whole_alert_with_its_subject() {
    let bus = SecuredBus::start(&[NODE]).await;
    let mut tail = Tail::start(&bus, &["--json", "--subject", "lanner.alerts.warning.>"]);
    let sent = alert("sh\n\u{1b}[2J\u{9b}1m");
    publish(&bus, &sent).await;
    let line = tail.line();
    assert!(!line.chars().any(char::is_control), "{line:?}");
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read, json!({ "subject": SUBJECT, "alert": sent }));
    tail.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_subjects_are_not_shown() {
    let bus = SecuredBus::start(&[NODE]).await;
    let mut others = Tail::start(&bus, &["--subject-root", "lanner.alerts"]);
    let mut tail = Tail::start(&bus, &["--subject", "lanner.alerts.critical.>"]);
    let mut critical = alert("critical");
    critical.priority = "Critical".parse().unwrap();
    publish(&bus, &alert("warning")).await;
    publish(&bus, &critical).await;
    assert!(tail.line().ends_with("  critical"));
    tail.end();
    others.child.kill().unwrap();
    assert!(others.lines.next().is_none(), "nothing is on lanner.alerts.alerts.>");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_alerts_is_told_who_may() {
    let bus = SecuredBus::start(&[NODE]).await;
    let node = Identity::Forwarder { node: NODE.to_owned() };
    // A forwarder's own settings, whose other sections are not ours to read.
    let config =
        format!("node: {NODE}\nbus:\n{}inputs:\n  stdin: true\n", bus.connection_yaml(&node, "  "));
    std::fs::write(bus.pki().join("forwarder.yaml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lanner"))
        .args(["alerts", "tail", "--config", "forwarder.yaml"])
        .current_dir(bus.pki())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = eventually("it gives up", SOON, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    let error = "error: the server's permissions do not let us read lanner.alerts.>; \
        `lanner bus check` shows what this certificate may read, and \
        `lanner bus certs issue --dir DIR subscriber` makes one that may read alerts\n";
    assert!(said.ends_with(error), "{said}");
}
