//! Bytes of the ring buffer, made into typed events by checked reads.
//!
//! ```text
//! record = EventHead │ facts of its kind │ sections, whose lengths the facts hold
//! ```
//!
//! Same layout as `bpf/event.h`, which asserts the same sizes: change both
//! together. Nothing here panics, whatever the bytes are; a record that does not
//! fit is an error that the caller counts.

mod ancestor;
mod call;
mod control;
mod exec_failed;
mod facts;
mod path;
mod path_call;
mod reader;
mod socket;
mod texts;

use self::reader::Reader;
pub use self::{
    ancestor::Ancestor,
    call::{Call, Numbers, SOCKETCALL_NUMBER, SOCKETCALLS},
    control::{Control, Descriptor, Thing},
    exec_failed::ExecFailed,
    facts::{Exec, Exit, Fork, Open, ProcessFacts, exe_bits},
    path::KernelPath,
    path_call::{PathCall, RootMount},
    socket::{End, Role, Socket, SocketFamily, SocketKind},
    texts::{Texts, joined},
};

/// Bytes of an [`EventHead`] on the wire.
pub const HEAD_LEN: usize = 104;
const _: () = assert!(HEAD_LEN == 4 * 8 + 8 * 4 + 2 * 2 + 4 + 2 * 16);

/// The kinds of events the kernel side sends, as their index in its loss counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Exec = 1,
    Fork = 2,
    Exit = 3,
    Open = 4,
    Connect = 5,
    PathCall = 6,
    Accept = 7,
    /// `socket` and `listen`.
    Socket = 8,
    /// What goes through a socket.
    Message = 9,
    Control = 10,
    ExecFailed = 11,
}

impl Family {
    pub const ALL: [Self; 11] = [
        Self::Exec,
        Self::Fork,
        Self::Exit,
        Self::Open,
        Self::Connect,
        Self::PathCall,
        Self::Accept,
        Self::Socket,
        Self::Message,
        Self::Control,
        Self::ExecFailed,
    ];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::Open => "open",
            Self::Connect => "connect",
            Self::PathCall => "path_call",
            Self::Accept => "accept",
            Self::Socket => "socket",
            Self::Message => "message",
            Self::Control => "control",
            Self::ExecFailed => "exec_failed",
        }
    }

    /// Whether later events cannot be understood without this one.
    pub fn is_lifecycle(self) -> bool {
        matches!(self, Self::Exec | Self::Fork | Self::Exit)
    }

    /// Its place in [`Family::ALL`].
    pub fn index(self) -> usize {
        self as usize - 1
    }

    /// The family of a record that is not decoded yet.
    pub fn of_record(record: &[u8]) -> Option<Self> {
        let kind = record.get(KIND_AT..)?.first_chunk()?;
        Self::from_kind(u16::from_ne_bytes(*kind))
    }

    fn from_kind(kind: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|family| *family as u16 == kind)
    }
}

/// Where `kind` is in a record.
const KIND_AT: usize = 4 * 8 + 8 * 4;

/// Added to `call`, as in `bpf/calls.h`.
const CALL_BY_IO_URING: u16 = 0x8000;

/// What every event says about the process that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHead {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`), as all times of the kernel side.
    pub time_ns: u64,
    /// When the process began.
    pub start_ns: u64,
    /// When its parent began.
    pub parent_start_ns: u64,
    /// The deepest control group it is in, told apart from those of other hierarchies.
    pub cgroup_id: u64,
    /// Process id in the host's namespace, as all ids here.
    pub tgid: u32,
    pub tid: u32,
    pub ppid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// The user who logged in; `u32::MAX` for none.
    pub loginuid: u32,
    /// How often the process and its forebears became another program: a process that is
    /// remembered with a smaller number is out of date.
    pub exec_id: u32,
    /// The same of its parent.
    pub parent_exec_id: u32,
    pub family: Family,
    /// Which system call it was; [`Call::Other`] for fork and exit.
    pub call: Call,
    /// It was made through a ring of io_uring, and is told as it is queued: whether it will
    /// succeed is not known, and it looks as if it had.
    pub by_io_uring: bool,
    /// Bytes of the record behind the head: about what the event takes in memory.
    pub payload_len: u32,
    /// The thread's name, at most 15 bytes.
    pub comm: Vec<u8>,
    /// The parent's name.
    pub parent_comm: Vec<u8>,
}

/// One record of the ring buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelEvent {
    pub head: EventHead,
    pub facts: Facts,
}

