//! An event with all that is known about who caused it, as the rules see it.
//!
//! ```text
//! KernelEvent + Process + ancestors + container + names ─▶ SyscallEvent ─▶ engine
//! ```
//!
//! A file has two names: the text that Falco would show (working directory and
//! argument) and the path of the file that was really opened. Where they differ
//! the engine evaluates rules with each, never with a mixture.

mod arguments;
mod container_fields;
mod control;
pub(crate) mod control_names;
mod descriptor;
mod errno;
mod fd_fields;
pub(crate) mod names;
pub mod path;
pub mod path_call;
mod process_fields;
mod raw_arguments;
pub mod recording;
mod socket;
pub(crate) mod socket_arguments;

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use lanner_alert::Entity;
use lanner_engine::{Event, Field, Value};

use self::path_call::PathTexts;
use crate::{
    decode::{Control, EventHead, Exec, ExecFailed, Family, KernelPath, Open, PathCall, Socket},
    enrich::{
        Node,
        container::ContainerId,
        metadata::{ContainerInfo, Known},
        process::Process,
        users::UserNames,
    },
};

/// What happened, without what only the process cache needs.
#[derive(Clone, Debug)]
pub enum Happening {
    Exec(Box<Exec>),
    Open {
        open: Box<Open>,
        /// Working directory and argument, made plain as text.
        lexical: Vec<u8>,
        /// The file that was opened, where that is known and another path.
        resolved: Option<Vec<u8>>,
    },
    /// Of each call on a socket.
    Socket(Box<Socket>),
    PathCall {
        call: Box<PathCall>,
        /// As Falco would show them.
        shown: PathTexts,
        /// What they mean, where that is not to be seen.
        plain: Option<PathTexts>,
        /// They could not be read, or go through directories that could not be looked up any more.
        unseen: bool,
    },
    /// A container started, or runs already; no system call.
    Container,
    Control(Box<Control>),
    /// The process is what it was.
    ExecFailed {
        failed: Box<ExecFailed>,
        /// Working directory and the path asked for, made plain as text.
        path: Vec<u8>,
    },
}

/// `evt.type` of [`Happening::Container`], as Falco calls it.
pub const CONTAINER_EVENT: &str = "container";

/// One system call.
#[derive(Clone, Debug)]
pub struct SyscallEvent {
    /// Counts from 1.
    pub number: u64,
    /// Nanoseconds since the epoch.
    pub time_ns: i64,
    /// What to add to a time since boot to get one since the epoch.
    pub boot_time_ns: i64,
    pub head: EventHead,
    pub happening: Happening,
    pub process: Arc<Process>,
    pub container: Option<Arc<ContainerId>>,
    /// Looked up when a rule asks, as the next four are: most events match nothing, and the rules
    /// can tell that without.
    pub ancestors: OnceLock<Vec<Arc<Process>>>,
    pub session_leader: OnceLock<Option<Arc<Process>>>,
    pub names: OnceLock<UserNames>,
    pub info: OnceLock<Known>,
    pub node: Arc<Node>,
}

/// Which of a file's names a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathChoice {
    Lexical,
    Resolved,
}

/// A [`SyscallEvent`] with one of its file's names.
#[derive(Clone, Copy, Debug)]
struct View<'a> {
    event: &'a SyscallEvent,
    path: PathChoice,
}

impl SyscallEvent {
    /// The path of the file that was really opened, or that a server's socket is really bound to,
    /// where it is known and not the one that `fd.name` shows.
    fn resolved_path(&self) -> Option<&[u8]> {
        match &self.happening {
            Happening::Open { resolved, .. } => resolved.as_deref(),
            Happening::Socket(socket) => socket.other_path(),
            _ => None,
        }
    }

    /// A file was opened or named, and only the program's text says which.
    fn has_unseen_file(&self) -> bool {
        match &self.happening {
            Happening::Open { open, .. } => {
                open.unseen || matches!(open.resolved, Some(KernelPath::Cut))
            }
            Happening::PathCall { unseen, .. } => *unseen,
            _ => false,
        }
    }

