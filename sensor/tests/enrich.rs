//! Processes and their ancestors, from records alone.

#[path = "support/record.rs"]
mod record;

use std::sync::Arc;

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::decode,
    enrich::{Enricher, Node as Known, metadata::Containers, procfs::Procfs},
    event::SyscallEvent,
};

use crate::record::{
    EXEC, EXIT, FORK, Head, ancestors, exec_payload, exec_with_ancestors, made_by, open_payload,
    record,
};

const SECOND_NS: u64 = 1_000_000_000;

/// An enricher that knows nothing but what it is told.
struct Node {
    enricher: Enricher,
    _proc: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let proc = tempfile::tempdir().unwrap();
        let containers = Containers::new(None);
        let node = Known::new("n", Procfs::new(proc.path()), containers);
        Self { enricher: Enricher::new(Arc::new(node)), _proc: proc }
    }

    fn take(&mut self, head: &Head, kind: u16, payload: &[u8]) -> Option<SyscallEvent> {
        let event = decode(&record(head, kind, 1, payload)).unwrap();
        self.enricher.take(event, |_| true)
    }

    fn fork(&mut self, head: &Head) {
        let parent = Head { tgid: head.ppid, start_ns: head.parent_start_ns, ..Head::default() };
        self.fork_by(head, &parent);
    }

    fn fork_by(&mut self, head: &Head, maker: &Head) {
        assert!(self.take(head, FORK, &made_by(maker)).is_none());
    }

    fn exec(&mut self, head: &Head, args: &str) -> SyscallEvent {
        let payload =
            exec_payload(b"\x01x\0bin\0", b"\x01w\0", b"\x01\0", args.as_bytes(), b"A=1\0");
        self.take(head, EXEC, &payload).unwrap()
    }

    fn open(&mut self, head: &Head, path: &str) -> SyscallEvent {
        self.take(head, 4, &open_payload(format!("{path}\0").as_bytes(), b"", b"")).unwrap()
    }
}

fn process(tgid: u32, start_s: u64, ppid: u32, parent_start_s: u64, comm: &'static str) -> Head {
    Head {
        time_ns: start_s * SECOND_NS,
        start_ns: start_s * SECOND_NS,
        parent_start_ns: parent_start_s * SECOND_NS,
        tgid,
        ppid,
        comm,
        parent_comm: "init",
        ..Head::default()
    }
}

#[track_caller]
fn check(event: &SyscallEvent, field: Field, arg: Option<&str>, expected: &str) {
    let found = match event.get(field, arg) {
        Some(Value::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Value::List(values)) => format!("{} values", values.len()),
        Some(other) => format!("{other:?}"),
        None => "none".to_owned(),
    };
    assert_eq!(found, expected, "{field}{arg:?}");
}

#[test]
fn a_child_has_its_parents_program_until_it_has_its_own() {
    let mut node = Node::new();
    let (shell, child) = (process(10, 1, 1, 0, "sh"), process(11, 2, 10, 1, "sh"));
    node.exec(&shell, "sh\0-c\0x\0");
    node.fork(&child);
    let before = node.open(&child, "/a");
    check(&before, Field::ProcCmdline, None, "sh -c x");
    check(&before, Field::ProcPname, None, "sh");
    let after = node.exec(&Head { comm: "ls", ..child.clone() }, "ls\0-l\0");
    check(&after, Field::ProcCmdline, None, "ls -l");
    check(&after, Field::ProcExepath, None, "/bin/x");
    check(&after, Field::ProcEnv, Some("A"), "1");
    check(&after, Field::ProcPcmdline, None, "sh -c x");
    check(&after, Field::ProcAname, Some("1"), "sh");
    check(&after, Field::ProcAname, Some("2"), "init");
    check(&after, Field::ProcAname, Some("3"), "none");
}

#[test]
fn a_parent_that_ended_is_still_the_parent() {
    let mut node = Node::new();
    let (grand, parent) = (process(10, 1, 1, 0, "sshd"), process(11, 2, 10, 1, "sh"));
    let child = process(12, 3, 11, 2, "nohup");
    node.exec(&grand, "sshd\0");
    node.exec(&parent, "sh\0");
    node.fork(&child);
    node.take(&Head { time_ns: 4 * SECOND_NS, ..parent }, EXIT, &[0; 8]);
    // The kernel gave the child to the first process meanwhile.
    let adopted = Head { ppid: 1, parent_start_ns: 0, time_ns: 5 * SECOND_NS, ..child };
    let event = node.open(&adopted, "/a");
    check(&event, Field::ProcPname, None, "sh");
    check(&event, Field::ProcAname, Some("2"), "sshd");
    check(&event, Field::ProcAname, None, "3 values");
}

