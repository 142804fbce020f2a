//! Processes and their ancestors, from records alone.

#[path = "support/record.rs"]
mod record;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::decode,
    enrich::{
        Enricher, Node as Known, Side,
        container::Groups,
        metadata::{ContainerInfo, Containers, PodInfo},
        own::Own,
        procfs::Procfs,
    },
    event::SyscallEvent,
};

use crate::record::{
    EXEC, EXIT, FORK, Head, ancestors, exec_payload, exec_with_ancestors, made_by, open_payload,
    record,
};

const SECOND_NS: u64 = 1_000_000_000;

const ID: &str = "8d8d2bd3c5f6bd4c43fa1ea2a2bb1d3f1fd27a9b9a6f1f2b7f0c5e6d7a8b9c0d";
const POD: &str = "6f6f1d6e-1d2c-11e9-b015-1ebee232acfa";

/// An enricher that knows nothing but what it is told.
struct Node {
    enricher: Enricher,
    proc: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self::new_with(|_| {})
    }

    fn new_with(set_up: impl FnOnce(&mut Known)) -> Self {
        let proc = tempfile::tempdir().unwrap();
        let containers = Containers::new(None);
        let mut node = Known::new("n", Procfs::new(proc.path()), containers);
        set_up(&mut node);
        Self { enricher: Enricher::new(Arc::new(node)), proc }
    }

    /// `/proc` shows a process, in this control group.
    fn runs(&self, pid: u32, start_s: u64, group: &str) {
        let folder = self.proc.path().join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let zeros = "0 ".repeat(13);
        let stat = format!("{pid} (old) S 1 1 1 0 0 {zeros}{} 0\n", start_s * 100);
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("status"), format!("NStgid:\t{pid}\n")).unwrap();
        fs::write(folder.join("cgroup"), format!("0::{group}\n")).unwrap();
    }

    /// The host has a control group there. Gives its number.
    fn has_group(&self, group: &str) -> u64 {
        let folder: PathBuf = self.proc.path().join("1/root/sys/fs/cgroup");
        let folder = folder.join(group.trim_start_matches('/'));
        fs::create_dir_all(&folder).unwrap();
        fs::metadata(folder).unwrap().ino()
    }

    /// What the kernel is told from now on.
    fn told(&self) -> Arc<Mutex<Vec<(u64, Side)>>> {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let tell = Arc::clone(&told);
        let node = self.enricher.node();
        node.watch_cgroups(move |number, side| tell.lock().unwrap().push((number, side)));
        told
    }

    /// A process becomes another program in a control group.
    fn exec_in(&mut self, head: &Head, group: &str) -> Option<SyscallEvent> {
        let names: Vec<_> = group.split('/').rev().filter(|name| !name.is_empty()).collect();
        let group = format!("\x01{}\0", names.join("\0"));
        let payload = exec_payload(b"\x01x\0bin\0", b"\x01", group.as_bytes(), b"x\0", b"");
        self.take(head, EXEC, &payload)
    }

    /// The container that an event is in.
    fn container(&mut self, head: &Head) -> String {
        let event = self.open(head, "/a");
        text(event.get(Field::ContainerFullId, None).or(event.get(Field::ContainerId, None)))
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

/// Each is a container that nobody knows, and one lives all the time.
#[test]
fn short_lived_containers_take_no_memory_for_good_and_nothing_from_others() {
    const COUNT: u32 = 40_000;
    let (requests, mut asked) = tokio::sync::mpsc::channel(64);
    let proc = tempfile::tempdir().unwrap();
    let containers = Containers::new(Some(requests));
    let known = Arc::new(Known::new("n", Procfs::new(proc.path()), containers));
    let mut node = Node { enricher: Enricher::new(Arc::clone(&known)), proc };
    let alive = Head { cgroup_id: 1 << 40, ..process(500, 1, 1, 0, "alive") };
    node.exec_in(&alive, &format!("/docker/{ID}")).unwrap();
    let silent = Head { cgroup_id: 1 << 41, ..process(501, 1, 1, 0, "silent") };
    node.exec_in(&silent, &format!("/docker/{}", "e".repeat(64))).unwrap();
    for number in 0..COUNT {
        let head = Head { tgid: 1000 + number, cgroup_id: number.into(), ..Head::default() };
        let event = node.exec_in(&head, &format!("/docker/{number:064x}")).unwrap();
        assert_eq!(text(event.get(Field::ContainerFullId, None)), format!("{number:064x}"));
        node.take(&head, EXIT, &[0; 8]);
        if number % 1000 == 0 {
            assert_eq!(node.container(&alive), ID);
        }
    }
    // They start no program of their own, and end before anybody could look.
    for (maker, id) in [(&alive, ID.to_owned()), (&silent, "e".repeat(64))] {
        let child = Head { tgid: maker.tgid + 100, ppid: maker.tgid, ..maker.clone() };
        node.fork_by(&child, maker);
        assert_eq!(node.container(&child), id);
    }
    let mut questions = 0;
    while asked.try_recv().is_ok() {
        questions += 1;
    }
    assert_eq!(questions, 64, "as many as the queue takes");
    assert!(known.look_ups_refused() >= u64::from(COUNT) - 64);
    // 4096 wait to be told of, and the others are counted.
    assert_eq!(known.starts_dropped(), u64::from(COUNT) + 2 - 4096);
    assert!(known.containers_known() <= 4096 + 1, "{}", known.containers_known());
}

/// Each of them lives on, and has much to say.
#[test]
fn who_keeps_many_programs_running_does_not_fill_the_memory() {
    const COUNT: u32 = 12_000;
    let mut node = Node::new();
    let args = format!("{}the-end\0", "a\0".repeat(4000));
    let env = "A=1\0".repeat(6000);
    let payload =
        exec_payload(b"\x01x\0bin\0", b"\x01w\0", b"\x01\0", args.as_bytes(), env.as_bytes());
    for pid in 100..100 + COUNT {
        let event = node.take(&process(pid, 2, 10, 1, "many"), EXEC, &payload).unwrap();
        // The rules see all of it.
        let line = text(event.get(Field::ProcCmdline, None));
        assert!(line.ends_with("a the-end"), "{} bytes", line.len());
    }
    let processes = &node.enricher.node().processes;
    let bytes = processes.size_bytes();
    assert!(bytes <= 200 << 20, "{bytes} bytes for {} processes", processes.len());
    assert_eq!((processes.len(), processes.refused()), (COUNT as usize + 1, 0));
    assert!((1..u64::from(COUNT)).contains(&processes.cut()), "{}", processes.cut());
    // Who they are is known of the last ones, too.
    let last = node.open(&process(99 + COUNT, 2, 10, 1, "many"), "./b");
    check(&last, Field::ProcExepath, None, "/bin/x");
    check(&last, Field::FdName, None, "/w/b");
    check(&last, Field::ProcArgs, None, &["a"; 127].join(" "));
    check(&last, Field::ProcEnv, Some("A"), "none");
}

/// What a process was is its children's for as long as they are that.
#[test]
fn a_program_that_only_children_run_takes_memory_all_the_same() {
    let mut node = Node::new();
    let args = "a\0".repeat(15_000);
    let (maker, child) = (process(10, 1, 1, 0, "sh"), process(11, 2, 10, 1, "sh"));
    node.exec(&maker, &args);
    node.fork(&child);
    let one = node.enricher.node().processes.size_bytes();
    for exec_id in 2..5 {
        node.exec(&Head { exec_id, ..maker.clone() }, "x\0");
    }
    let bytes = node.enricher.node().processes.size_bytes();
    // The line and the image of the child.
    assert!((60_000..one).contains(&bytes), "{bytes} bytes instead of {one}");
    for exec_id in 2..5 {
        node.exec(&Head { exec_id, ..child.clone() }, "x\0");
    }
    let bytes = node.enricher.node().processes.size_bytes();
    assert!(bytes < 30_000, "{bytes} bytes though nobody runs it");
}

#[test]
fn the_group_of_an_older_process_is_looked_up_and_the_kernel_told() {
    let mut node = Node::new();
    let told = node.told();
    let (group, service) = (format!("/docker/{ID}"), "/system.slice/x.service");
    let (inside, outside) = (node.has_group(&group), node.has_group(service));
    node.runs(60, 5, &group);
    node.runs(61, 5, service);
    let old = |tgid, cgroup_id| Head { cgroup_id, ..process(tgid, 5, 1, 0, "old") };
    assert_eq!(node.container(&old(60, inside)), ID);
    assert_eq!(node.container(&old(61, outside)), "host");
    assert_eq!(*told.lock().unwrap(), [(inside, Side::Unknown), (outside, Side::Host)]);
}

/// By the time that `/proc` is read, the id is another process's, or the process is elsewhere.
#[test]
fn what_proc_says_of_something_else_is_not_kept() {
    let mut node = Node::new();
    let told = node.told();
    let service = "/system.slice/x.service";
    let elsewhere = node.has_group(service);
    node.runs(60, 9, service);
    node.runs(61, 5, service);
    // Number 60 started at another time, and number 61 is in another group than it was.
    let (reused, moved) = (process(60, 5, 1, 0, "old"), process(61, 5, 1, 0, "old"));
    for (head, group) in [(reused, 1 << 40), (moved, 1 << 41)] {
        let head = Head { cgroup_id: group, ..head };
        assert_ne!(group, elsewhere);
        node.open(&head, "/a");
        assert!(told.lock().unwrap().is_empty(), "{:?}", told.lock().unwrap());
        // The kernel's own word counts.
        let other = Head { cgroup_id: group, ..process(70, 8, 1, 0, "sh") };
        node.exec_in(&other, &format!("/docker/{ID}")).unwrap();
        assert_eq!(told.lock().unwrap().drain(..).collect::<Vec<_>>(), [(group, Side::Unknown)]);
        assert_eq!(node.container(&head), ID);
    }
}

#[test]
fn the_kernel_corrects_what_was_known_of_a_group() {
    let mut node = Node::new();
    let told = node.told();
    let head = Head { cgroup_id: 9, ..process(60, 5, 1, 0, "x") };
    node.exec_in(&head, "/a.slice/x.service").unwrap();
    assert_eq!(node.container(&head), "host");
    node.exec_in(&head, &format!("/docker/{ID}")).unwrap();
    assert_eq!(node.container(&head), ID);
    node.exec_in(&head, &format!("/docker/{ID}")).unwrap();
    assert_eq!(*told.lock().unwrap(), [(9, Side::Host), (9, Side::Unknown)]);
}

/// Neither a path nor a `/proc`: it is where it comes from.
#[test]
fn a_process_of_an_unknown_group_is_where_its_parent_is() {
    let mut node = Node::new();
    let parent = Head { cgroup_id: 9, ..process(60, 5, 1, 0, "x") };
    node.exec_in(&parent, &format!("/docker/{ID}")).unwrap();
    let child = Head { cgroup_id: 10, ..process(61, 6, 60, 5, "x") };
    assert_eq!(node.container(&child), ID);
    node.fork(&Head { tgid: 62, ..child.clone() });
    assert_eq!(node.container(&Head { tgid: 62, ..child }), ID);
    assert_eq!(node.container(&Head { cgroup_id: 11, ..process(63, 6, 1, 0, "y") }), "host");
}

#[test]
fn of_our_own_container_only_what_came_with_it_is_left_out() {
    let group = format!("/kubepods/pod{POD}/{ID}");
    let own = Own::of(Groups::default(), &format!("0::{group}\n"), "");
    let mut node = Node::new_with(|node| node.leave_out(own));
    let pod = PodInfo { uid: POD.to_owned(), ..PodInfo::default() };
    let info = ContainerInfo { pid: Some(70), pod: Some(pod), ..ContainerInfo::default() };
    node.enricher.node().answer((ID.to_owned(), Some(info)));
    let first = Head { cgroup_id: 9, ..process(70, 5, 1, 0, "sensor") };
    assert!(node.exec_in(&first, &group).is_none());
    let child = Head { tgid: 71, ppid: 70, ..first.clone() };
    node.fork_by(&child, &first);
    let is_seen = |node: &mut Node, head: &Head| {
        let payload = open_payload(b"/a\0", b"", b"");
        node.take(head, 4, &payload).is_some()
    };
    assert!(!is_seen(&mut node, &first) && !is_seen(&mut node, &child));
    // Who wrote his id into our control group started no program there, or did.
    let moved = Head { cgroup_id: 9, ..process(90, 6, 1, 0, "evil") };
    assert!(is_seen(&mut node, &moved));
    assert!(node.exec_in(&moved, &group).is_some());
    assert!(is_seen(&mut node, &moved));
}
