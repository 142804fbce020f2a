//! `lanner alerts`, against a real bus with certificates.

use std::{
    io::{BufRead as _, BufReader, Lines, Read as _},
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use lanner_alert::{Alert, AlertId, RoutingTags, SubjectRoot};
use lanner_bus::{Connection, Identity, Message, Publisher, grant::Grant, headers::Headers};
use lanner_testkit::{SecuredBus, bus::small_layout, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const NODE: &str = "node-1";
const SUBJECT: &str = "lanner.alerts.warning.shell.terminal_shell.node-1";

/// `lanner alerts tail`, killed when the test ends early.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    remarks: Lines<BufReader<ChildStderr>>,
}

/// A command as the subscriber, whose settings lie in the folder of the certificates.
fn alerts(bus: &SecuredBus, command: &str, flags: &[&str]) -> Command {
    let dir = bus.pki();
    let config = format!("bus:\n{}", bus.connection_yaml(&Identity::Subscriber, "  "));
    std::fs::write(dir.join("subscriber.yaml"), config).unwrap();
    let mut lanner = Command::new(env!("CARGO_BIN_EXE_lanner"));
    lanner.args(["alerts", command, "--config", "subscriber.yaml"]).args(flags).current_dir(dir);
    lanner
}

impl Tail {
    /// Returns once it reads.
    fn start(bus: &SecuredBus, flags: &[&str]) -> Self {
        Self::of(alerts(bus, "tail", flags))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut remarks = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = remarks.next().expect("it says what it reads").unwrap();
        assert!(said.to_lowercase().starts_with("reading lanner"), "{said}");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, remarks }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    fn remark(&mut self) -> String {
        self.remarks.next().expect("a remark").unwrap()
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

async fn node(bus: &SecuredBus, node: &str) -> Connection {
    let identity = Identity::Forwarder { node: node.to_owned() };
    Connection::connect(&bus.connection(&identity)).await.unwrap()
}

fn message(alert: &Alert) -> Message {
    Message {
        subject: SubjectRoot::default().alert(alert, &RoutingTags::default()).to_string(),
        id: alert.id.to_string(),
        headers: Headers::default(),
        payload: alert.to_json().unwrap().into(),
    }
}

/// Publishes the alert and its tags' copies, as its node's forwarder does.
async fn publish(bus: &SecuredBus, alert: &Alert) {
    let connection = node(bus, &alert.node).await;
    for tag in &alert.tags {
        let copy = SubjectRoot::default().tag_copy(alert, tag);
        let payload = alert.to_json().unwrap().into();
        connection.publish_live(copy.as_str(), Headers::default(), payload).await.unwrap();
    }
    Publisher::new(connection).publish(&message(alert)).await.unwrap();
}

/// What a finished command printed, and what it remarked.
fn texts(output: Output) -> (String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
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

/// Three alerts that differ in whatever can be asked for.
fn three() -> [Alert; 3] {
    let mut one = alert("one");
    one.output_fields.insert("proc.name".to_owned(), json!("sh"));
    let mut two = alert("two");
    two.node = "node-2".to_owned();
    two.priority = "Critical".parse().unwrap();
    two.tags = ["network", "shell"].map(str::to_owned).into();
    let mut three = alert("three");
    three.rule = "Read sensitive file".to_owned();
    three.priority = "Notice".parse().unwrap();
    three.tags.clear();
    three.entity.pod_namespace = Some("prod".to_owned());
    [one, two, three]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_gives_what_is_asked_for_of_what_is_stored() {
    let bus = SecuredBus::start(&[NODE, "node-2"]).await;
    for alert in three() {
        publish(&bus, &alert).await;
    }
    for (flags, expected) in [
        (&[][..], "one two three"),
        (&["--priority", "warning"], "one two"),
        (&["--priority", "critical"], "two"),
        (&["--tag", "shell"], "one two"),
        (&["--tag", "network", "--tag", "other"], "two"),
        (&["--rule", "*shell", "--node", "node-1"], "one"),
        (&["--rule", "read_sensitive_file"], "three"),
        (&["--node", "node-2"], "two"),
        (&["--where", "k8s.ns.name = prod"], "three"),
        (&["--where", "proc.name contains s or evt.hostname = node-2"], "one two"),
        (&["--subject", "lanner.alerts.notice.>"], "three"),
        (&["--limit", "2"], "one two"),
        (&["--until", "1h"], ""),
    ] {
        let output = alerts(&bus, "query", &["--since", "15m"]).args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{flags:?}");
        let (printed, _) = texts(output);
        let outputs: Vec<&str> =
            printed.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(outputs.join(" "), expected, "{flags:?}\n{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_tells_what_its_reader_has_to_know() {
    let bus = SecuredBus::start(&[NODE, "node-2"]).await;
    let [one, two, _] = three();
    publish(&bus, &one).await;
    publish(&bus, &two).await;
    let query = |flags: &[&str]| {
        let output = alerts(&bus, "query", &["--since", "15m"]).args(flags).output().unwrap();
        (output.status.code(), texts(output))
    };

    let (code, (printed, said)) = query(&["--json", "--limit", "1"]);
    assert_eq!((code, said.as_str()), (Some(0), "ended after 1; there may be more\n"));
    let mut read: Value = serde_json::from_str(&printed).unwrap();
    let stored: jiff::Timestamp = read["stored"].as_str().unwrap().parse().unwrap();
    assert!(
        stored.duration_since(jiff::Timestamp::now()).abs() < jiff::SignedDuration::from_mins(5)
    );
    read.as_object_mut().unwrap().remove("stored");
    assert_eq!(read, json!({ "subject": SUBJECT, "sequence": 1, "alert": one }));

    let (code, (printed, _)) = query(&["--color", "always", "--node", NODE]);
    assert_eq!(code, Some(0));
    assert!(printed.contains("Z \u{1b}[33mWarning      \u{1b}[0m Terminal shell"), "{printed:?}");

    let (code, (printed, said)) = query(&["--where", "fd.name = /etc/shadow and proc.name = sh"]);
    assert_eq!((code, printed.as_str()), (Some(0), ""));
    let remark = "the stream keeps no such alert of that time\n\
        --where: none of the 2 alerts looked at so far says fd.name: no comparison with that holds\n";
    assert_eq!(said, remark);

    let (code, (_, said)) = query(&["--where", "k8s.ns.nam = prod"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("--where: ") && said.contains("k8s.ns.name"), "{said}");

    let (code, (_, said)) = query(&["--subject", "lanner.tags.shell.>"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("use --tag TAG instead"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_with_two_of_the_tags_is_shown_once() {
    let bus = SecuredBus::start(&[NODE, "node-2"]).await;
    let mut tail = Tail::start(&bus, &["--tag", "shell", "--tag", "network"]);
    let [one, two, three] = three();
    for alert in [&two, &three, &one] {
        publish(&bus, alert).await;
    }
    assert!(tail.line().ends_with("  two"));
    assert!(tail.line().ends_with("  one"));
    tail.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_and_then_live_and_through_an_outage_each_is_shown_once() {
    let mut bus = SecuredBus::start(&[NODE, "node-2"]).await;
    let [one, two, three] = three();
    publish(&bus, &one).await;
    let mut tail = Tail::start(&bus, &["--since", "1h"]);
    assert!(tail.line().ends_with("  one"));
    publish(&bus, &two).await;
    assert!(tail.line().ends_with("  two"));

    bus.server.kill();
    assert_eq!(tail.remark(), "lost the connection to the bus, trying again");
    bus.server.restart();
    // It is not back yet, or is: seen either way, and once.
    publish(&bus, &three).await;
    publish(&bus, &one).await;
    assert!(tail.line().ends_with("  three"));
    assert!(tail.remark().starts_with("connected again after "));
    let mut four = alert("four");
    four.node = "node-2".to_owned();
    publish(&bus, &four).await;
    assert!(tail.line().ends_with("  four"));
    tail.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_on_in_its_consumer() {
    let mut layout = small_layout();
    layout.grants.insert("soc".parse().unwrap(), Grant::default());
    let bus = SecuredBus::start_with_layout(&[NODE, "node-2"], layout.clone()).await;
    let reader = Identity::Reader(layout.readers().next().unwrap());
    let config = format!("bus:\n{}", bus.connection_yaml(&reader, "  "));
    std::fs::write(bus.pki().join("soc.yaml"), config).unwrap();
    let start = |consumer: &str| {
        let mut lanner = Command::new(env!("CARGO_BIN_EXE_lanner"));
        lanner.args(["alerts", "tail", "--config", "soc.yaml", "--consumer", consumer]);
        lanner.current_dir(bus.pki());
        lanner
    };
    let [one, two, three] = three();
    publish(&bus, &one).await;

    let mut tail = Tail::of(start("LANNER_ALERTS/reader_soc"));
    assert!(tail.line().ends_with("  one"));
    publish(&bus, &two).await;
    assert!(tail.line().ends_with("  two"));
    tail.end();

    publish(&bus, &three).await;
    let mut tail = Tail::of(start("LANNER_ALERTS/reader_soc"));
    assert!(tail.line().ends_with("  three"), "what was printed is acknowledged");
    tail.end();

    let (_, said) = texts(start("LANNER_ALERTS/responder").output().unwrap());
    let refused =
        "the server's permissions do not let us read the consumer LANNER_ALERTS/responder";
    assert!(said.contains(refused), "{said}");
    let misused = start("LANNER_ALERTS/reader_soc").args(["--tag", "shell"]).output().unwrap();
    assert_eq!(misused.status.code(), Some(2));
}

/// `cargo test --release -p lanner-cli --test alerts -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and means something in a release build alone"]
async fn how_fast_a_hundred_thousand_are_read() {
    const ALERTS: usize = 100_000;
    let bus = SecuredBus::start(&[NODE]).await;
    let publisher = Publisher::new(node(&bus, NODE).await);
    let output = "x".repeat(600);
    let sent = futures::stream::iter(0..ALERTS).for_each_concurrent(256, |_| async {
        publisher.publish(&message(&alert(&output))).await.unwrap();
    });
    sent.await;
    for flags in [&["--json"][..], &[], &["--where", "k8s.ns.name = nowhere"], &["--rule", "no"]] {
        let began = Instant::now();
        let output = alerts(&bus, "query", &["--since", "1h"]).args(flags).output().unwrap();
        let took = began.elapsed().as_secs_f64();
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        println!("{flags:?}: {lines} lines in {took:.2} s");
        assert!(output.status.success());
    }
}