    /// `evt.type`.
    pub fn event_type(&self) -> &'static str {
        match self.happening {
            Happening::Container => CONTAINER_EVENT,
            // A successful execveat is an execve, as in Falco: the kernel side says so.
            _ => self.head.call.name(),
        }
    }

    /// The parent first.
    pub fn ancestors(&self) -> &[Arc<Process>] {
        self.ancestors.get_or_init(|| self.node.ancestors_of(&self.head, &self.process))
    }

    pub fn session_leader(&self) -> Option<&Process> {
        let find = || self.node.session_leader(self.process.facts.sid);
        self.session_leader.get_or_init(find).as_deref()
    }

    /// Names of its users and groups.
    pub fn names(&self) -> &UserNames {
        self.names.get_or_init(|| self.node.names_of(&self.head, self.container.as_deref()))
    }

    /// What the runtime told of its container.
    pub fn info(&self) -> Option<&ContainerInfo> {
        let container = self.container.as_ref()?;
        match self.info.get_or_init(|| self.node.container_info(&container.full)) {
            Known::Info(info) => Some(info),
            Known::Pending | Known::Nothing => None,
        }
    }

    /// Whether a rule asked for what the runtime did not answer yet: what the rules said of
    /// the event is not to be trusted before it did, or let us wait too long.
    pub fn asked_too_early(&self) -> bool {
        matches!(self.info.get(), Some(Known::Pending))
    }

    /// In a container of which nothing but the id is known.
    pub fn is_incomplete(&self) -> bool {
        self.container.is_some() && self.known_info().is_none()
    }

    /// As [`SyscallEvent::info`], without having asked: an alert that needs none of it has
    /// what there is, and does not wait.
    fn known_info(&self) -> Option<Arc<ContainerInfo>> {
        let container = self.container.as_ref()?;
        let known = match self.info.get() {
            Some(known) => known.clone(),
            None => self.node.container_info(&container.full),
        };
        match known {
            Known::Info(info) => Some(info),
            Known::Pending | Known::Nothing => None,
        }
    }

    /// About what it takes in memory. Of its process only what is its own: the program that it
    /// starts may have longer arguments than the kernel tells.
    pub fn size_bytes(&self) -> usize {
        let image = &self.process.image;
        let of_program = match self.happening {
            Happening::Exec(_) => image.args.size_bytes() + image.env.size_bytes(),
            _ => 0,
        };
        size_of::<Self>() + self.head.payload_len as usize + of_program
    }

    /// Looks up all that is looked up on demand, for whoever keeps the event for later.
    pub fn complete(&self) {
        self.ancestors();
        self.session_leader();
        self.names();
        self.info();
    }

    /// Who and what an alert about this event is about.
    pub fn entity(&self) -> Entity {
        let info = self.known_info();
        let pod = info.as_ref().and_then(|info| info.pod.as_ref());
        let exe_path = &self.process.image.exe_path;
        Entity {
            boot_id: Some(self.node.boot_id.to_string()).filter(|id| !id.is_empty()),
            container_id: self.container.as_ref().map(|container| container.full.clone()),
            pod_namespace: pod.map(|pod| pod.namespace.clone()),
            pod_name: pod.map(|pod| pod.name.clone()),
            pod_uid: match &self.container.as_ref().and_then(|found| found.pod_uid.clone()) {
                Some(uid) => Some(uid.clone()),
                None => pod.map(|pod| pod.uid.clone()),
            },
            pid: Some(i64::from(self.head.tgid)),
            start_time: Some(self.head.start_ns),
            exe_path: (!exe_path.is_empty())
                .then(|| String::from_utf8_lossy(exe_path).into_owned()),
            uid: Some(self.head.uid),
        }
    }

    /// Permitted and effective: of the moment where the kernel sent them, else of its start as
    /// this program.
    fn capabilities(&self) -> (u64, u64) {
        match &self.happening {
            Happening::Control(control) => (control.cap_permitted, control.cap_effective),
            _ => (self.process.facts.cap_permitted, self.process.facts.cap_effective),
        }
    }

    fn result(&self) -> i64 {
        match &self.happening {
            Happening::Exec(_) | Happening::Container => 0,
            Happening::Open { open, .. } => open.result,
            Happening::Socket(socket) => socket.result,
            Happening::PathCall { call, .. } => call.result,
            Happening::Control(control) => control.result,
            Happening::ExecFailed { failed, .. } => failed.result,
        }
    }
}

