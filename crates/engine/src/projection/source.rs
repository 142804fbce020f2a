//! Which fact a field of a condition shows.

use super::{
    fact::Fact,
    family::{EventType, Family},
};
use crate::field::{Field, FieldRef};

/// Where a field's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// It is that fact's text.
    Text(Fact),
    /// It is the name of the process, where that is asked for as the ancestor with number 0.
    OwnName,
    /// It is the path up to its last slash.
    Directory,
    /// It is the path after its last slash.
    FileName,
    FdType,
    TypeChar,
    SocketFamily,
    Transport,
    /// It is both addresses as one text, or the path of a Unix socket.
    SocketName,
    Place,
    /// Only containers have it.
    Container,
    /// It is the name of the result.
    Error,
    /// It is whether the result is an error.
    Failed,
    /// It is the descriptor that an open gave.
    OpenDescriptor,
    Number(Fact),
    Flag(Fact),
    Addresses(Ends),
    Ports(Ends),
}

/// Which end of a connection a field is.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    /// That one.
    One([Fact; 1]),
    /// One of the two, it is not known which.
    Either([Fact; 2]),
    /// Each of the two.
    Both([Fact; 2]),
}

impl Ends {
    pub(super) fn facts(&self) -> &[Fact] {
        match self {
            Self::One(facts) => facts,
            Self::Either(facts) | Self::Both(facts) => facts,
        }
    }

    pub(super) fn is_both(&self) -> bool {
        matches!(self, Self::Both(_))
    }
}

const ADDRESSES: [Fact; 2] = [Fact::LocalAddress, Fact::PeerAddress];
const PORTS: [Fact; 2] = [Fact::LocalPort, Fact::PeerPort];

/// The source of a field in events of that type, if the kernel knows it.
pub(super) fn source_of(field: &FieldRef, event_type: EventType) -> Option<Source> {
    of_process(field, event_type).or_else(|| of_event(field, event_type))
}

fn of_process(FieldRef { field, arg }: &FieldRef, event_type: EventType) -> Option<Source> {
    Some(match (field, arg.as_deref()) {
        (Field::ProcName, _) => Source::Text(Fact::ProcessName),
        (Field::ProcAname, Some(index)) if index.parse() == Ok(0_u32) => Source::OwnName,
        (
            Field::ProcTty
            | Field::ProcVpid
            | Field::UserUid
            | Field::UserLoginuid
            | Field::GroupGid,
            _,
        ) => Source::Number(Fact::ProcessNumber(*field)),
        (Field::ProcIsSidLeader | Field::ProcIsVpgidLeader, _) => Source::Flag(Fact::Flag(*field)),
        // Who enters a user namespace is shown with those from before.
        (Field::ThreadCapEffective | Field::ThreadCapPermitted, _)
            if !matches!(event_type.name, "setns" | "unshare") =>
        {
            Source::Text(Fact::Capabilities(*field))
        }
        (Field::ContainerId, _) => Source::Place,
        (
            Field::ContainerImageRepository
            | Field::ContainerImage
            | Field::ContainerImageTag
            | Field::ContainerName
            | Field::ContainerPrivileged
            | Field::ContainerType
            | Field::K8sNsName
            | Field::K8sPodName
            | Field::K8sPodLabel,
            _,
        ) => Source::Container,
        _ => return None,
    })
}

fn of_event(FieldRef { field, arg }: &FieldRef, event_type: EventType) -> Option<Source> {
    let family = event_type.family;
    let opens = family == Family::Open;
    // What a handle stands for is not read in the kernel.
    let file = opens && event_type.argument_of(Fact::Path).is_some();
    let described = event_type.has_descriptor();
    let connected = event_type.has_addresses();
    Some(match field {
        Field::EvtArg => Source::Text(event_type.argument(arg.as_deref()?)?),
        Field::EvtRawres => Source::Number(Fact::Result),
        Field::EvtRes => Source::Error,
        Field::EvtFailed => Source::Failed,
        Field::EvtIsOpenRead
        | Field::EvtIsOpenWrite
        | Field::EvtIsOpenExec
        | Field::EvtIsOpenCreate
            if opens =>
        {
            Source::Flag(Fact::Flag(*field))
        }
        Field::FdName if file => Source::Text(Fact::Path),
        Field::FdName if event_type.family == Family::Connect => Source::SocketName,
        Field::FdNameraw if file => Source::Text(Fact::RawPath),
        Field::FdDirectory if file => Source::Directory,
        Field::FdFilename if file => Source::FileName,
        Field::FdNum if opens => Source::OpenDescriptor,
        Field::FdNum if described => Source::Number(Fact::Descriptor),
        Field::FdType if described => Source::FdType,
        Field::FdTypechar if described => Source::TypeChar,
        Field::FdSockfamily if connected => Source::SocketFamily,
        Field::FdL4proto if connected => Source::Transport,
        Field::FdConnected | Field::FdNameChanged if connected => Source::Flag(Fact::Flag(*field)),
        Field::FdIp | Field::FdNet if connected => Source::Addresses(Ends::Both(ADDRESSES)),
        Field::FdPort if connected => Source::Ports(Ends::Both(PORTS)),
        Field::FdCip
        | Field::FdCnet
        | Field::FdLip
        | Field::FdLnet
        | Field::FdSip
        | Field::FdSnet
        | Field::FdRip
        | Field::FdRnet
            if connected =>
        {
            Source::Addresses(one_end(*field, family, ADDRESSES))
        }
        Field::FdCport | Field::FdLport | Field::FdSport | Field::FdRport if connected => {
            Source::Ports(one_end(*field, family, PORTS))
        }
        _ => return None,
    })
}

/// Who connects is the client, and its end is the local one. In other calls user space finds out
/// who is which.
fn one_end(field: Field, family: Family, [local, peer]: [Fact; 2]) -> Ends {
    let client = matches!(
        field,
        Field::FdCip
            | Field::FdCnet
            | Field::FdLip
            | Field::FdLnet
            | Field::FdCport
            | Field::FdLport
    );
    match family {
        Family::Connect => Ends::One([if client { local } else { peer }]),
        _ => Ends::Either([local, peer]),
    }
}
