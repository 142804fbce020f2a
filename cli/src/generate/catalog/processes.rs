//! Programs from where programs do not come from, and processes that reach into others.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use nix::{
    sys::{ptrace, wait::waitpid},
    unistd::Pid,
};

use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process, Start},
    processes::{ORDERS, WAIT},
    told::{Doer, comm},
};

/// It is our own program, wherever it is run from.
const OURSELVES: Action =
    Action { harmless: "the program is our own, ends at once, and its copy is removed", ..ACTION };

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "drop-and-execute",
        does: "copies a program into a container and runs it",
        rules: &["Drop and execute new binary in container"],
        falco: &["Drop and execute new binary in container"],
        mitre: "T1105",
        needs: &[Need::Root],
        place: Place::Container,
        processes: &[
            PROCESS,
            Process {
                program: "dropped",
                start: Start::SpawnCopyIn("/opt/lanner-generate-<token>"),
                ..PROCESS
            },
        ],
        leaves: &["/opt/lanner-generate-<token>"],
        ..OURSELVES
    },
    Action {
        name: "execute-from-memory",
        does: "runs a program from a memory file",
        rules: &["Fileless execution via memfd_create"],
        falco: &["Fileless execution via memfd_create"],
        mitre: "T1620",
        processes: &[PROCESS, Process { program: "memory", start: Start::ExecMemory, ..PROCESS }],
        ..OURSELVES
    },
    Action {
        name: "execute-descriptor",
        does: "runs grep with what private keys begin with, by execveat of an open file",
        rules: &["Search Private Keys or Passwords"],
        falco: &[],
        mitre: "T1552.001",
        event: "execveat",
        processes: &[
            PROCESS,
            Process {
                program: "grep",
                args: &["BEGIN OPENSSH PRIVATE KEY", "<token>"],
                start: Start::ExecDescriptor,
                ..PROCESS
            },
        ],
        ..OURSELVES
    },
    Action {
        name: "execute-from-shared-memory",
        does: "runs a program in /dev/shm",
        rules: &["Execution from /dev/shm"],
        falco: &["Execution from /dev/shm"],
        mitre: "T1059.004",
        needs: &[Need::File("/dev/shm")],
        processes: &[
            PROCESS,
            Process {
                program: "payload",
                start: Start::SpawnCopyIn("/dev/shm/lanner-generate-<token>"),
                ..PROCESS
            },
        ],
        leaves: &["/dev/shm/lanner-generate-<token>"],
        ..OURSELVES
    },
    Action {
        name: "attach-to-process",
        does: "attaches to a child of its own as a debugger does",
        harmless: "the child does nothing but wait, and is ended",
        rules: &["PTRACE attached to process"],
        falco: &["PTRACE attached to process"],
        mitre: "T1055.008",
        event: "ptrace",
        act: |doer| attach(doer, Path::new("/proc/self/exe")),
        ..ACTION
    },
    Action {
        name: "attach-to-lanner",
        does: "attaches to a child of its own that is called lanner-sensor",
        harmless: "the child does nothing but wait, and is ended",
        rules: &["Lanner traced"],
        mitre: "T1562.001",
        event: "ptrace",
        act: |doer| {
            let sensor = our_sensor(doer)?;
            attach(doer, &sensor)
        },
        ..ACTION
    },
    Action {
        name: "kill-lanner",
        does: "kills a child of its own that is called lanner-sensor",
        harmless: "the child does nothing but wait for it",
        rules: &["Signal to Lanner"],
        mitre: "T1562.001",
        event: "kill",
        act: |doer| {
            let sensor = our_sensor(doer)?;
            let mut child = waiting_child(&sensor)?;
            let killed = child.kill().context("cannot kill the child");
            let _ = child.wait();
            doer.expect("evt.arg.sig", "SIGKILL");
            killed
        },
        ..ACTION
    },
    Action {
        name: "refuse-debugger",
        does: "has its parent be its debugger, so that nobody else can",
        harmless: "the process ends at once",
        rules: &["PTRACE anti-debug attempt"],
        falco: &["PTRACE anti-debug attempt"],
        mitre: "T1622",
        event: "ptrace",
        act: |_| ptrace::traceme().context("cannot be traced"),
        ..ACTION
    },
];

/// Our own program by the sensor's name.
fn our_sensor(doer: &Doer) -> anyhow::Result<PathBuf> {
    let sensor = doer.own("lanner-sensor");
    fs::hard_link(doer.own(PROCESS.program), &sensor).context("cannot give our program a name")?;
    Ok(sensor)
}

/// A child that runs its own program by now: one that was only just started has its parent's
/// name still.
fn waiting_child(program: &Path) -> anyhow::Result<Child> {
    let mut child = Command::new(program)
        .env(ORDERS, WAIT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a child")?;
    let mut word = [0];
    let said = child.stdout.as_mut().context("the child has no output")?.read_exact(&mut word);
    said.context("the child does not begin")?;
    Ok(child)
}

fn attach(doer: &mut Doer, program: &Path) -> anyhow::Result<()> {
    let mut child = waiting_child(program)?;
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id")?);
    let attached = ptrace::attach(pid).context("cannot attach");
    if attached.is_ok() {
        // It has to have stopped before it can be let go.
        waitpid(pid, None).context("cannot wait for the child")?;
        ptrace::detach(pid, None).context("cannot detach")?;
    }
    let _ = child.kill();
    let _ = child.wait();
    doer.expect("evt.type", "ptrace");
    doer.expect("evt.arg.request", "PTRACE_ATTACH");
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    doer.expect("evt.arg.pid", comm(&name));
    attached
}
