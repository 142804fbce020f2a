//! Processes that hide what they are, seen through the real kernel programs. Needs root (or CAP_BPF
//! and CAP_PERFMON), kernel BTF and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{fs, path::Path, process::Command};

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::Call,
    event::{Happening, SyscallEvent},
};

use crate::watch::{Watch, field, has, run};

in_each_mode!(
    a_program_in_memory_only,
    a_program_by_descriptor_whose_file_is_gone,
    arguments_longer_than_the_kernel_sends,
    a_script_is_its_interpreter,
    programs_with_more_rights_than_their_caller,
    bytes_that_are_no_text,
    a_thread_becomes_another_program,
    the_first_thread_ends_and_others_go_on,
    an_orphan_keeps_who_started_it,
    a_child_given_to_its_makers_parent,
    a_name_that_changes,
    a_process_id_is_used_again,
    an_ancestry_deeper_than_any_rule_asks,
    ids_inside_a_namespace,
    a_fork_bomb,
);

const PRELUDE: &str = "import ctypes, os, signal, sys, threading, time, shutil\nlibc = ctypes.CDLL(None, use_errno=True)\n";

fn python_in(directory: &Path, marker: &str, script: &str) {
    run("python3", &["-c", &format!("{PRELUDE}{script}"), marker], directory);
}

fn python(marker: &str, script: &str) {
    python_in(Path::new("/"), marker, script);
}

/// The program that was started with `marker` as its last argument, and is not Python.
async fn start_of(watch: &mut Watch, marker: &str) -> SyscallEvent {
    watch
        .find(marker, |event| {
            matches!(event.happening, Happening::Exec(_))
                && field(event, Field::ProcArgs, None).ends_with(marker)
                && !field(event, Field::ProcName, None).starts_with("python")
        })
        .await
}

#[track_caller]
fn check(event: &SyscallEvent, expected: &[(Field, &str)]) {
    for (name, expected) in expected {
        assert_eq!(field(event, *name, None), *expected, "{name}");
    }
}

async fn a_program_in_memory_only(mut watch: Watch) {
    watch.only(&[]);
    let fill = "m = os.memfd_create('evil', 0)\nos.write(m, open('/bin/true', 'rb').read())\n";
    python("x", &format!("{fill}os.execv(f'/proc/self/fd/{{m}}', ['innocent', 'marker-memfd'])"));
    let event = start_of(&mut watch, "marker-memfd").await;
    check(
        &event,
        &[
            (Field::ProcIsExeFromMemfd, "true"),
            (Field::ProcExepath, "memfd:evil"),
            (Field::ProcExe, "innocent"),
        ],
    );
    assert!(field(&event, Field::EvtArg, Some("flags")).contains("EXE_FROM_MEMFD"));
    python("x", &format!("{fill}os.execve(m, ['innocent', 'marker-memfd-at'], {{}})"));
    let event = start_of(&mut watch, "marker-memfd-at").await;
    check(
        &event,
        &[(Field::ProcIsExeFromMemfd, "true"), (Field::EvtType, "execve"), (Field::ProcEnv, "")],
    );
}

async fn a_program_by_descriptor_whose_file_is_gone(mut watch: Watch) {
    watch.only(&[]);
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    python_in(
        &real,
        "x",
        "shutil.copy('/bin/true', 'gone')\nf = os.open('gone', os.O_RDONLY)\nos.unlink('gone')\nos.execve(f, ['gone', 'marker-gone'], {})",
    );
    let event = start_of(&mut watch, "marker-gone").await;
    check(
        &event,
        &[
            (Field::ProcExepath, real.join("gone").to_str().unwrap()),
            (Field::ProcIsExeFromMemfd, "false"),
            (Field::ProcIsExeWritable, "true"),
        ],
    );
    assert!(field(&event, Field::EvtArg, Some("filename")).starts_with("/dev/fd/"));
}

async fn arguments_longer_than_the_kernel_sends(mut watch: Watch) {
    watch.only(&[]);
    // It stays, so that the rest can be looked up; who is gone at once keeps the first 4095 bytes.
    let mut child = Command::new("python3")
        .args(["-c", "import os\nos.execve('/bin/sh', ['sh', '-c', 'sleep 60; :' + ' ' * 20000 + 'curl evil', 'marker-long'], {'A': 'x' * 9000, 'PATH': '/bin:/usr/bin', 'SECRET': 'found'})"])
        .spawn()
        .unwrap();
    let event = start_of(&mut watch, "marker-long").await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(field(&event, Field::ProcCmdline, None).contains("curl evil"));
    assert_eq!(field(&event, Field::ProcEnv, Some("SECRET")), "found");
    let Happening::Exec(exec) = &event.happening else { panic!("not an exec") };
    assert_eq!(exec.exe_bits & 0b1_1000, 0b1_1000, "told as cut");
}

