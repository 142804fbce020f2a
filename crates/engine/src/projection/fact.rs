//! What a kernel program knows of an event while it decides whether to report it.
//!
//! A test in the kernel is right only if what it sees there is what the rules will see in user
//! space. What must be kept for that is written down as each fact's [`Fact::obligation`]. What is
//! not known of an event passes. Here is only what the sensor does test, so that what the projection
//! says is what happens.

use std::fmt;

use crate::field::Field;

/// Something about an event that the kernel can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The file: as text (working directory and argument) and as it was really opened.
    Path,
    /// The path exactly as the program gave it.
    RawPath,
    /// The name that a file had before a rename, or that a hard link is made of.
    OldPath,
    /// The name that a file has after a rename, or that a hard link makes.
    NewPath,
    /// The text that a symbolic link holds.
    LinkTarget,
    /// The type of the descriptor, as `fd.type` names it.
    FdType,
    /// The transport of a socket: `tcp`, `udp`, `icmp` or `raw`.
    Transport,
    /// Another argument of the call, by its name, as `evt.arg.NAME` shows it: one of a list of
    /// names, or names of flags joined.
    Argument(&'static str),
    /// The return value: a descriptor, 0 or the negative number of an error.
    Result,
    /// The descriptor that the call is about.
    Descriptor,
    /// Something that is so or not (1 or 0): the open flags, what the executable is, ...
    Flag(Field),
    /// The address of this end of the connection.
    LocalAddress,
    /// The address of the other end of the connection.
    PeerAddress,
    /// The port of this end of the connection.
    LocalPort,
    /// The port of the other end of the connection.
    PeerPort,
    /// `host` or `container`: where the process runs.
    Place,
    /// A number of the process: user ids, its terminal, its ids in its own namespace.
    ProcessNumber(Field),
    /// The names of the capabilities in a set of the process.
    Capabilities(Field),
    /// The name of the process.
    ProcessName,
}

/// What tests of a fact look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// A path: prefixes, suffixes, directories and names by lookups, a few short needles.
    Path,
    /// A short text, or one that user space tests: any pattern of any length.
    Text,
    /// Names of flags, joined: the kernel has bits, so only "contains this name" can be told.
    Flags,
    /// A number.
    Number,
    /// An address.
    Address,
}

impl Fact {
    /// What the sensor must keep, so that no event is withheld that a rule would match.
    pub fn obligation(self) -> &'static str {
        match self {
            Self::Path => {
                "each path that user space may show as fd.name is tested, whole and plain (absolute, \
                 no empty, '.' or '..' component); an event with one that is not known so passes"
            }
            Self::RawPath => "the bytes that user space shows as fd.nameraw; when cut, it passes",
            Self::OldPath | Self::NewPath => {
                "whole and plain, as user space shows the argument; an event of which that is not \
                 known passes"
            }
            Self::LinkTarget => "the bytes that user space shows as evt.arg.target; cut, it passes",
            Self::FdType => {
                "a type that has no name in fd.type passes; fd.type, fd.typechar and fd.sockfamily \
                 are shown together"
            }
            Self::Transport => "a protocol that has no name in fd.l4proto passes",
            Self::Argument(_) => {
                "tested on the text that user space shows for the argument's value: tabulated over \
                 all values that have a name; a value without one passes"
            }
            Self::Result => {
                "the number that user space shows as evt.rawres, always with evt.res and evt.failed"
            }
            Self::Descriptor => "the number that user space shows as fd.num",
            Self::Flag(_) => "decided in the kernel as user space does from the same record",
            Self::LocalAddress | Self::PeerAddress => {
                "an IPv4 address inside an IPv6 one is tested as IPv4; where user space shows one \
                 end, it shows both"
            }
            Self::LocalPort | Self::PeerPort => {
                "the numbers that user space shows with the addresses"
            }
            Self::Place => {
                "only 'host' is known, and then user space shows that as container.id; k8s.* and \
                 container.* of an image are never shown for the host"
            }
            Self::ProcessNumber(_) => "the number that user space shows; an unset id is -1",
            Self::Capabilities(_) => {
                "the bits whose names user space shows: of calls that may change them those from after \
                 the call, else those of the last exec or fork"
            }
            Self::ProcessName => {
                "the name that user space shows as proc.name, for every event: a thread's own name \
                 is not it unless user space shows that"
            }
        }
    }

    pub(super) fn domain(self) -> Domain {
        match self {
            Self::Path | Self::RawPath | Self::OldPath | Self::NewPath | Self::LinkTarget => {
                Domain::Path
            }
            Self::Argument("flags" | "mode" | "nstype") | Self::Capabilities(_) => Domain::Flags,
            Self::FdType
            | Self::Transport
            | Self::Argument(_)
            | Self::Place
            | Self::ProcessName => Domain::Text,
            Self::Result
            | Self::Descriptor
            | Self::Flag(_)
            | Self::LocalPort
            | Self::PeerPort
            | Self::ProcessNumber(_) => Domain::Number,
            Self::LocalAddress | Self::PeerAddress => Domain::Address,
        }
    }

    /// Whether user space shows the fact whenever the kernel knows it.
    ///
    /// Only then may the kernel test that something is *not* so: without a value a rule's `not`
    /// holds, whatever the kernel sees.
    pub(super) fn is_always_shown(self) -> bool {
        match self {
            Self::Path
            | Self::RawPath
            | Self::FdType
            | Self::Transport
            | Self::Result
            | Self::LocalAddress
            | Self::PeerAddress
            | Self::LocalPort
            | Self::PeerPort
            | Self::Place
            | Self::ProcessNumber(_)
            | Self::ProcessName => true,
            Self::Flag(field) => field.name().starts_with("evt."),
            _ => false,
        }
    }

    /// How much a positive test of it keeps away: 0 is next to nothing.
    pub(super) fn weight(self) -> u32 {
        match self {
            Self::Descriptor | Self::Result | Self::FdType | Self::Transport | Self::Place => 0,
            Self::Flag(Field::EvtIsOpenRead | Field::FdConnected) => 0,
            Self::Flag(Field::EvtIsOpenWrite | Field::FdNameChanged) => 1,
            Self::LocalAddress | Self::LocalPort => 2,
            Self::Flag(_) | Self::ProcessNumber(_) | Self::Capabilities(_) => 3,
            Self::PeerPort => 4,
            Self::PeerAddress | Self::Argument(_) | Self::ProcessName => 5,
            Self::Path | Self::RawPath | Self::OldPath | Self::NewPath | Self::LinkTarget => 6,
        }
    }
}

/// The word that `lanner rules describe` uses: a field's name, or what comes nearest to one.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::RawPath => "raw path",
            Self::OldPath => "old path",
            Self::NewPath => "new path",
            Self::LinkTarget => "link target",
            Self::FdType => "type",
            Self::Transport => "transport",
            Self::Argument(name) => return write!(f, "argument {name}"),
            Self::Result => "result",
            Self::Descriptor => "descriptor",
            Self::LocalAddress => "local address",
            Self::PeerAddress => "peer address",
            Self::LocalPort => "local port",
            Self::PeerPort => "peer port",
            Self::Place => "runs on",
            Self::ProcessName => "process",
            Self::Flag(field) | Self::ProcessNumber(field) | Self::Capabilities(field) => {
                field.name()
            }
        })
    }
}