impl<'a> View<'a> {
    fn get(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let (family, _) = field.name().split_once('.')?;
        match family {
            "evt" => self.event_field(field, arg),
            "proc" | "thread" => self.process_field(field, arg),
            "user" | "group" => self.user_field(field),
            "fd" => self.fd_field(field),
            "fs" => self.file_system_field(field).map(text),
            "container" | "k8s" => self.container_field(field, arg),
            _ => None,
        }
    }

    fn event_field(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let event = self.event;
        let open = match &event.happening {
            Happening::Open { open, .. } => Some(&**open),
            _ => None,
        };
        Some(match field {
            Field::EvtNum => Value::Uint(event.number),
            Field::EvtRawtime => Value::Int(event.time_ns),
            Field::EvtHostname => Value::text(&*event.node.name),
            Field::EvtSource => Value::text("syscall"),
            Field::EvtType => Value::text(event.event_type()),
            Field::EvtDir => Value::text("<"),
            Field::EvtRawres => Value::Int(event.result()),
            Field::EvtFailed => Value::Bool(event.result() < 0),
            Field::EvtRes => Value::text(errno::result_name(event.result())),
            Field::EvtIsOpenRead => Value::Bool(names::asks_read(event.head.call, open?)),
            Field::EvtIsOpenWrite => Value::Bool(names::asks_write(event.head.call, open?)),
            Field::EvtIsOpenExec => Value::Bool(names::makes_executable(open?)),
            Field::EvtBuffer => Value::text(self.data()?),
            Field::EvtBuflen => Value::Uint(u64::try_from(self.message()?.result).ok()?),
            Field::EvtIsOpenCreate => Value::Bool(names::makes_file(open?)),
            Field::EvtIoUring => Value::Bool(event.head.by_io_uring),
            Field::EvtAbspath | Field::EvtAbspathSrc | Field::EvtAbspathDst => {
                text(self.file_system_field(field)?)
            }
            Field::EvtArg => text(self.argument(arg?)?),
            Field::EvtRawarg => self.raw_argument(arg?)?,
            Field::EvtArgs => text(self.all_arguments()),
            _ => return None,
        })
    }
}

impl<'a> View<'a> {
    /// The call, if it sent or received something.
    fn message(self) -> Option<&'a Socket> {
        match &self.event.happening {
            Happening::Socket(socket) if self.event.head.family == Family::Message => Some(socket),
            _ => None,
        }
    }

    fn data(self) -> Option<&'a [u8]> {
        let data = &self.message()?.data;
        (!data.is_empty()).then_some(data)
    }
}

impl Event for SyscallEvent {
    fn event_type(&self) -> &str {
        SyscallEvent::event_type(self)
    }

    fn time_ns(&self) -> i64 {
        self.time_ns
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        View { event: self, path: PathChoice::Lexical }.get(field, arg)
    }

    fn has_other_path(&self) -> bool {
        match &self.happening {
            Happening::PathCall { plain, .. } => plain.is_some(),
            _ => self.resolved_path().is_some(),
        }
    }

    fn get_with_other_path(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        View { event: self, path: PathChoice::Resolved }.get(field, arg)
    }
}

/// A text that was made for the question.
fn text(bytes: Vec<u8>) -> Value<'static> {
    Value::Text(Cow::Owned(bytes))
}