async fn a_script_is_its_interpreter(mut watch: Watch) {
    watch.only(&[]);
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    python_in(
        &real,
        "x",
        "open('script', 'w').write('#!/bin/sh -e\\nexit 0\\n')\nos.chmod('script', 0o755)\nos.execv('./script', ['other', 'marker-script'])",
    );
    let event = start_of(&mut watch, "marker-script").await;
    check(
        &event,
        &[
            (Field::ProcName, "script"),
            (Field::ProcExe, "/bin/sh"),
            (Field::ProcArgs, "-e ./script marker-script"),
            (Field::ProcExepath, fs::canonicalize("/bin/sh").unwrap().to_str().unwrap()),
        ],
    );
    // Where it is, of whichever mode's test.
    let filename = field(&event, Field::EvtArg, Some("filename"));
    assert!(filename.starts_with('/') && filename.ends_with("/script"), "{filename}");
    assert_eq!(field(&event, Field::EvtRawarg, Some("filename")), "./script");
}

async fn programs_with_more_rights_than_their_caller(mut watch: Watch) {
    watch.only(&[]);
    // Not below a folder that only root may enter.
    let directory = tempfile::Builder::new().prefix("lanner").tempdir_in("/var/tmp").unwrap();
    python_in(
        directory.path(),
        "x",
        "os.chmod('.', 0o755)\nfor name in ('suid', 'caps'): shutil.copy('/bin/true', name)\nos.chmod('suid', 0o4755)\nos.setxattr('caps', 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))\nfor name in ('suid', 'caps'):\n  if os.fork() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n    os.execv('./' + name, [name, 'marker-rights'])\n  os.wait()",
    );
    let event = start_of(&mut watch, "marker-rights").await;
    check(&event, &[(Field::ProcName, "suid"), (Field::UserUid, "0"), (Field::UserName, "root")]);
    assert!(field(&event, Field::ThreadCapEffective, None).contains("CAP_SYS_ADMIN"));
    let event = start_of(&mut watch, "marker-rights").await;
    check(
        &event,
        &[
            (Field::ProcName, "caps"),
            (Field::UserUid, "65534"),
            (Field::ThreadCapEffective, "CAP_NET_RAW"),
            (Field::ThreadCapPermitted, "CAP_NET_RAW"),
            // It is root's, and others may only read it.
            (Field::ProcIsExeWritable, "false"),
        ],
    );
}

