//! Recorded events through the whole daemon: rules in, alerts out.

#[path = "support/record.rs"]
mod record;

use std::{fs, io::Write as _, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use lanner_alert::Alert;
use lanner_engine::{ArgumentRule, Event as _, Field, RecordedEvent, Value};
use lanner_sensor::{
    config::Config,
    decode::decode,
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::recording,
    sensor::{Flags, Sensor},
};
use lanner_service::{CancellationToken, Daemon as _, config};
use lanner_testkit::official_rules;

/// A program whose name, arguments and directory are no UTF-8, and its parent.
#[test]
fn a_recording_has_the_bytes_that_the_event_has() {
    let node = Node::new("n", Procfs::new("/nowhere"), Containers::new(None));
    let mut enricher = Enricher::new(Arc::new(node));
    let mut exec = |head: &record::Head, args: &[u8]| {
        let payload =
            record::exec_payload(b"\x01\xff\0bin\0", b"\x01\xc0w\0", b"\x01", args, b"A=\xfe\0");
        let event = decode(&record::record(head, record::EXEC, 1, &payload)).unwrap();
        enricher.take(event, |_| true).unwrap()
    };
    let parent = record::Head { tgid: 7, start_ns: 400, ppid: 1, ..record::Head::default() };
    exec(&parent, b"sh\0\xf0\x28\0");
    let event = exec(&record::Head::default(), b"\xff\0plain\0\xe2\x82\0");
    let line = serde_json::to_string(&recording::record(&event, &[])).unwrap();
    let recorded = RecordedEvent::from_json(&line).unwrap();
    let (mut compared, mut odd) = (0, 0);
    let is_plain = |field: &Field| {
        !matches!(field.argument(), ArgumentRule::RequiredKey | ArgumentRule::RequiredNameOrIndex)
    };
    for field in Field::all().iter().copied().filter(is_plain) {
        let Some(value) = event.get(field, None) else { continue };
        assert_eq!(recorded.get(field, None).as_ref(), Some(&value), "{}", field.name());
        compared += 1;
        odd += usize::from(matches!(&value, Value::Text(text) if str::from_utf8(text).is_err()));
    }
    assert!(compared > 50 && odd > 5, "{compared} {odd}");
    assert!(line.contains(r#""proc.exe":{"hex":"ff"}"#), "{line}");
    let ancestor = recorded.get(Field::ProcAcmdline, Some("1")).unwrap();
    assert_eq!(Some(&ancestor), event.get(Field::ProcAcmdline, Some("1")).as_ref());
}

async fn replay(rules: &str, recording: &str) -> Vec<Alert> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let yaml = format!(
        "node: node-1\ncluster: test\nrules_files: [{rules}]\noutputs: {{ file: {{ path: {} }} }}\n",
        at("alerts.jsonl")
    );
    let config: Config = config::parse(&yaml, "sensor.yaml".as_ref()).unwrap();
    let flags = Flags { replay: Some(recording.into()), record: None };
    Sensor::run(config, flags, CancellationToken::new()).await.unwrap();
    let text = fs::read_to_string(at("alerts.jsonl")).unwrap_or_default();
    text.lines().map(|line| Alert::from_json(line.as_bytes()).unwrap()).collect()
}

#[tokio::test]
async fn the_official_stable_rules_fire() {
    let test = "the_official_stable_rules_fire";
    let Some(rules) = official_rules::file(test, official_rules::STABLE) else { return };
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stable.jsonl");
    let alerts = replay(rules.to_str().unwrap(), recording).await;
    let names: Vec<_> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(
        names,
        [
            "Read sensitive file untrusted",
            // By its resolved name alone, and once.
            "Read sensitive file untrusted",
            "Directory traversal monitored file read",
            "Terminal shell in container",
            "Execution from /dev/shm",
            "Drop and execute new binary in container",
            "Fileless execution via memfd_create",
            "Disallowed SSH Connection Non Standard Port",
        ]
    );
}

#[tokio::test]
async fn an_alert_says_who_and_where() {
    let rules = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        rules.path(),
        "- rule: shell\n  desc: a shell\n  condition: evt.type = execve and proc.name = sh\n  \
         output: shell in %container.id | pod=%k8s.pod.name\n  priority: notice\n  tags: [b, a]\n",
    )
    .unwrap();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stable.jsonl");
    let alerts = replay(rules.path().to_str().unwrap(), recording).await;
    let [alert] = alerts.as_slice() else { panic!("not one alert: {alerts:?}") };
    assert_eq!((alert.node.as_str(), alert.hostname.as_str()), ("node-1", "node-1"));
    assert_eq!(alert.cluster.as_deref(), Some("test"));
    assert_eq!(alert.priority.as_str(), "Notice");
    assert_eq!(alert.source, "syscall");
    assert!(alert.output.ends_with(": Notice shell in 8d8d2bd3c5f6 | pod=cart-1"), "{alert:?}");
    assert_eq!(alert.output_fields["k8s.pod.name"], "cart-1");
    assert_eq!(alert.time.as_nanosecond(), 1_795_258_831_654_520_223);
    let entity = &alert.entity;
    assert_eq!(entity.container_id.as_ref().map(String::len), Some(64));
    assert_eq!(entity.pod_namespace.as_deref(), Some("shop"));
    assert_eq!(entity.pod_uid.as_deref(), Some("6f6f1d6e-1d2c-4b3a-9e8f-0a1b2c3d4e5f"));
    assert_eq!((entity.pid, entity.uid), (Some(77), Some(0)));
}

#[tokio::test]
async fn a_line_that_is_no_event_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.yaml");
    fs::write(
        &rules,
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: debug\n",
    )
    .unwrap();
    let recording = directory.path().join("events.jsonl");
    fs::write(&recording, "{\"evt.type\":\"execve\"}\n{\"evt.tpye\":\"execve\"}\n").unwrap();
    let yaml = format!("rules_files: [{}]\noutputs: {{ stdout: {{}} }}\n", rules.display());
    let config: Config = config::parse(&yaml, "sensor.yaml".as_ref()).unwrap();
    let flags = Flags { replay: Some(recording.clone()), record: None };
    let error = Sensor::run(config, flags, CancellationToken::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains("events.jsonl:2"), "{error:#}");
}