impl KernelEvent {
    /// About what it takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.head.payload_len as usize
    }

    /// Whether the call names another process by its id.
    pub fn names_another(&self) -> bool {
        matches!(
            self.head.call,
            Call::Kill
                | Call::Tkill
                | Call::Tgkill
                | Call::RtSigqueueinfo
                | Call::RtTgsigqueueinfo
                | Call::PidfdSendSignal
                | Call::Ptrace
        )
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    Exec(Box<Exec>),
    Fork(Box<Fork>),
    Exit(Exit),
    Open(Box<Open>),
    /// Of each family of calls on sockets.
    Socket(Box<Socket>),
    PathCall(Box<PathCall>),
    Control(Box<Control>),
    ExecFailed(Box<ExecFailed>),
}

/// Why a record is not an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("record of {len} bytes ends inside {part}")]
    Short { part: &'static str, len: usize },

    #[error("unknown kind {kind} of event")]
    UnknownKind { kind: u16 },

    #[error("unknown call {call}")]
    UnknownCall { call: u16 },
}

/// Reads one record.
///
/// # Errors
/// When the record is shorter than it says or of an unknown kind. The caller
/// counts it and goes on: one bad record must not stop the sensor.
pub fn decode(record: &[u8]) -> Result<KernelEvent, DecodeError> {
    read(record).map_err(|problem| match problem {
        Problem::Short { part } => DecodeError::Short { part, len: record.len() },
        Problem::UnknownKind { kind } => DecodeError::UnknownKind { kind },
        Problem::UnknownCall { call } => DecodeError::UnknownCall { call },
    })
}

/// [`DecodeError`] before the record's length is known to it.
enum Problem {
    Short { part: &'static str },
    UnknownKind { kind: u16 },
    UnknownCall { call: u16 },
}

fn read(record: &[u8]) -> Result<KernelEvent, Problem> {
    let mut reader = Reader::new(record, "the head");
    let time_ns = reader.u64()?;
    let start_ns = reader.u64()?;
    let parent_start_ns = reader.u64()?;
    let cgroup_id = reader.u64()?;
    let tgid = reader.u32()?;
    let tid = reader.u32()?;
    let ppid = reader.u32()?;
    let uid = reader.u32()?;
    let gid = reader.u32()?;
    let loginuid = reader.u32()?;
    let exec_id = reader.u32()?;
    let parent_exec_id = reader.u32()?;
    let kind = reader.u16()?;
    let call = reader.u16()?;
    let payload_len = reader.u32()?;
    let comm = reader.take(16)?;
    let parent_comm = reader.take(16)?;
    let Some(family) = Family::from_kind(kind) else {
        return Err(Problem::UnknownKind { kind });
    };
    let by_io_uring = call & CALL_BY_IO_URING != 0;
    let call = call & !CALL_BY_IO_URING;
    let Some(call) = Call::from_id(call) else { return Err(Problem::UnknownCall { call }) };
    let head = EventHead {
        time_ns,
        start_ns,
        parent_start_ns,
        cgroup_id,
        tgid,
        tid,
        ppid,
        uid,
        gid,
        loginuid,
        exec_id,
        parent_exec_id,
        family,
        call,
        by_io_uring,
        payload_len,
        comm: reader::until_nul(comm).to_vec(),
        parent_comm: reader::until_nul(parent_comm).to_vec(),
    };
    let payload = reader.take(usize::try_from(payload_len).unwrap_or(usize::MAX))?;
    let mut reader = Reader::new(payload, family.name());
    let facts = match family {
        Family::Exec => Facts::Exec(Box::new(Exec::read(&mut reader)?)),
        Family::Fork => Facts::Fork(Box::new(Fork::read(&mut reader)?)),
        Family::Exit => Facts::Exit(Exit::read(&mut reader)?),
        Family::Open => Facts::Open(Box::new(Open::read(&mut reader)?)),
        Family::Connect | Family::Accept | Family::Socket | Family::Message => {
            Facts::Socket(Box::new(Socket::read(&mut reader)?))
        }
        Family::PathCall => Facts::PathCall(Box::new(PathCall::read(&mut reader)?)),
        Family::Control => Facts::Control(Box::new(Control::read(&mut reader)?)),
        Family::ExecFailed => Facts::ExecFailed(Box::new(ExecFailed::read(&mut reader)?)),
    };
    Ok(KernelEvent { head, facts })
}
