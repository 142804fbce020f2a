//! Which facts the kernel knows of which events.

use super::fact::Fact;

/// Events about which the same facts are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A file was opened or created.
    Open,
    /// A program was started.
    Exec,
    /// A connection was asked for.
    Connect,
    /// A connection was taken.
    Accept,
    /// A file was removed, renamed, linked, made or given another mode.
    FileChange,
    /// A socket was made, opened for connections, or data went through it.
    Socket,
    /// A process did something to itself or to another one, or loaded something into the kernel.
    Control,
}

/// The names of arguments and the facts they show.
type Arguments = &'static [(&'static str, Fact)];

/// Each event type the kernel can filter, with its family and the arguments it can test: the name in
/// `evt.arg.NAME` and the fact. The names are Falco's; of file changes all that are paths are here.
const TYPES: &[(&str, Family, Arguments)] = {
    use Fact::{Argument, LinkTarget, NewPath, OldPath, Path};
    use Family as F;
    const OPEN: Arguments = &[("name", Path), ("flags", Argument("flags"))];
    const TWO_PATHS: Arguments = &[("oldpath", OldPath), ("newpath", NewPath)];
    const SYMLINK: Arguments = &[("target", LinkTarget), ("linkpath", Path)];
    const SIGNAL: Arguments = &[("sig", Argument("sig"))];
    const CHMOD: Arguments = &[("filename", Path), ("mode", Argument("mode"))];
    &[
        ("open", F::Open, OPEN),
        ("openat", F::Open, OPEN),
        ("openat2", F::Open, OPEN),
        ("creat", F::Open, &[("name", Path)]),
        ("open_by_handle_at", F::Open, &[("flags", Argument("flags"))]),
        ("execve", F::Exec, &[]),
        ("execveat", F::Exec, &[]),
        ("connect", F::Connect, &[]),
        ("accept", F::Accept, &[]),
        ("accept4", F::Accept, &[]),
        ("unlink", F::FileChange, &[("path", Path)]),
        ("unlinkat", F::FileChange, &[("name", Path)]),
        ("rmdir", F::FileChange, &[("path", Path)]),
        ("mkdir", F::FileChange, &[("path", Path)]),
        ("mkdirat", F::FileChange, &[("path", Path)]),
        ("rename", F::FileChange, TWO_PATHS),
        ("renameat", F::FileChange, TWO_PATHS),
        ("renameat2", F::FileChange, TWO_PATHS),
        ("link", F::FileChange, TWO_PATHS),
        ("linkat", F::FileChange, TWO_PATHS),
        ("symlink", F::FileChange, SYMLINK),
        ("symlinkat", F::FileChange, SYMLINK),
        ("chmod", F::FileChange, CHMOD),
        ("fchmodat", F::FileChange, CHMOD),
        ("fchmodat2", F::FileChange, CHMOD),
        ("fchmod", F::FileChange, &[("mode", Argument("mode"))]),
        ("socket", F::Socket, &[("domain", Argument("domain"))]),
        ("listen", F::Socket, &[]),
        ("sendto", F::Socket, &[]),
        ("sendmsg", F::Socket, &[]),
        ("sendmmsg", F::Socket, &[]),
        ("recvfrom", F::Socket, &[]),
        ("recvmsg", F::Socket, &[]),
        ("recvmmsg", F::Socket, &[]),
        ("ptrace", F::Control, &[("request", Argument("request"))]),
        ("setuid", F::Control, &[]),
        ("setns", F::Control, &[("nstype", Argument("nstype"))]),
        ("unshare", F::Control, &[("flags", Argument("flags"))]),
        ("bpf", F::Control, &[("cmd", Argument("cmd"))]),
        ("userfaultfd", F::Control, &[]),
        ("dup", F::Control, &[]),
        ("dup2", F::Control, &[]),
        ("dup3", F::Control, &[]),
        ("init_module", F::Control, &[]),
        ("finit_module", F::Control, &[]),
        ("kill", F::Control, SIGNAL),
        ("tkill", F::Control, SIGNAL),
        ("tgkill", F::Control, SIGNAL),
        ("rt_sigqueueinfo", F::Control, SIGNAL),
        ("rt_tgsigqueueinfo", F::Control, SIGNAL),
        ("pidfd_send_signal", F::Control, SIGNAL),
    ]
};

/// One event type and what the kernel knows of its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventType {
    pub(super) name: &'static str,
    pub(super) family: Family,
    arguments: Arguments,
}

impl EventType {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|(name, family, arguments)| Self { name, family: *family, arguments })
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|known| known.name == name)
    }

    /// The fact that `evt.arg.NAME` shows.
    pub(super) fn argument(self, name: &str) -> Option<Fact> {
        self.arguments.iter().find(|(known, _)| *known == name).map(|(_, fact)| *fact)
    }

    /// Whether its events have no argument of that name, so that a test of it never holds.
    ///
    /// Rules name all paths that a family of calls may have and let the wrong ones be missing.
    pub(super) fn lacks_argument(self, name: &str) -> bool {
        const PATHS: [&str; 7] =
            ["name", "path", "filename", "oldpath", "newpath", "target", "linkpath"];
        self.family == Family::FileChange && PATHS.contains(&name) && self.argument(name).is_none()
    }

    /// The name of the argument that shows this fact.
    pub(super) fn argument_of(self, fact: Fact) -> Option<&'static str> {
        self.arguments.iter().find(|(_, known)| *known == fact).map(|(name, _)| *name)
    }

    /// Whether `fd.type` is that of something the kernel looks at.
    pub(super) fn has_descriptor(self) -> bool {
        match self.family {
            Family::Open | Family::Connect | Family::Accept => true,
            Family::Socket => self.name != "socket",
            Family::Control => matches!(self.name, "dup" | "dup2" | "dup3"),
            Family::Exec | Family::FileChange => false,
        }
    }

    /// Whether it is about one connection with addresses.
    pub(super) fn has_addresses(self) -> bool {
        match self.family {
            Family::Connect | Family::Accept => true,
            Family::Socket => self.name != "socket",
            _ => false,
        }
    }
}

impl Family {
    /// The families, in the order of `lanner rules describe`.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Exec,
        Self::Connect,
        Self::Accept,
        Self::FileChange,
        Self::Socket,
        Self::Control,
    ];

    /// Its name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Exec => "exec",
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::FileChange => "file change",
            Self::Socket => "socket",
            Self::Control => "process control",
        }
    }

    /// The family of an event type, if the kernel can filter it.
    pub fn of(event_type: &str) -> Option<Self> {
        EventType::by_name(event_type).map(|known| known.family)
    }

    /// Its event types.
    pub fn event_types(self) -> impl Iterator<Item = &'static str> {
        EventType::all().filter(move |known| known.family == self).map(|known| known.name)
    }
}
