//! `fd.*` of sockets.
//!
//! A connection is always client -> server, whichever of the two the process is.

use lanner_engine::{Field, List, Value};

use super::{PathChoice, View, text};
use crate::decode::{End, Role, Socket, SocketFamily, SocketKind};

impl<'a> View<'a> {
    pub(super) fn socket_field(self, field: Field, socket: &'a Socket) -> Option<Value<'a>> {
        let ip = |end: Option<End>| end.map(|end| Value::Ip(end.address));
        let port = |end: Option<End>| end.map(|end| Value::Uint(end.port.into()));
        let service = |end: Option<End>| end.map(|end| text(end.port.to_string().into()));
        Some(match field {
            Field::FdNum => Value::Int(socket.fd.max(-1).into()),
            Field::FdType => Value::text(socket.shown_type()?.name),
            Field::FdTypechar => Value::text(socket.shown_type()?.letter),
            Field::FdName => text(self.socket_name(socket)?),
            Field::FdNameResolved => Value::text(self.event.resolved_path()?),
            Field::FdIno => Value::Uint((socket.ino != 0).then_some(socket.ino)?),
            Field::FdSockfamily => match socket.family {
                SocketFamily::Unix => Value::text("unix"),
                SocketFamily::Ip => Value::text("ip"),
                _ => return None,
            },
            Field::FdIp | Field::FdNet => Value::List(ends(socket, |end| Value::Ip(end.address))?),
            Field::FdPort | Field::FdProto => {
                Value::List(ends(socket, |end| Value::Uint(end.port.into()))?)
            }
            Field::FdCip | Field::FdCnet => ip(socket.client())?,
            Field::FdSip | Field::FdSnet => ip(socket.server())?,
            Field::FdLip | Field::FdLnet => ip(socket.local)?,
            Field::FdRip | Field::FdRnet => ip(socket.remote)?,
            Field::FdCport => port(socket.client())?,
            Field::FdSport => port(socket.server())?,
            Field::FdLport => port(socket.local)?,
            Field::FdRport => port(socket.remote)?,
            Field::FdCproto => service(socket.client())?,
            Field::FdSproto => service(socket.server())?,
            Field::FdLproto => service(socket.local)?,
            Field::FdRproto => service(socket.remote)?,
            Field::FdCipName => self.host_names(socket.client()?),
            Field::FdSipName => self.host_names(socket.server()?),
            Field::FdLipName => self.host_names(socket.local?),
            Field::FdRipName => self.host_names(socket.remote?),
            Field::FdL4proto if socket.family == SocketFamily::Ip => {
                Value::text(socket.transport().unwrap_or("<NA>"))
            }
            Field::FdIsServer => Value::Bool(socket.role == Role::Server),
            Field::FdConnected => Value::Bool(socket.connected),
            Field::FdNameChanged => Value::Bool(socket.changed),
            _ => return None,
        })
    }

    /// An address without a name has an empty one, which differs from every other.
    fn host_names(self, end: End) -> Value<'a> {
        let names = self.event.node.host_names.of(end.address).into_iter();
        let mut names: Vec<_> = names.map(|name| Value::from(name.as_bytes().to_vec())).collect();
        if names.is_empty() {
            names.push(Value::text(""));
        }
        Value::List(List::from(names))
    }

    /// `fd.name`: `client->server`, or the path of a Unix socket.
    ///
    /// A path has two texts: the one that the program gave, and the one that the server bound.
    pub(super) fn socket_name(self, socket: &Socket) -> Option<Vec<u8>> {
        match (socket.family, self.path) {
            (SocketFamily::Unix, PathChoice::Resolved) => {
                self.event.resolved_path().map(<[u8]>::to_vec)
            }
            (SocketFamily::Unix, PathChoice::Lexical) => {
                let names = [&socket.given_path, &socket.bound_path];
                names.into_iter().find(|name| !name.is_empty()).cloned()
            }
            _ => Some(socket.tuple()?.into()),
        }
    }
}

/// `fd.type` and `fd.typechar`.
pub(super) struct ShownType {
    pub(super) name: &'static str,
    pub(super) letter: &'static str,
}

impl Socket {
    /// The path that the server's socket is bound to, if that is not the one that was given.
    pub(super) fn other_path(&self) -> Option<&[u8]> {
        let differs = !self.given_path.is_empty() && self.given_path != self.bound_path;
        (differs && !self.bound_path.is_empty()).then_some(&self.bound_path)
    }

    fn client(&self) -> Option<End> {
        match self.role {
            Role::Client => self.local,
            Role::Server => self.remote,
            Role::None => None,
        }
    }

    fn server(&self) -> Option<End> {
        match self.role {
            Role::Client => self.remote,
            Role::Server => self.local,
            Role::None => None,
        }
    }

    /// `client->server`; of a socket that waits for clients its own end alone.
    pub(super) fn tuple(&self) -> Option<String> {
        match (self.client(), self.server()) {
            (Some(client), Some(server)) => Some(format!("{client}->{server}")),
            (None, Some(server)) => Some(server.to_string()),
            (Some(client), None) => Some(client.to_string()),
            (None, None) => None,
        }
    }

    pub(super) fn shown_type(&self) -> Option<ShownType> {
        const V6: u16 = 10;
        let is_v4 = |end: Option<End>| end.is_some_and(|end| end.address.is_ipv4());
        let (name, letter) = match self.family {
            SocketFamily::None => return None,
            SocketFamily::Unix => ("unix", "u"),
            SocketFamily::Netlink => ("netlink", "n"),
            SocketFamily::Other(_) => ("<NA>", "o"),
            SocketFamily::Ip if self.domain != V6 || is_v4(self.remote) => ("ipv4", "4"),
            SocketFamily::Ip if self.remote.is_none() && is_v4(self.local) => ("ipv4", "4"),
            SocketFamily::Ip => ("ipv6", "6"),
        };
        Some(ShownType { name, letter })
    }

    /// `fd.l4proto`. A socket that nobody uses yet has none, but for a raw one.
    pub(super) fn transport(&self) -> Option<&'static str> {
        const ICMP: u16 = 1;
        const TCP: u16 = 6;
        const UDP: u16 = 17;
        const ICMPV6: u16 = 58;
        const RAW: u16 = 255;
        /// Several TCP connections as one: on the wire it is TCP.
        const MPTCP: u16 = 262;
        match (self.kind, self.protocol) {
            (SocketKind::Raw, _) | (_, RAW) => Some("raw"),
            _ if self.role == Role::None => None,
            (_, TCP | MPTCP) => Some("tcp"),
            (_, UDP) => Some("udp"),
            (_, ICMP | ICMPV6) => Some("icmp"),
            _ => None,
        }
    }
}

/// What the ends that are known have, the client's first.
fn ends<'a>(socket: &Socket, of: fn(End) -> Value<'a>) -> Option<List<'a>> {
    match (socket.client(), socket.server()) {
        (Some(client), Some(server)) => Some(List::both(of(client), of(server))),
        (Some(end), None) | (None, Some(end)) => Some(List::from(vec![of(end)])),
        (None, None) => None,
    }
}