#[test]
fn a_reused_process_id_is_another_process() {
    let mut node = Node::new();
    let old = process(10, 1, 1, 0, "old");
    node.exec(&old, "old\0");
    node.take(&Head { time_ns: 2 * SECOND_NS, ..old.clone() }, EXIT, &[0; 8]);
    let new = process(10, 3, 1, 0, "new");
    check(&node.open(&new, "/a"), Field::ProcName, None, "new");
    check(&node.open(&new, "/a"), Field::ProcExepath, None, "none");
    check(&node.open(&old, "/a"), Field::ProcName, None, "old");
}

#[test]
fn a_relative_name_starts_where_the_process_is() {
    let mut node = Node::new();
    let head = process(10, 1, 1, 0, "x");
    node.exec(&head, "x\0");
    check(&node.open(&head, "./a/../b//c"), Field::FdName, None, "/w/b/c");
    check(&node.open(&head, "../../../etc/shadow"), Field::FdName, None, "/etc/shadow");
    check(&node.open(&head, "/"), Field::FdName, None, "/");
    check(&node.open(&head, "/c"), Field::FdDirectory, None, "/");
}

/// Each argument is short, but there are thousands of them, and hundreds of processes.
#[test]
fn who_starts_many_programs_does_not_fill_the_memory() {
    let mut node = Node::new();
    let shell = process(10, 1, 1, 0, "sh");
    node.exec(&shell, "sh\0");
    let args = "a\0".repeat(2000);
    for pid in 100..2100 {
        let head = process(pid, 2, 10, 1, "many");
        node.exec(&head, &args);
        node.take(&Head { time_ns: 3 * SECOND_NS, ..head }, EXIT, &[0; 8]);
    }
    let processes = &node.enricher.node().processes;
    let bytes = processes.size_bytes();
    assert!(bytes <= 128 << 20, "{bytes} bytes for {} processes", processes.len());
    // Who lives is not forgotten for those who ended.
    check(&node.open(&shell, "/a"), Field::ProcCmdline, None, "sh");
    check(&node.open(&process(2099, 2, 10, 1, "many"), "/a"), Field::ProcExepath, None, "/bin/x");
}

#[test]
fn a_child_runs_the_program_of_its_maker_not_of_its_parent() {
    let mut node = Node::new();
    let (shell, runtime) = (process(10, 1, 1, 0, "sh"), process(11, 2, 10, 1, "runc"));
    node.exec(&shell, "sh\0");
    node.exec(&runtime, "runc\0init\0");
    let child = process(12, 3, 10, 1, "runc");
    node.fork_by(&child, &runtime);
    let event = node.open(&child, "/a");
    check(&event, Field::ProcCmdline, None, "runc init");
    check(&event, Field::ProcPname, None, "sh");
}

/// Nothing was heard of any of them, and `/proc` is empty.
#[test]
fn ancestors_that_were_never_heard_of_have_their_names() {
    let mut node = Node::new();
    let head = Head { parent_comm: "sh", ..process(50, 9, 40, 8, "x") };
    let above = ancestors(&[(30, 7, "sshd"), (20, 6, "sshd-main"), (1, 0, "init")]);
    let payload = exec_with_ancestors(&above, b"x\0");
    let event = node.take(&head, EXEC, &payload).unwrap();
    for (index, name) in [("1", "sh"), ("2", "sshd"), ("3", "sshd-main"), ("4", "init")] {
        check(&event, Field::ProcAname, Some(index), name);
    }
    check(&event, Field::ProcAname, Some("5"), "none");
    check(&event, Field::ProcAexepath, Some("1"), "none");
    // What comes later has them too.
    check(&node.open(&head, "/a"), Field::ProcAname, Some("3"), "sshd-main");
}

#[test]
fn who_is_known_is_not_forgotten_for_what_the_kernel_says() {
    let mut node = Node::new();
    let (first, shell) = (process(1, 0, 0, 0, "init"), process(40, 8, 1, 0, "sh"));
    node.exec(&first, "init\0");
    node.exec(&shell, "sh\0-c\0y\0");
    let head = Head { parent_comm: "renamed", ..process(50, 9, 40, 8, "x") };
    let above = ancestors(&[(1, 0, "init")]);
    let event = node.take(&head, EXEC, &exec_with_ancestors(&above, b"x\0")).unwrap();
    check(&event, Field::ProcPcmdline, None, "sh -c y");
    check(&event, Field::ProcAcmdline, Some("2"), "init");
}