async fn bytes_that_are_no_text(mut watch: Watch) {
    watch.only(&[]);
    let directory = tempfile::tempdir().unwrap();
    python_in(
        directory.path(),
        "x",
        "name = b'\\xff\\x1b[31m\\n)'\nshutil.copy('/bin/true', name)\nos.execve(b'./' + name, [b'\\xc0\\x80', b'', b'\\r\\n\\x07', b'marker-bytes'], {b'\\xfe': b'\\xfd'})",
    );
    let event = start_of(&mut watch, "marker-bytes").await;
    let bytes = |field| match event.get(field, None) {
        Some(Value::Text(bytes)) => bytes.into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(bytes(Field::ProcName), b"\xff\x1b[31m\n)");
    assert_eq!(bytes(Field::ProcExe), b"\xc0\x80");
    assert_eq!(bytes(Field::ProcArgs), b" \r\n\x07 marker-bytes");
    assert!(bytes(Field::ProcExepath).ends_with(b"/\xff\x1b[31m\n)"));
    assert_eq!(bytes(Field::ProcEnv), b"\xfe=\xfd");
}

async fn a_thread_becomes_another_program(mut watch: Watch) {
    watch.only(&[]);
    python(
        "x",
        "open('/proc/self/cwd/etc/hostname')\nt = threading.Thread(target=lambda: os.execv('/bin/true', ['true', str(os.getpid()), str(threading.get_native_id()), 'marker-thread']))\nt.start()\nt.join()",
    );
    let event = start_of(&mut watch, "marker-thread").await;
    let args = field(&event, Field::ProcArgs, None);
    let ids: Vec<&str> = args.split(' ').collect();
    assert_ne!(ids[0], ids[1], "not the first thread");
    check(
        &event,
        &[
            (Field::ProcPid, ids[0]),
            // It took over the first one's id.
            (Field::ThreadTid, ids[0]),
            (Field::ProcPpid, &std::process::id().to_string()),
            (Field::ProcName, "true"),
        ],
    );
}

async fn the_first_thread_ends_and_others_go_on(mut watch: Watch) {
    watch.only(&[Call::Openat]);
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    python_in(
        &real,
        "marker-leader",
        "def go_on():\n  while ') Z' not in open('/proc/self/stat').read(): time.sleep(0.01)\n  open('after', 'w').close()\n  os._exit(0)\nthreading.Thread(target=go_on).start()\nlibc.syscall(60, 0)",
    );
    let after = real.join("after").display().to_string();
    let event = watch.find("the file", |event| has(event, Field::FdName, &after)).await;
    assert!(field(&event, Field::ProcCmdline, None).ends_with("marker-leader"));
    assert_ne!(field(&event, Field::ThreadTid, None), field(&event, Field::ProcPid, None));
    check(&event, &[(Field::ProcPpid, &std::process::id().to_string())]);
}

async fn an_orphan_keeps_who_started_it(mut watch: Watch) {
    watch.only(&[]);
    // The reaper is this Python process, not the machine's first one.
    python(
        "marker-reaper",
        "libc.prctl(36, 1)\nwait = \"import os, time\\nwhile os.getppid() == int(os.environ['MIDDLE']): time.sleep(0.01)\\nos.execv('/bin/true', ['true', 'marker-orphan'])\"\nif os.fork() == 0:\n  os.execve('/bin/sh', ['middle', '-c', 'python3 -c \"$WAIT\" & exit 0'], {**os.environ, 'MIDDLE': str(os.getpid()), 'WAIT': wait})\nwhile True:\n  try: os.wait()\n  except ChildProcessError: break",
    );
    let event = start_of(&mut watch, "marker-orphan").await;
    let Happening::Exec(_) = &event.happening else { panic!("not an exec") };
    // In the kernel its parent is the reaper by now.
    assert!(String::from_utf8_lossy(&event.head.parent_comm).starts_with("python3"));
    assert_eq!(field(&event, Field::ProcAname, Some("1")), "sh");
    assert!(field(&event, Field::ProcPcmdline, None).starts_with("sh -c python3 -c"));
    assert!(field(&event, Field::ProcAcmdline, Some("2")).ends_with("marker-reaper"));
    assert_eq!(field(&event, Field::ProcApid, Some("3")), std::process::id().to_string());
}

async fn a_child_given_to_its_makers_parent(mut watch: Watch) {
    watch.only(&[Call::Openat]);
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    // The shell waits for its children, of which this makes one more.
    let script = format!(
        "{PRELUDE}child = libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0)\nif child == 0:\n  open('given', 'w').close()\n  os._exit(0)\nwhile os.path.exists(f'/proc/{{child}}/exe') and 'Z' not in open(f'/proc/{{child}}/stat').read().split(')')[1]: time.sleep(0.01)"
    );
    run("/bin/sh", &["-c", "python3 -c \"$1\" marker-given; true", "sh", &script], &real);
    let given = real.join("given").display().to_string();
    let event = watch.find("the file", |event| has(event, Field::FdName, &given)).await;
    assert!(
        field(&event, Field::ProcCmdline, None).ends_with("marker-given"),
        "its maker's program"
    );
    check(&event, &[(Field::ProcPname, "sh")]);
    assert_eq!(field(&event, Field::ProcApid, Some("2")), std::process::id().to_string());
}

async fn a_name_that_changes(mut watch: Watch) {
    watch.only(&[Call::Openat]);
    python(
        "marker-renamed",
        "libc.prctl(15, b'kworker/0:1')\nopen('/etc/hostname').close()\nif os.fork() == 0:\n  open('/etc/passwd').close()\n  os.execv('/bin/true', ['true', 'marker-of-renamed'])\nos.wait()",
    );
    let event = watch
        .find("open by the renamed", |event| {
            has(event, Field::FdName, "/etc/hostname")
                && field(event, Field::ProcCmdline, None).ends_with("marker-renamed")
        })
        .await;
    // What it was started as stands, so that a rule about its name still finds it.
    assert!(field(&event, Field::ProcName, None).starts_with("python3"));
    let event = start_of(&mut watch, "marker-of-renamed").await;
    assert!(field(&event, Field::ProcPname, None).starts_with("python3"));
}

async fn a_process_id_is_used_again(mut watch: Watch) {
    watch.only(&[]);
    // clone3 with a chosen id: of this namespace, and so of the host's or of a container's. Where
    // somebody else has it by then, it is tried with another one.
    python(
        "x",
        "def make(pid, args):\n  ids = (ctypes.c_int * 1)(pid)\n  clone = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(ids) if pid else 0, 1 if pid else 0, 0)\n  child = libc.syscall(435, clone, 88)\n  if child == 0: os.execv('/bin/true', args)\n  if child < 0:\n    assert ctypes.get_errno() == 17, ctypes.get_errno()\n    return None\n  os.waitpid(child, 0)\n  return child\nwhile True:\n  pid = make(0, ['first', 'marker-reuse'])\n  time.sleep(0.02)\n  if make(pid, ['second', 'marker-reuse']): break",
    );
    let mut first = start_of(&mut watch, "marker-reuse").await;
    let second = loop {
        check(&first, &[(Field::ProcExe, "first")]);
        let next = start_of(&mut watch, "marker-reuse").await;
        if field(&next, Field::ProcExe, None) == "second" {
            break next;
        }
        first = next;
    };
    assert_eq!(field(&first, Field::ProcPid, None), field(&second, Field::ProcPid, None));
    assert_ne!(field(&first, Field::ProcPidTs, None), field(&second, Field::ProcPidTs, None));
    assert_ne!(first.process.key, second.process.key);
}

async fn an_ancestry_deeper_than_any_rule_asks(mut watch: Watch) {
    watch.only(&[]);
    python(
        "x",
        "for level in range(12):\n  if os.fork() != 0:\n    os.wait()\n    os._exit(0)\n  libc.prctl(15, b'level%d' % level)\nos.execv('/bin/true', ['true', 'marker-deep'])",
    );
    let event = start_of(&mut watch, "marker-deep").await;
    let Happening::Exec(exec) = &event.happening else { panic!("not an exec") };
    let sent: Vec<_> =
        exec.ancestors.iter().map(|above| String::from_utf8_lossy(&above.comm)).collect();
    // Itself was level 11, and its parent is in the head.
    assert_eq!(
        sent,
        ["level9", "level8", "level7", "level6", "level5", "level4", "level3", "level2"]
    );
    assert_eq!(String::from_utf8_lossy(&event.head.parent_comm), "level10");
    assert_eq!(field(&event, Field::ProcApid, Some("13")), std::process::id().to_string());
}

async fn ids_inside_a_namespace(mut watch: Watch) {
    watch.only(&[Call::Kill]);
    run(
        "unshare",
        &["--pid", "--fork", "sh", "-c", "sleep 60 & kill -TERM $!; wait; /bin/true marker-inside"],
        Path::new("/"),
    );
    let event = watch
        .find("the signal", |event| {
            event.event_type() == "kill"
                && field(event, Field::ProcCmdline, None).contains("marker-inside")
        })
        .await;
    // The caller's number for it is not the host's.
    let target = field(&event, Field::EvtArg, Some("pid"));
    assert!(target == "sleep" || target == "sh", "{target}, before or after its exec");
    check(&event, &[(Field::ProcVpid, "1")]);
    let event = start_of(&mut watch, "marker-inside").await;
    assert_ne!(field(&event, Field::ProcVpid, None), field(&event, Field::ProcPid, None));
    // The group is from outside of the namespace.
    check(&event, &[(Field::ProcVpgid, "0"), (Field::ProcIsVpgidLeader, "false")]);
    assert!(
        field(&event, Field::ProcSname, None) != "none"
            || field(&event, Field::ProcSid, None) == "0"
    );
}

/// Two thousand, of which each waits for its own two.
async fn a_fork_bomb(mut watch: Watch) {
    watch.only(&[]);
    python(
        "marker-bomb",
        "def split(level):\n  if level == 0: os.execve('/bin/true', ['true', 'marker-leaf'], {})\n  children = []\n  for _ in range(2):\n    child = os.fork()\n    if child == 0: split(level - 1)\n    children.append(child)\n  for child in children: os.waitpid(child, 0)\n  os._exit(0)\nsplit(10)",
    );
    for _ in 0..1024 {
        let event = start_of(&mut watch, "marker-leaf").await;
        assert!(field(&event, Field::ProcAcmdline, Some("10")).ends_with("marker-bomb"));
        assert_eq!(field(&event, Field::ProcApid, Some("11")), std::process::id().to_string());
    }
}