/// Each control character takes six bytes in JSON.
#[tokio::test]
async fn long_and_hostile_values_do_not_make_an_alert_too_long_to_be_sent() {
    let fields =
        ["proc.cmdline", "proc.pcmdline", "proc.exepath", "proc.args", "proc.cwd", "fd.name"];
    let rules = tempfile::NamedTempFile::new().unwrap();
    let output: String = fields.iter().map(|field| format!("%{field} ")).collect();
    let rule = "- rule: r\n  desc: d\n  condition: evt.type = execve\n  priority: notice\n";
    fs::write(rules.path(), format!("{rule}  output: x {output}\n")).unwrap();
    let mut event = serde_json::json!({ "evt.type": "execve", "evt.num": 1, "proc.pid": 7 });
    for field in fields {
        event[field] = "\u{1}".repeat(4096).into();
    }
    let recording = tempfile::NamedTempFile::new().unwrap();
    fs::write(recording.path(), format!("{event}\n")).unwrap();
    let alerts = replay(rules.path().to_str().unwrap(), recording.path().to_str().unwrap()).await;
    let [alert] = alerts.as_slice() else { panic!("{} alerts", alerts.len()) };
    assert_eq!((alert.rule.as_str(), alert.entity.pid), ("r", Some(7)));
    assert_eq!(alert.output_fields["alert.cut"], true);
}

/// More lines than a thread gets at a time, and more alerts than an output's queue holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_recording_keeps_its_order_and_loses_nothing() {
    const EVENTS: usize = 9_000;
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.yaml");
    let rule = "- rule: r\n  desc: d\n  condition: evt.type = execve\n  priority: notice\n";
    fs::write(&rules, format!("{rule}  output: '%evt.num'\n")).unwrap();
    let mut text = String::new();
    for number in 1..=EVENTS {
        text.push_str(&format!("{{\"evt.type\":\"execve\",\"evt.num\":{number}}}\n"));
        if number % 1000 == 0 {
            text.push_str("\n# a remark\n");
        }
    }
    let plain = directory.path().join("events.jsonl");
    fs::write(&plain, &text).unwrap();
    let packed = directory.path().join("packed");
    let mut packer = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::fast());
    // As two files behind each other.
    let (first, second) = text.split_at(text.find('\n').unwrap() + 1);
    packer.write_all(first.as_bytes()).unwrap();
    let mut packer = GzEncoder::new(packer.finish().unwrap(), Compression::fast());
    packer.write_all(second.as_bytes()).unwrap();
    packer.finish().unwrap();
    for recording in [plain, packed] {
        let alerts = replay(rules.to_str().unwrap(), recording.to_str().unwrap()).await;
        let numbers = alerts.iter().map(|alert| alert.output_fields["evt.num"].as_u64().unwrap());
        assert!(numbers.eq(1..=EVENTS as u64), "{} alerts", alerts.len());
    }
}
