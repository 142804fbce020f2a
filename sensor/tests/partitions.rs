//! Two partitions: what one has not read yet, the other waits for.

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/record.rs"]
mod record;
#[path = "support/records.rs"]
mod records;

use std::{
    collections::HashMap,
    fs,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use lanner_alert::Alert;
use lanner_sensor::{
    decode::Call,
    enrich::{Node, metadata::Containers, procfs::Procfs},
    pipeline::{Cause, EARLY_MAX, LossCounts},
    source::ebpf::{self, LoadOptions},
};

use crate::{
    kernel::can_watch,
    pipeline::{FOREVER, Parts, Started},
    record::{EXEC, FORK, Head, exec_payload, made_by, record},
    records::Queued,
};

const RULES: &str = "
- rule: exec
  desc: every program
  condition: evt.type = execve
  output: '%proc.name from %proc.pcmdline from %proc.aname[2]'
  priority: notice
";

/// A pipeline without a kernel: processes with odd ids are the second partition's.
struct Partitions {
    even: records::Sender,
    odd: records::Sender,
    started: Started,
}

impl Partitions {
    fn start(early_max: Duration) -> Self {
        let ((even, even_source), (odd, odd_source)) = (Queued::new(), Queued::new());
        let node = Node::new("n", Procfs::new("/nowhere"), Containers::new(None));
        let parts = Parts::new(RULES, node, vec![Box::new(even_source), Box::new(odd_source)]);
        Self { even, odd, started: Started::start(Parts { early_max, ..parts }) }
    }

    fn send(&self, bytes: Vec<u8>, pid: u32) {
        let ring = if pid.is_multiple_of(2) { &self.even } else { &self.odd };
        ring.send(bytes).unwrap();
    }

    fn exec(&self, head: &Head, args: &str) {
        let payload = exec_payload(b"\x01x\0", b"\x01", b"\x01", args.as_bytes(), b"");
        self.send(record(head, EXEC, Call::Execve.id(), &payload), head.tgid);
    }

    fn fork(&self, head: &Head) {
        let parent = Head { tgid: head.ppid, start_ns: head.parent_start_ns, ..head.clone() };
        self.send(record(head, FORK, 0, &made_by(&parent)), head.tgid);
    }

    async fn finish(self) -> Vec<String> {
        drop((self.even, self.odd));
        let (ended, alerts) = self.started.finish().await;
        ended.unwrap();
        let mut told: Vec<String> = alerts.iter().map(message).collect();
        told.sort();
        told
    }
}

/// Without time and priority.
fn message(alert: &Alert) -> String {
    alert.output.split_once("Notice ").unwrap().1.to_owned()
}

fn head(tgid: u32, ppid: u32, exec_id: u32, parent_exec_id: u32, comm: &'static str) -> Head {
    // Begun in the order of their ids, at any time before now.
    let (start_ns, parent_start_ns) = (u64::from(tgid) << 30, u64::from(ppid) << 30);
    Head { tgid, ppid, start_ns, parent_start_ns, exec_id, parent_exec_id, comm, ..Head::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_waits_for_what_its_parent_became() {
    let node = Partitions::start(FOREVER);
    // The shell (10) started make (11), which started cc (12). The ring of the even ones is read
    // first, and what make is comes later, in the other one.
    let at = |time_ns: u64, head: Head| Head { time_ns, ..head };
    node.exec(&at(1, head(10, 0, 2, 0, "sh")), "sh\0-c\0make\0");
    node.fork(&at(4, head(12, 11, 3, 3, "make")));
    node.exec(&at(5, head(12, 11, 4, 3, "cc")), "cc\0-c\0");
    node.started.until(1).await;
    node.fork(&at(2, head(11, 10, 2, 2, "sh")));
    node.exec(&at(3, head(11, 10, 3, 2, "make")), "make\0all\0");
    assert_eq!(
        node.finish().await,
        ["cc from make all from sh", "make from sh -c make from <NA>", "sh from <NA> from <NA>"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_became_something_else_since_is_what_it_was() {
    let node = Partitions::start(EARLY_MAX);
    node.exec(&head(10, 0, 2, 0, "sh"), "sh\0-c\0x\0");
    node.exec(&head(10, 0, 3, 0, "daemon"), "daemon\0");
    node.started.until(2).await;
    // It was forked and became another program before that.
    node.fork(&head(11, 10, 2, 2, "sh"));
    node.exec(&head(11, 10, 3, 2, "ls"), "ls\0");
    node.exec(&head(11, 10, 4, 3, "true"), "true\0");
    let told = node.finish().await;
    assert_eq!(told[1], "ls from sh -c x from <NA>");
    assert_eq!(told[3], "true from daemon from <NA>");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_never_comes_is_not_waited_for_for_ever() {
    let node = Partitions::start(EARLY_MAX);
    node.fork(&head(11, 10, 2, 2, "sh"));
    for exec_id in 3..100 {
        node.exec(&head(11, 10, exec_id, 2, "ls"), "ls\0");
    }
    node.started.until(97).await;
    node.finish().await;
}

/// Nothing is lost then, and that something may have been told out of its order is counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_to_wait_goes_on_and_is_counted() {
    const ROOM: usize = 4096;
    const EVENTS: u32 = 4200;
    let node = Partitions::start(FOREVER);
    node.fork(&head(11, 10, 2, 2, "sh"));
    for exec_id in 3..3 + EVENTS {
        node.exec(&head(11, 10, exec_id, 2, "ls"), "ls\0");
    }
    let (events, refused) = (EVENTS as usize, EVENTS as usize - ROOM);
    node.started.until(refused).await;
    let counted = |alert: &Alert| {
        let count = alert.output_fields.get("lanner.events.early_refused");
        count.and_then(|count| count.as_u64()) >= Some(refused as u64)
    };
    node.started.own_alert("those without room", counted).await;
    assert_eq!(node.finish().await.len(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_leave_as_an_alert() {
    let node = Partitions::start(EARLY_MAX);
    for pid in [10, 11] {
        node.exec(&head(pid, 0, 2, 0, "sh"), "sh\0");
    }
    node.send(vec![0; 3], 10);
    let snapshot = |alert: &Alert| {
        let fields = &alert.output_fields;
        alert.rule == "Lanner internal: metrics snapshot" && fields["lanner.alerts.made"] == 2
    };
    let alert = node.started.own_alert("a snapshot", snapshot).await;
    assert_eq!((alert.priority.as_str(), alert.source.as_str()), ("Informational", "lanner"));
    let fields = &alert.output_fields;
    for (name, value) in [
        ("lanner.events.exec.read", 2),
        ("lanner.events.open.read", 0),
        ("lanner.events.evaluated", 2),
        ("lanner.events.unknown.lost.undecodable", 1),
        ("lanner.events.lost.ring_full", 0),
        ("lanner.rules.exec", 2),
        ("lanner.processes.known", 2),
        ("lanner.alerts.lost.file", 0),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert!(fields["lanner.memory_rss_kib"].as_u64() > Some(1000));
    assert!(fields["lanner.cpu_seconds"].as_f64() > Some(0.0));
    let is_it = |alert: &Alert| alert.rule == "Lanner lost events";
    let lost = node.started.own_alert("the record that is none", is_it).await;
    node.finish().await;
    assert_eq!(lost.output_fields["lost.unknown.undecodable"], 1);
    assert!(lost.output.contains("lost 1 events"), "{}", lost.output);
}

/// Shells that start shells, on the real kernel: each names its parent among its arguments.
#[tokio::test(flavor = "multi_thread")]
async fn lineage_is_right_in_a_storm() {
    if !can_watch("lineage_is_right_in_a_storm") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let rule = "
- rule: storm
  desc: a shell of this test
  condition: evt.type = execve and proc.args contains lanner-storm
  output: 'args=%proc.args pid=%proc.pid ppid=%proc.ppid parent=%proc.pcmdline grand=%proc.acmdline[2]'
  priority: notice
";
    // Programs that start are reported without any call.
    let options = LoadOptions {
        rings: 2,
        ring_bytes: 32 << 20,
        calls: Default::default(),
        ..LoadOptions::default()
    };
    let mut loaded = ebpf::load(&options).unwrap();
    let node = Node::new("n", Procfs::default(), Containers::new(None));
    node.add_running().unwrap();
    let parts = Parts::new(rule, node, loaded.take_sources());
    let lost = Arc::new(Mutex::new(0));
    let recounted = Arc::clone(&lost);
    let recount = move |losses: &LossCounts| {
        loaded.recount(losses);
        *recounted.lock().unwrap() =
            losses.of_cause(Cause::RingFull) + losses.of_cause(Cause::NotRun);
    };
    // Nothing goes on without what its parent became, however slow this machine is.
    let early_max = FOREVER;
    let node = Started::start(Parts { early_max, recount: Box::new(recount), ..parts });

    let script = directory.path().join("storm.sh");
    // Arguments: marker, own name, parent's name, depth.
    let text = "depth=$4\n[ $depth = 0 ] && exit\nfor child in 1 2 3; do\n  \
                /bin/sh \"$0\" \"$1\" $2.$child $2 $((depth-1)) &\ndone\nwait\n";
    fs::write(&script, text).unwrap();
    for round in 0..4 {
        Command::new("/bin/sh")
            .arg(&script)
            .args(["lanner-storm", &format!("r{round}"), "none", "4"])
            .stdin(Stdio::null())
            .status()
            .unwrap();
    }
    const SHELLS: usize = 4 * (1 + 3 + 9 + 27 + 81);
    node.until(SHELLS).await;
    node.stop.cancel();
    let (ended, alerts) = node.finish().await;
    ended.unwrap();
    assert_eq!((alerts.len(), *lost.lock().unwrap()), (SHELLS, 0), "alerts, and lost events");

    let text =
        |alert: &Alert, key: &str| alert.output_fields[key].as_str().unwrap_or_default().to_owned();
    let mut by_name = HashMap::new();
    for alert in &alerts {
        let words: Vec<String> = text(alert, "proc.args").split(' ').map(str::to_owned).collect();
        by_name.insert(words[2].clone(), alert.output_fields["proc.pid"].clone());
    }
    for alert in &alerts {
        let args = text(alert, "proc.args");
        let words: Vec<&str> = args.split(' ').collect();
        let (name, parent) = (words[2], words[3]);
        if parent == "none" {
            continue;
        }
        let pcmdline = text(alert, "proc.pcmdline");
        assert!(pcmdline.contains(&format!(" lanner-storm {parent} ")), "{name}: {pcmdline}");
        assert_eq!(alert.output_fields["proc.ppid"], by_name[parent], "{name}");
        if let Some((grand, _)) = parent.rsplit_once('.') {
            let acmdline = text(alert, "proc.acmdline[2]");
            assert!(acmdline.contains(&format!(" lanner-storm {grand} ")), "{name}: {acmdline}");
        }
    }
}
