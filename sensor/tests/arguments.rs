//! Arguments of calls as Falco shows them: `evt.args`, `evt.arg.NAME` and `evt.rawarg.NAME`
//! (`sinsp_evt::get_param_as_str`, and the types of `driver/event_table.c`).

#[path = "support/record.rs"]
mod record;

use std::sync::Arc;

use lanner_engine::{Event as _, Field, Options, SourceFile, Value, load};
use lanner_sensor::{
    decode::{Call, Control, Family, Socket, SocketFamily, SocketKind, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::{Happening, SyscallEvent},
};

use crate::record::{EXEC, Head, exec_payload, open_payload, record};

/// An event of that payload, by a process that nobody knows.
fn event(family: u16, call: Call, payload: &[u8]) -> SyscallEvent {
    let proc = tempfile::tempdir().unwrap();
    let node = Node::new("n", Procfs::new(proc.path()), Containers::new(None));
    let kernel = decode(&record(&Head::default(), family, call.id(), payload)).unwrap();
    Enricher::new(Arc::new(node)).take(kernel, |_| true).unwrap()
}

fn with(call: Call, happening: Happening) -> SyscallEvent {
    let mut event = event(EXEC, Call::Execve, &exec_payload(b"", b"", b"", b"", b""));
    event.head.call = call;
    event.happening = happening;
    event
}

fn control(call: Call, result: i64, args: [u64; 4]) -> SyscallEvent {
    let control = Control {
        result,
        args,
        cap_permitted: 0,
        cap_effective: 0,
        descriptor: None,
        text: Vec::new(),
    };
    with(call, Happening::Control(Box::new(control)))
}

fn show(value: Option<Value<'_>>) -> String {
    match value {
        Some(Value::Text(bytes)) => bytes.escape_ascii().to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Uint(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => "none".to_owned(),
    }
}

/// `expected` is `evt.args`; then of each name the text and the raw value.
#[track_caller]
fn check(event: &SyscallEvent, expected: &str, each: &[(&str, &str, &str)]) {
    assert_eq!(show(event.get(Field::EvtArgs, None)), expected);
    for (name, text, raw) in each {
        assert_eq!(show(event.get(Field::EvtArg, Some(name))), *text, "evt.arg.{name}");
        assert_eq!(show(event.get(Field::EvtRawarg, Some(name))), *raw, "evt.rawarg.{name}");
    }
}

#[test]
fn a_number_has_what_it_stands_for_behind_it() {
    let ptrace = control(Call::Ptrace, 0, [16, 17, 0, 0]);
    check(
        &ptrace,
        "res=0 addr=0 data=0 request=11(PTRACE_ATTACH) pid=17",
        &[("request", "PTRACE_ATTACH", "11"), ("pid", "17", "17"), ("addr", "0", "none")],
    );
    // The signal that a traced process goes on with.
    let resumed = control(Call::Ptrace, 0, [7, 17, 0, 9]);
    check(&resumed, "res=0 addr=0 data=9(SIGKILL) request=8(PTRACE_CONT) pid=17", &[]);
    let unknown = control(Call::Ptrace, -3, [999, 17, 0, 0]);
    check(&unknown, "res=-3(ESRCH) addr=0 data=0 request=0(PTRACE_UNKNOWN) pid=17", &[]);

    check(
        &control(Call::Kill, -1, [17, 9, 0, 0]),
        "res=-1(EPERM) pid=17 sig=9(SIGKILL)",
        &[("res", "EPERM", "-1"), ("sig", "SIGKILL", "9")],
    );
    // Falco's numbers of the flags, which are not the kernel's.
    check(
        &control(Call::Unshare, 0, [0x1002_0000, 0, 0, 0]),
        "res=0 flags=1048608(CLONE_NEWNS|CLONE_NEWUSER)",
        &[("flags", "CLONE_NEWNS|CLONE_NEWUSER", "1048608")],
    );
    check(&control(Call::Unshare, 0, [0, 0, 0, 0]), "res=0 flags=0", &[("flags", "0", "0")]);
    check(
        &control(Call::Dup3, 5, [3, 5, 0, 0]),
        "res=5 oldfd=3 newfd=5 flags=0(O_NONE)",
        &[("flags", "O_NONE", "0"), ("newfd", "5", "5")],
    );
    check(
        &control(Call::Bpf, -1, [10, 0, 0, 0]),
        "fd=-1(EPERM) cmd=10(BPF_PROG_TEST_RUN|BPF_PROG_RUN)",
        &[("fd", "EPERM", "-1")],
    );
    check(
        &control(Call::Setuid, 0, [u64::from(u32::MAX), 0, 0, 0]),
        "res=0 uid=-1(<NONE>)",
        &[("uid", "<NONE>", "4294967295")],
    );
    check(&control(Call::Setuid, 0, [4711, 0, 0, 0]), "res=0 uid=4711(<NA>)", &[]);
}

#[test]
fn sockets() {
    let socket = Socket {
        fd: -97,
        asked_type: 3 | 0o2_000_000,
        asked_number: 768,
        domain: 17,
        family: SocketFamily::None,
        kind: SocketKind::Raw,
        ..Socket::default()
    };
    check(
        &with(Call::Socket, Happening::Socket(Box::new(socket))),
        "fd=-97(EAFNOSUPPORT) domain=17(AF_PACKET) type=524291 proto=768 flags=4096(O_CLOEXEC)",
        &[("domain", "AF_PACKET", "17"), ("flags", "O_CLOEXEC", "4096"), ("proto", "768", "768")],
    );
}

#[test]
fn opens() {
    let open = |raw: &[u8]| {
        let payload = open_payload(raw, b"\x01passwd\0etc\0", b"\x01etc\0");
        event(Family::Open as u16, Call::Openat, &payload)
    };
    let relative = open(b"passwd\0");
    let line = show(relative.get(Field::EvtArgs, None));
    assert!(line.contains(" name=passwd(/etc/passwd) "), "{line}");
    assert_eq!(show(relative.get(Field::EvtRawarg, Some("name"))), "passwd");
    assert_eq!(show(relative.get(Field::EvtArg, Some("name"))), "/etc/passwd");
    let flags = show(relative.get(Field::EvtArg, Some("flags")));
    let raw = show(relative.get(Field::EvtRawarg, Some("flags")));
    assert!(line.contains(&format!(" flags={raw}({flags}) ")), "{line}");
    // What says everything is there once.
    let line = show(open(b"/etc/passwd\0").get(Field::EvtArgs, None));
    assert!(line.contains(" name=/etc/passwd "), "{line}");
}

#[test]
fn programs() {
    let payload =
        exec_payload(b"\x01sh\0bin\0", b"\x01tmp\0", b"\x01\0", b"sh\0-c\0a\tb\0", b"A=1\0");
    let exec = event(EXEC, Call::Execve, &payload);
    for (name, text, raw) in [
        ("res", "0", "0"),
        ("exe", "sh", "sh"),
        // A buffer with zero bytes in it, of which Falco shows each as a dot.
        ("args", "-c.a.b.", "-c\\x00a\\tb"),
        ("env", "A=1.", "A=1"),
        ("cwd", "/tmp", "/tmp"),
        // By their places in Falco's table.
        ("0", "0", "none"),
        ("7", "none", "none"),
    ] {
        assert_eq!(show(exec.get(Field::EvtArg, Some(name))), text, "evt.arg.{name}");
        assert_eq!(show(exec.get(Field::EvtRawarg, Some(name))), raw, "evt.rawarg.{name}");
    }
    let line = show(exec.get(Field::EvtArgs, None));
    assert!(line.starts_with("res=0 exe=sh args=-c.a.b. tid="), "{line}");
    let no_arguments = exec_payload(b"\x01sh\0bin\0", b"\x01tmp\0", b"\x01\0", b"sh\0", b"");
    let exec = event(EXEC, Call::Execve, &no_arguments);
    assert_eq!(show(exec.get(Field::EvtArg, Some("args"))), "NULL");
}

#[test]
fn rules_compare_raw_values_as_what_they_are() {
    let matches = |condition: &str, event: &SyscallEvent| {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
        );
        let file = SourceFile { name: "r".to_owned(), text };
        let (rules, diagnostics) = load(&[file], &Options::default());
        assert_eq!(diagnostics, [], "{condition}");
        !rules.evaluate("syscall", event).is_empty()
    };
    let kill = control(Call::Kill, -1, [17, 9, 0, 0]);
    assert!(matches("evt.type=kill and evt.rawarg.res<0 and evt.rawarg.sig>=9", &kill));
    assert!(!matches("evt.type=kill and evt.rawarg.sig>9", &kill));
    // 9 is more than 10 as text.
    assert!(!matches("evt.type=kill and evt.rawarg.sig>10", &kill));
    assert!(matches("evt.type=kill and evt.arg.sig=SIGKILL and evt.arg.res=EPERM", &kill));
    assert!(matches("evt.type=kill and evt.args contains \"sig=9(SIGKILL)\"", &kill));
}
