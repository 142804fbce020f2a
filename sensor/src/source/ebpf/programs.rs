//! Which programs there are, and what each is for.

use crate::decode::{Call, Family};

/// A program, and the tracepoint of the kernel that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    pub name: &'static str,
    pub tracepoint: &'static str,
}

/// What always runs: without it nothing that comes later can be understood.
pub const LIFECYCLE: [Hook; 3] = [
    Hook { name: "on_exec", tracepoint: "sched_process_exec" },
    Hook { name: "on_fork", tracepoint: "sched_process_fork" },
    Hook { name: "on_exit", tracepoint: "sched_process_exit" },
];

/// What `HANDLER(name)` of the kernel side is for.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    pub name: &'static str,
    pub family: Family,
    pub calls: &'static [Call],
}

pub const HANDLERS: [Handler; 10] = [
    Handler {
        name: "open",
        family: Family::Open,
        calls: &[Call::Open, Call::Openat, Call::Openat2, Call::Creat, Call::OpenByHandleAt],
    },
    Handler { name: "connect", family: Family::Connect, calls: &[Call::Connect] },
    Handler {
        name: "path_call",
        family: Family::PathCall,
        calls: &[
            Call::Unlink,
            Call::Unlinkat,
            Call::Rmdir,
            Call::Rename,
            Call::Renameat,
            Call::Renameat2,
            Call::Mkdir,
            Call::Mkdirat,
            Call::Link,
            Call::Linkat,
            Call::Symlink,
            Call::Symlinkat,
            Call::Chmod,
            Call::Fchmod,
            Call::Fchmodat,
            Call::Fchmodat2,
        ],
    },
    Handler { name: "accept", family: Family::Accept, calls: &[Call::Accept, Call::Accept4] },
    Handler { name: "listen", family: Family::Socket, calls: &[Call::Listen] },
    Handler { name: "socket", family: Family::Socket, calls: &[Call::Socket] },
    Handler {
        name: "message",
        family: Family::Message,
        calls: &[Call::Sendto, Call::Sendmsg, Call::Recvfrom, Call::Recvmsg],
    },
    Handler { name: "messages", family: Family::Message, calls: &[Call::Sendmmsg, Call::Recvmmsg] },
    Handler {
        name: "control",
        family: Family::Control,
        calls: &[
            Call::Dup,
            Call::Dup2,
            Call::Dup3,
            Call::Setuid,
            Call::Setns,
            Call::Unshare,
            Call::Ptrace,
            Call::InitModule,
            Call::FinitModule,
            Call::Bpf,
            Call::Userfaultfd,
            Call::Kill,
            Call::Tkill,
            Call::Tgkill,
            Call::RtSigqueueinfo,
            Call::RtTgsigqueueinfo,
            Call::PidfdSendSignal,
        ],
    },
    Handler {
        name: "exec_failed",
        family: Family::ExecFailed,
        calls: &[Call::Execve, Call::Execveat],
    },
];

/// Every call that some handler is for.
pub fn handled_calls() -> impl Iterator<Item = Call> {
    HANDLERS.iter().flat_map(|handler| handler.calls.iter().copied())
}