/// Its exec was lost: what it was before must not be shown as what it is.
#[test]
fn a_process_that_became_another_program_unheard() {
    let mut node = Node::new();
    let head = process(10, 1, 1, 0, "sh");
    node.exec(&head, "sh\0");
    check(&node.open(&head, "/a"), Field::ProcCmdline, None, "sh");
    let later = Head { exec_id: 2, comm: "evil", ..head.clone() };
    let event = node.open(&later, "/a");
    check(&event, Field::ProcName, None, "evil");
    check(&event, Field::ProcExepath, None, "none");
    // And the same of one whose maker's exec was not heard of yet.
    let child = Head { exec_id: 3, ..process(11, 2, 10, 1, "evil") };
    node.fork_by(&child, &head);
    check(&node.open(&child, "/a"), Field::ProcCmdline, None, "evil");
}

#[test]
fn the_end_of_a_process_may_be_lost() {
    let mut node = Node::new();
    let old = process(10, 1, 1, 0, "old");
    node.exec(&old, "old\0");
    node.exec(&process(11, 1, 1, 0, "other"), "other\0");
    let processes = |node: &Node| node.enricher.node().processes.running().len();
    // And their parent, by the kernel's word.
    assert_eq!(processes(&node), 3);
    // Its id is another process's: it cannot be there any more.
    node.exec(&process(10, 3, 1, 0, "new"), "new\0");
    assert_eq!(processes(&node), 3);
    // `/proc` is empty: nobody runs.
    node.enricher.node().end_missing();
    assert_eq!(processes(&node), 0);
    check(&node.open(&old, "/a"), Field::ProcName, None, "old");
}

fn text(value: Option<Value<'_>>) -> String {
    match value {
        Some(Value::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

/// `/NAMESPACE/NAME` may be any group: whose process ids are the host's is on the host.
#[test]
fn a_group_that_may_be_a_container_is_one_of_processes_with_ids_of_their_own() {
    let mut node = Node::new();
    let mut container = |tgid: u32, vpid: u32| {
        let group = b"\x01web\0default\0";
        let mut payload = exec_payload(b"\x01x\0", b"\x01", group, b"x\0", b"");
        // process_facts.vpid
        payload[28..32].copy_from_slice(&vpid.to_ne_bytes());
        let head = Head { tgid, cgroup_id: 5, ..Head::default() };
        let event = node.take(&head, EXEC, &payload).unwrap();
        text(event.get(Field::ContainerId, None))
    };
    assert_eq!(container(50, 50), "host");
    assert_eq!(container(51, 1), "web");
    assert_eq!(container(52, 52), "host");
}

/// Ten thousand groups in a row, each a container that nobody knows.
#[test]
fn short_lived_containers_take_no_memory_for_good() {
    let (requests, mut asked) = tokio::sync::mpsc::channel(64);
    let proc = tempfile::tempdir().unwrap();
    let containers = Containers::new(Some(requests));
    let known = Arc::new(Known::new("n", Procfs::new(proc.path()), containers));
    let mut enricher = Enricher::new(Arc::clone(&known));
    for number in 0..10_000_u32 {
        let head = Head { tgid: 1000 + number, cgroup_id: number.into(), ..Head::default() };
        let group = format!("\x01{number:064x}\0docker\0");
        let payload = exec_payload(b"\x01x\0", b"\x01", group.as_bytes(), b"x\0", b"");
        let event = decode(&record(&head, EXEC, 1, &payload)).unwrap();
        let event = enricher.take(event, |_| true).unwrap();
        assert_eq!(text(event.get(Field::ContainerFullId, None)), format!("{number:064x}"));
        let exit = record(&head, EXIT, 0, &[0; 8]);
        enricher.take(decode(&exit).unwrap(), |_| true);
    }
    let mut questions = 0;
    while asked.try_recv().is_ok() {
        questions += 1;
    }
    assert_eq!(questions, 64, "as many as the queue takes");
    assert!(known.look_ups_refused() >= 10_000 - 64);
    // 4096 wait to be told of, and the others are counted.
    assert_eq!(known.starts_dropped(), 10_000 - 4096);
    assert!(known.containers_known() <= 4096 + 1, "{}", known.containers_known());
}
