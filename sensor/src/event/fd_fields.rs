//! `fd.*`.

use std::net::{IpAddr, Ipv6Addr};

use lanner_engine::{Field, List, Value};

use super::{Happening, PathChoice, View, names, path, path_call, text};
use crate::decode::{AF_UNIX, Connect, Open, PathCall};

const EINPROGRESS: i64 = -115;

impl<'a> View<'a> {
    pub(super) fn fd_field(self, field: Field) -> Option<Value<'a>> {
        match &self.event.happening {
            Happening::Open { open, .. } => self.file_field(field, open),
            Happening::Connect(connect) => socket_field(field, connect),
            Happening::PathCall { call, .. } => self.path_call_field(field, call),
            Happening::Control(control) => self.control_field(field, control),
            Happening::Exec(_) | Happening::ExecFailed { .. } | Happening::Container => None,
        }
    }

    /// `fd.name`, of files and of connections.
    pub(super) fn fd_name(self) -> Option<Vec<u8>> {
        match &self.event.happening {
            Happening::Open { .. } => self.file_path().map(<[u8]>::to_vec),
            Happening::Connect(connect) => Some(connection_name(connect)),
            _ => None,
        }
    }

    fn file_path(self) -> Option<&'a [u8]> {
        match (&self.event.happening, self.path) {
            (Happening::Open { lexical, .. }, PathChoice::Lexical) => Some(lexical),
            (Happening::Open { .. }, PathChoice::Resolved) => self.event.resolved_path(),
            _ => None,
        }
    }

    fn file_field(self, field: Field, open: &'a Open) -> Option<Value<'a>> {
        let path = self.file_path()?;
        let (kind, letter) = names::file_type(open.inode_mode);
        let has_inode = open.ino != 0;
        let (major, minor) = names::device_parts(open.dev);
        let is_device = |number: u32| has_inode.then_some(Value::Uint(number.into()));
        Some(match field {
            Field::FdNum => Value::Int(open.result.max(-1)),
            Field::FdName => Value::text(path),
            Field::FdNameResolved => Value::text(self.event.resolved_path()?),
            Field::FdNameraw if open.raw.is_empty() => Value::text(path),
            Field::FdNameraw => Value::text(&open.raw),
            Field::FdNameUnseen => Value::Bool(self.event.has_unseen_file()),
            Field::FdDirectory => Value::text(path::split(path)?.0),
            Field::FdFilename => Value::text(path::split(path)?.1),
            Field::FdType => Value::text(kind),
            Field::FdTypechar => Value::text(letter),
            Field::FdIno => Value::Uint(has_inode.then_some(open.ino)?),
            Field::FdDev => is_device(names::device(open.dev))?,
            Field::FdDevMajor => is_device(major)?,
            Field::FdDevMinor => is_device(minor)?,
            Field::FdIsUpperLayer => Value::Bool(open.upper_layer),
            Field::FdIsLowerLayer => Value::Bool(open.lower_layer),
            _ => return None,
        })
    }

    /// Of the descriptor that the call was given, not of the file that it is about.
    fn path_call_field(self, field: Field, call: &'a PathCall) -> Option<Value<'a>> {
        let number = path_call::descriptor(self.event.head.call, call)?;
        let (kind, letter) = names::file_type(call.inode_mode);
        let path = || Some(text(call.base.as_ref()?.as_bytes()?.to_vec()));
        Some(match field {
            Field::FdNum => Value::Int(number.into()),
            // There is nothing behind that number.
            _ if call.inode_mode == 0 => return None,
            Field::FdName => path()?,
            Field::FdType => Value::text(kind),
            Field::FdTypechar => Value::text(letter),
            _ => return None,
        })
    }
}

/// The process that connects is the client, which is the local end.
pub(super) fn socket_field(field: Field, connect: &Connect) -> Option<Value<'_>> {
    let is_unix = connect.family == AF_UNIX;
    let ends = ends(connect);
    let ip = |pick: fn(Ends) -> IpAddr| ends.map(|ends| Value::Ip(pick(ends)));
    let port = |port: u16| ends.map(|_| Value::Uint(port.into()));
    let is_connected = connect.result >= 0 || connect.result == EINPROGRESS;
    match field {
        Field::FdNum => Some(Value::Int(connect.fd.into())),
        Field::FdName if ends.is_none() => Some(Value::text(&connect.unix_path)),
        Field::FdName => Some(text(connection_name(connect))),
        Field::FdType => Some(Value::text(fd_type(connect)?.0)),
        Field::FdTypechar => Some(Value::text(fd_type(connect)?.1)),
        Field::FdSockfamily if is_unix => Some(Value::text("unix")),
        Field::FdSockfamily => ends.map(|_| Value::text("ip")),
        Field::FdIp | Field::FdNet => {
            ends.map(|ends| Value::List(List::both(ends.local.into(), ends.remote.into())))
        }
        Field::FdCip | Field::FdLip | Field::FdCnet | Field::FdLnet => ip(|ends| ends.local),
        Field::FdSip | Field::FdRip | Field::FdSnet | Field::FdRnet => ip(|ends| ends.remote),
        Field::FdPort => ends.map(|_| {
            let port = |port: u16| Value::Uint(port.into());
            Value::List(List::both(port(connect.local_port), port(connect.remote_port)))
        }),
        Field::FdCport | Field::FdLport => port(connect.local_port),
        Field::FdSport | Field::FdRport => port(connect.remote_port),
        Field::FdL4proto => ends.map(|_| Value::text(l4proto(connect.protocol))),
        Field::FdIsServer => Some(Value::Bool(false)),
        Field::FdConnected => Some(Value::Bool(is_connected)),
        Field::FdNameChanged => Some(Value::Bool(is_connected)),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Ends {
    local: IpAddr,
    remote: IpAddr,
}

/// Both addresses; an IPv4 peer of an IPv6 socket is an IPv4 address.
fn ends(connect: &Connect) -> Option<Ends> {
    let (local, remote) = (connect.local?, connect.remote?);
    let (IpAddr::V6(local_v6), IpAddr::V6(remote_v6)) = (local, remote) else {
        return Some(Ends { local, remote });
    };
    let local_v4 = local_v6.to_ipv4_mapped().or_else(|| {
        // Not bound yet: "any" is any of either family.
        (local_v6 == Ipv6Addr::UNSPECIFIED).then_some(std::net::Ipv4Addr::UNSPECIFIED)
    });
    match (local_v4, remote_v6.to_ipv4_mapped()) {
        (Some(local), Some(remote)) => Some(Ends { local: local.into(), remote: remote.into() }),
        _ => Some(Ends { local, remote }),
    }
}

fn fd_type(connect: &Connect) -> Option<(&'static str, &'static str)> {
    match ends(connect) {
        Some(Ends { remote: IpAddr::V4(_), .. }) => Some(("ipv4", "4")),
        Some(Ends { remote: IpAddr::V6(_), .. }) => Some(("ipv6", "6")),
        None if connect.family == AF_UNIX => Some(("unix", "u")),
        None => None,
    }
}

/// What stands before a socket's name where a descriptor's number is resolved: `4t`.
pub(super) fn socket_mark(connect: &Connect) -> String {
    let kind = fd_type(connect).map_or("o", |(_, mark)| mark);
    let transport = match l4proto(connect.protocol) {
        "<NA>" => "",
        _ if ends(connect).is_none() => "",
        name => name.get(..1).unwrap_or_default(),
    };
    format!("{kind}{transport}")
}

fn l4proto(protocol: u16) -> &'static str {
    match protocol {
        6 => "tcp",
        17 => "udp",
        1 | 58 => "icmp",
        255 => "raw",
        _ => "<NA>",
    }
}

pub(super) fn connection_name(connect: &Connect) -> Vec<u8> {
    match ends(connect) {
        Some(Ends { local, remote }) => {
            format!("{local}:{}->{remote}:{}", connect.local_port, connect.remote_port).into()
        }
        None => connect.unix_path.clone(),
    }
}
