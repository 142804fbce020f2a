//! Calls whose arguments are numbers, and programs that could not be started, seen through the
//! real kernel programs. Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{net::TcpListener, path::Path};

use lanner_engine::Field;
use lanner_sensor::{decode::Call, event::SyscallEvent};

use crate::watch::{Watch, field, run};

in_each_mode!(
    standard_input_from_a_connection,
    copies_of_files_and_pipes,
    users_are_named,
    namespaces_are_told_by_their_kind,
    capabilities_of_who_enters_a_namespace,
    a_traced_process_is_named,
    bpf_and_userfaultfd,
    modules_with_their_parameters,
    signals_name_their_target,
    signals_by_other_calls_do_so_too,
    what_could_not_be_started,
);

const SIGNALS: [Call; 6] = [
    Call::Kill,
    Call::Tkill,
    Call::Tgkill,
    Call::RtSigqueueinfo,
    Call::RtTgsigqueueinfo,
    Call::PidfdSendSignal,
];

/// Runs a Python program whose command line has `marker` in it.
fn python(marker: &str, script: &str) {
    let script = format!(
        "import ctypes, os, signal, socket, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n{script}"
    );
    run("python3", &["-c", &script, marker], Path::new("/"));
}

/// A call of the process that was given `marker`.
async fn call_of(
    watch: &mut Watch,
    marker: &str,
    event_type: &str,
    arg: (&str, &str),
) -> SyscallEvent {
    watch
        .find(&format!("{event_type} with {arg:?}"), |event| {
            event.event_type() == event_type
                && field(event, Field::ProcCmdline, None).ends_with(marker)
                && field(event, Field::EvtArg, Some(arg.0)) == arg.1
        })
        .await
}

#[track_caller]
fn check(event: &SyscallEvent, expected: &[(Field, Option<&str>, &str)]) {
    for (name, arg, expected) in expected {
        assert_eq!(field(event, *name, *arg), *expected, "{name}{arg:?} of {}", event.event_type());
    }
}

async fn standard_input_from_a_connection(mut watch: Watch) {
    watch.only(&[Call::Dup, Call::Dup2, Call::Dup3]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    python(
        "marker-dup",
        &format!(
            "s = socket.create_connection(('127.0.0.1', {port}))\nos.dup2(s.fileno(), 0)\nos.dup2(s.fileno(), 9, inheritable=False)\nos.dup(s.fileno())"
        ),
    );
    let (_, peer) = listener.accept().unwrap();
    let name = format!("127.0.0.1:{}->127.0.0.1:{port}", peer.port());
    let marked = format!("<4t>{name}");
    let event = call_of(&mut watch, "marker-dup", "dup2", ("newfd", &marked)).await;
    check(
        &event,
        &[
            (Field::EvtRawres, None, "0"),
            (Field::EvtArg, Some("res"), &marked),
            (Field::EvtArg, Some("oldfd"), &marked),
            (Field::FdNum, None, "0"),
            (Field::FdType, None, "ipv4"),
            (Field::FdTypechar, None, "4"),
            (Field::FdName, None, &name),
            (Field::FdL4proto, None, "tcp"),
            (Field::FdSip, None, "127.0.0.1"),
            (Field::FdSport, None, &port.to_string()),
            (Field::FdLport, None, &peer.port().to_string()),
        ],
    );
    let event = call_of(&mut watch, "marker-dup", "dup3", ("flags", "O_CLOEXEC")).await;
    check(&event, &[(Field::EvtRawres, None, "9"), (Field::FdName, None, &name)]);
}

async fn copies_of_files_and_pipes(mut watch: Watch) {
    watch.only(&[Call::Dup2]);
    python(
        "marker-copies",
        "f = os.open('/etc/passwd', os.O_RDONLY)\nos.dup2(f, 20)\nr, w = os.pipe()\nos.dup2(r, 21)\ne = os.eventfd(0)\nos.dup2(e, 22)\nm = os.memfd_create('x')\nos.dup2(m, 23)\nd = os.open('/etc', os.O_RDONLY)\nos.dup2(d, 24)\nlibc.dup2(999, 25)\nlibc.dup2(f, -1)",
    );
    let copy = async |watch: &mut Watch, number: &str| {
        watch
            .find(number, |event| {
                event.event_type() == "dup2"
                    && field(event, Field::ProcCmdline, None).ends_with("marker-copies")
                    && field(event, Field::FdNum, None) == number
            })
            .await
    };
    let event = copy(&mut watch, "20").await;
    check(
        &event,
        &[
            (Field::FdName, None, "/etc/passwd"),
            (Field::FdDirectory, None, "/etc"),
            (Field::FdFilename, None, "passwd"),
            (Field::FdTypechar, None, "f"),
            (Field::EvtArg, Some("oldfd"), "<f>/etc/passwd"),
        ],
    );
    let event = copy(&mut watch, "21").await;
    check(&event, &[(Field::FdType, None, "pipe")]);
    assert!(field(&event, Field::FdName, None).starts_with("pipe:["));
    for (number, kind, mark) in
        [("22", "event", "e"), ("23", "memfd", "m"), ("24", "directory", "d")]
    {
        let event = copy(&mut watch, number).await;
        check(&event, &[(Field::FdType, None, kind), (Field::FdTypechar, None, mark)]);
    }
    // Nothing is there to be copied, and nowhere to put it.
    let event = copy(&mut watch, "999").await;
    check(&event, &[(Field::EvtRes, None, "EBADF"), (Field::EvtArg, Some("oldfd"), "999")]);
    let event = call_of(&mut watch, "marker-copies", "dup2", ("newfd", "EPERM")).await;
    check(&event, &[(Field::EvtArg, Some("res"), "EBADF"), (Field::FdName, None, "/etc/passwd")]);
}

async fn users_are_named(mut watch: Watch) {
    watch.only(&[Call::Setuid]);
    python("marker-setuid", "libc.setuid(4242)\nlibc.setuid(0)");
    let event = call_of(&mut watch, "marker-setuid", "setuid", ("uid", "<NA>")).await;
    check(
        &event,
        &[
            (Field::EvtRes, None, "SUCCESS"),
            (Field::EvtArg, Some("res"), "0"),
            // It is that user now, and lost what root may do, without another program.
            (Field::UserUid, None, "4242"),
            (Field::ThreadCapEffective, None, ""),
        ],
    );
    let event = call_of(&mut watch, "marker-setuid", "setuid", ("uid", "root")).await;
    check(
        &event,
        &[
            (Field::EvtRes, None, "EPERM"),
            (Field::EvtArg, Some("res"), "EPERM"),
            (Field::UserUid, None, "4242"),
        ],
    );
}

async fn namespaces_are_told_by_their_kind(mut watch: Watch) {
    watch.only(&[Call::Unshare, Call::Setns]);
    python(
        "marker-ns",
        "libc.unshare(0x04000000 | 0x00020000)\nf = os.open('/proc/self/ns/uts', os.O_RDONLY)\nprint(libc.setns(f, 0x04000000))\nlibc.setns(f, 0)\nlibc.unshare(0)",
    );
    let event =
        call_of(&mut watch, "marker-ns", "unshare", ("flags", "CLONE_NEWNS|CLONE_NEWUTS")).await;
    check(&event, &[(Field::EvtRes, None, "SUCCESS"), (Field::FdName, None, "none")]);
    assert!(field(&event, Field::ThreadCapPermitted, None).contains("CAP_CHOWN"));
    let event = call_of(&mut watch, "marker-ns", "setns", ("nstype", "CLONE_NEWUTS")).await;
    check(&event, &[(Field::EvtRes, None, "SUCCESS"), (Field::FdTypechar, None, "f")]);
    let name = field(&event, Field::FdName, None);
    assert!(name.starts_with("uts:["), "{name}");
    assert_eq!(field(&event, Field::EvtArg, Some("fd")), format!("<f>{name}"));
    call_of(&mut watch, "marker-ns", "setns", ("nstype", "0")).await;
    call_of(&mut watch, "marker-ns", "unshare", ("flags", "0")).await;
}

async fn capabilities_of_who_enters_a_namespace(mut watch: Watch) {
    watch.only(&[Call::Unshare, Call::Setns]);
    // Without CAP_KILL, by capset. Then a namespace of mounts, and those of users: of root, and of
    // nobody.
    python(
        "marker-caps",
        "head = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
libc.capget(head, sets)
for place in (0, 1): sets[place] &= ~(1 << 5)
assert libc.capset(head, sets) == 0
assert libc.unshare(0x00020000) == 0
f = os.open('/proc/self/ns/mnt', os.O_RDONLY)
assert libc.setns(f, 0) == 0
if os.fork() == 0:
  assert libc.unshare(0x10000000) == 0
  os._exit(0)
os.wait()
if os.fork() == 0:
  os.setgroups([]); os.setgid(65534); os.setuid(65534)
  libc.unshare(0x10000000)
  os._exit(0)
os.wait()",
    );
    let caps = |event: &SyscallEvent| field(event, Field::ThreadCapPermitted, None);
    let event = call_of(&mut watch, "marker-caps", "unshare", ("flags", "CLONE_NEWNS")).await;
    assert!(caps(&event).contains("CAP_CHOWN") && !caps(&event).contains("CAP_KILL"), "exact");
    let event = call_of(&mut watch, "marker-caps", "setns", ("nstype", "0")).await;
    assert!(caps(&event).contains("CAP_CHOWN") && !caps(&event).contains("CAP_KILL"), "exact");
    let event = call_of(&mut watch, "marker-caps", "unshare", ("flags", "CLONE_NEWUSER")).await;
    // A fork tells what its maker had, so the child of who dropped one has it not.
    assert!(caps(&event).contains("CAP_CHOWN") && !caps(&event).contains("CAP_KILL"));
    let event = call_of(&mut watch, "marker-caps", "unshare", ("flags", "CLONE_NEWUSER")).await;
    check(&event, &[(Field::ThreadCapPermitted, None, "")]);
}

async fn a_traced_process_is_named(mut watch: Watch) {
    watch.only(&[Call::Ptrace]);
    // It has its name before the kernel tells of the exec: what it answers comes after that.
    python(
        "marker-ptrace",
        "import subprocess\nprey = subprocess.Popen(['prey'], executable='/bin/cat', stdin=-1, stdout=-1)\nprey.stdin.write(b'x')\nprey.stdin.flush()\nprey.stdout.read(1)\nchild = prey.pid\nlibc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]\nlibc.ptrace(16, child, None, None)\nos.waitpid(child, 0)\nlibc.ptrace(17, child, None, 18)\nlibc.ptrace(0x4206, 0x7ffffff, None, 5)\nlibc.ptrace(0, 0, None, None)\nos.kill(child, 9)\nos.wait()",
    );
    let event = call_of(&mut watch, "marker-ptrace", "ptrace", ("request", "PTRACE_ATTACH")).await;
    check(
        &event,
        &[
            (Field::EvtArg, Some("pid"), "cat"),
            (Field::EvtRes, None, "SUCCESS"),
            (Field::EvtArg, Some("data"), "0"),
        ],
    );
    let event = call_of(&mut watch, "marker-ptrace", "ptrace", ("request", "PTRACE_DETACH")).await;
    check(&event, &[(Field::EvtArg, Some("data"), "SIGCONT")]);
    let event = call_of(&mut watch, "marker-ptrace", "ptrace", ("request", "PTRACE_SEIZE")).await;
    check(&event, &[(Field::EvtRes, None, "ESRCH"), (Field::EvtArg, Some("pid"), "134217727")]);
    call_of(&mut watch, "marker-ptrace", "ptrace", ("request", "PTRACE_TRACEME")).await;
}

async fn bpf_and_userfaultfd(mut watch: Watch) {
    watch.only(&[Call::Bpf, Call::Userfaultfd]);
    python(
        "marker-bpf",
        "attr = (ctypes.c_uint32 * 32)(2, 4, 8, 1)\nlibc.syscall(321, 0, attr, 128)\nlibc.syscall(321, 5, None, 0)\nlibc.syscall(321, 999, None, 0)\nlibc.syscall(323, 0o2000000 | 0o4000)",
    );
    let event = call_of(&mut watch, "marker-bpf", "bpf", ("cmd", "BPF_MAP_CREATE")).await;
    check(&event, &[(Field::EvtRes, None, "SUCCESS"), (Field::FdTypechar, None, "b")]);
    let event = call_of(&mut watch, "marker-bpf", "bpf", ("cmd", "BPF_PROG_LOAD")).await;
    check(&event, &[(Field::EvtFailed, None, "true"), (Field::FdTypechar, None, "none")]);
    call_of(&mut watch, "marker-bpf", "bpf", ("cmd", "999")).await;
    let event =
        call_of(&mut watch, "marker-bpf", "userfaultfd", ("flags", "O_NONBLOCK|O_CLOEXEC")).await;
    // A kernel built without it says so.
    match field(&event, Field::EvtRes, None).as_str() {
        "SUCCESS" => check(&event, &[(Field::FdType, None, "userfaultfd")]),
        other => assert_eq!(other, "ENOSYS"),
    }
}

/// None is loaded: the file is no module, if the kernel takes any at all.
async fn modules_with_their_parameters(mut watch: Watch) {
    if !watch.has_tracepoint("modules_with_their_parameters", Call::FinitModule) {
        return;
    }
    watch.only(&[Call::InitModule, Call::FinitModule]);
    python(
        "marker-module",
        "f = os.open('/etc/passwd', os.O_RDONLY)\nlibc.syscall(313, f, b'debug=1', 4)\nlibc.syscall(175, b'no module', 9, b'hide=1')",
    );
    let event = call_of(&mut watch, "marker-module", "finit_module", ("uargs", "debug=1")).await;
    check(
        &event,
        &[
            (Field::EvtFailed, None, "true"),
            (Field::EvtArg, Some("fd"), "<f>/etc/passwd"),
            (Field::EvtArg, Some("flags"), "MODULE_INIT_COMPRESSED_FILE"),
            (Field::FdName, None, "/etc/passwd"),
        ],
    );
    assert!(field(&event, Field::ThreadCapEffective, None).contains("CAP_SYS_MODULE"));
    let event = call_of(&mut watch, "marker-module", "init_module", ("uargs", "hide=1")).await;
    check(&event, &[(Field::EvtArg, Some("length"), "9"), (Field::EvtFailed, None, "true")]);
}

async fn signals_name_their_target(mut watch: Watch) {
    watch.only(&SIGNALS);
    // Popen returns before the kernel tells of the exec: what the child answers comes after it.
    python(
        "marker-kill",
        "import subprocess\nchild = subprocess.Popen(['/bin/cat'], stdin=-1, stdout=-1)\nchild.stdin.write(b'x')\nchild.stdin.flush()\nchild.stdout.read(1)\nos.kill(child.pid, 0)\nlibc.syscall(234, child.pid, child.pid, signal.SIGTERM)\nchild.wait()\nos.setpgid(0, 0)\nos.kill(0, signal.SIGCONT)\nlibc.kill(-os.getpid(), 35) if False else libc.kill(-0x7ffffff, 35)\nlibc.syscall(200, 0x7ffffff, signal.SIGKILL)",
    );
    let event = call_of(&mut watch, "marker-kill", "kill", ("pid", "cat")).await;
    check(&event, &[(Field::EvtArg, Some("sig"), "0"), (Field::EvtRes, None, "SUCCESS")]);
    let event = call_of(&mut watch, "marker-kill", "tgkill", ("sig", "SIGTERM")).await;
    check(&event, &[(Field::EvtArg, Some("pid"), "cat"), (Field::EvtArg, Some("tid"), "cat")]);
    let event = call_of(&mut watch, "marker-kill", "kill", ("pid", "0")).await;
    check(&event, &[(Field::EvtArg, Some("sig"), "SIGCONT")]);
    let event = call_of(&mut watch, "marker-kill", "kill", ("pid", "-134217727")).await;
    check(&event, &[(Field::EvtArg, Some("sig"), "35"), (Field::EvtRes, None, "ESRCH")]);
    let event = call_of(&mut watch, "marker-kill", "tkill", ("sig", "SIGKILL")).await;
    check(&event, &[(Field::EvtArg, Some("tid"), "134217727")]);
}

/// By a pidfd, by a folder of `/proc` that stands for one, and with data.
async fn signals_by_other_calls_do_so_too(mut watch: Watch) {
    if !watch.has_tracepoint("signals_by_other_calls_do_so_too", Call::PidfdSendSignal) {
        return;
    }
    watch.only(&SIGNALS);
    python(
        "marker-signal",
        "import subprocess\nchild = subprocess.Popen(['/bin/cat'], stdin=-1, stdout=-1)\nchild.stdin.write(b'x')\nchild.stdin.flush()\nchild.stdout.read(1)\npidfd = os.pidfd_open(child.pid)\nfolder = os.open(f'/proc/{child.pid}', os.O_DIRECTORY)\nlibc.syscall(424, pidfd, 0, None, 0)\nlibc.syscall(424, folder, signal.SIGCONT, None, 0)\nlibc.syscall(424, 0, signal.SIGUSR1, None, 0)\nlibc.syscall(424, 999, signal.SIGUSR2, None, 0)\ninfo = (ctypes.c_int32 * 32)(0, 0, -1)\nlibc.syscall(129, child.pid, signal.SIGCONT, info)\nlibc.syscall(297, child.pid, child.pid, signal.SIGTERM, info)\nchild.wait()",
    );
    let event = call_of(&mut watch, "marker-signal", "pidfd_send_signal", ("sig", "0")).await;
    check(&event, &[(Field::EvtArg, Some("pid"), "cat"), (Field::EvtRes, None, "SUCCESS")]);
    let event = call_of(&mut watch, "marker-signal", "pidfd_send_signal", ("sig", "SIGCONT")).await;
    check(&event, &[(Field::EvtArg, Some("pid"), "cat"), (Field::EvtRes, None, "SUCCESS")]);
    for (signal, descriptor) in [("SIGUSR1", "0"), ("SIGUSR2", "999")] {
        let event =
            call_of(&mut watch, "marker-signal", "pidfd_send_signal", ("sig", signal)).await;
        check(&event, &[(Field::EvtArg, Some("pid"), "none"), (Field::EvtRes, None, "EBADF")]);
        check(&event, &[(Field::EvtArg, Some("pid_fd"), descriptor)]);
    }
    let event = call_of(&mut watch, "marker-signal", "rt_sigqueueinfo", ("pid", "cat")).await;
    check(&event, &[(Field::EvtArg, Some("sig"), "SIGCONT"), (Field::EvtRes, None, "SUCCESS")]);
    let event = call_of(&mut watch, "marker-signal", "rt_tgsigqueueinfo", ("tid", "cat")).await;
    check(&event, &[(Field::EvtArg, Some("pid"), "cat"), (Field::EvtArg, Some("sig"), "SIGTERM")]);
}

async fn what_could_not_be_started(mut watch: Watch) {
    watch.only(&[Call::Execve, Call::Execveat]);
    python(
        "marker-exec",
        "try: os.execv('/etc/passwd', ['sh', '-c', 'evil'])\nexcept OSError: pass\nos.chdir('/usr')\ntry: os.execv('./no/../such', ['x'])\nexcept OSError: pass\nd = os.open('/etc', os.O_RDONLY)\nargv = (ctypes.c_char_p * 3)(b'a' * 300, b'two', None)\nlibc.syscall(322, d, b'none', argv, None, 0x1000)",
    );
    let event = call_of(&mut watch, "marker-exec", "execve", ("filename", "/etc/passwd")).await;
    check(
        &event,
        &[
            (Field::EvtRes, None, "EACCES"),
            (Field::EvtArg, Some("res"), "EACCES"),
            (Field::EvtArg, Some("exe"), "sh"),
            (Field::EvtArg, Some("args"), "-c.evil."),
            (Field::EvtFailed, None, "true"),
        ],
    );
    assert!(field(&event, Field::ProcName, None).starts_with("python3"));
    let event = call_of(&mut watch, "marker-exec", "execve", ("filename", "/usr/such")).await;
    check(&event, &[(Field::EvtRes, None, "ENOENT")]);
    let event = call_of(&mut watch, "marker-exec", "execveat", ("filename", "/etc/none")).await;
    check(&event, &[(Field::EvtArg, Some("args"), "two."), (Field::EvtRes, None, "ENOENT")]);
    assert_eq!(field(&event, Field::EvtArg, Some("exe")), "a".repeat(255));
}
