//! Arguments of calls on sockets.

use super::{View, errno};
use crate::decode::{Call, Socket, SocketFamily};

const CONNECT: &[&str] = &["res", "tuple", "fd", "addr"];
const ACCEPT: &[&str] = &["fd", "tuple", "queuepct", "queuelen", "queuemax"];
const ACCEPT4: &[&str] = &["fd", "tuple", "queuepct", "queuelen", "queuemax", "flags"];
const LISTEN: &[&str] = &["res", "fd", "backlog"];
const SOCKET: &[&str] = &["fd", "domain", "type", "proto", "flags"];
const SEND: &[&str] = &["res", "data", "fd", "size", "tuple"];
const SENDMMSG: &[&str] = &["res", "fd", "size", "data", "tuple"];
const RECVFROM: &[&str] = &["res", "data", "tuple", "fd", "size"];
const RECVMSG: &[&str] = &["res", "size", "data", "tuple", "msgcontrol", "fd"];
const RECVMMSG: &[&str] = &["res", "fd", "size", "data", "tuple", "msgcontrol"];

const O_NONBLOCK: u32 = 0o4000;
const O_CLOEXEC: u32 = 0o2_000_000;

/// The names of the arguments, in their order.
pub(super) fn names(call: Call) -> &'static [&'static str] {
    match call {
        Call::Accept => ACCEPT,
        Call::Accept4 => ACCEPT4,
        Call::Listen => LISTEN,
        Call::Socket => SOCKET,
        Call::Sendto | Call::Sendmsg => SEND,
        Call::Sendmmsg => SENDMMSG,
        Call::Recvfrom => RECVFROM,
        Call::Recvmsg => RECVMSG,
        Call::Recvmmsg => RECVMMSG,
        _ => CONNECT,
    }
}

impl View<'_> {
    /// One argument as text, by its name.
    pub(super) fn socket_argument(&self, name: &str, socket: &Socket) -> Option<Vec<u8>> {
        Some(match name {
            "res" => result(socket.result),
            "fd" => self.socket_descriptor(socket),
            "tuple" => self.socket_name(socket)?,
            "addr" => match socket.family {
                SocketFamily::Unix => self.socket_name(socket)?,
                _ => socket.remote?.to_string().into(),
            },
            "queuepct" => match u64::from(socket.queue_max) {
                0 => number(0),
                most => number(u64::from(socket.queue_len) * 100 / most),
            },
            "queuelen" => number(socket.queue_len.into()),
            "queuemax" => number(socket.queue_max.into()),
            "backlog" => number(socket.asked_number.into()),
            "domain" => domain(socket.domain),
            "type" => number(socket.asked_type.into()),
            "proto" => number(socket.asked_number.into()),
            "flags" if self.event.head.call == Call::Accept4 => {
                format!("{:X}", socket.asked_type).into()
            }
            "flags" => socket_flags(socket.asked_type).into(),
            "size" => number(socket.asked_number.into()),
            "data" => (!socket.data.is_empty()).then(|| printable(&socket.data))?,
            _ => return None,
        })
    }

    /// `<4t>client->server`: type, transport and name.
    pub(super) fn socket_descriptor(&self, socket: &Socket) -> Vec<u8> {
        if socket.fd < 0 {
            return errno::result_name(socket.fd.into()).into();
        }
        let Some(shown) = socket.shown_type() else { return socket.fd.to_string().into() };
        let transport = match socket.transport() {
            Some(name) if socket.family == SocketFamily::Ip => name.get(..1).unwrap_or_default(),
            _ => "",
        };
        let name = self.socket_name(socket).unwrap_or_default();
        [b"<", shown.letter.as_bytes(), transport.as_bytes(), b">", &name].concat()
    }
}

fn result(value: i64) -> Vec<u8> {
    match value {
        0.. => value.to_string().into(),
        _ => errno::result_name(value).into(),
    }
}

fn number(value: u64) -> Vec<u8> {
    value.to_string().into()
}

/// What was asked for beside the type.
fn socket_flags(asked_type: u32) -> String {
    let flags = [(O_NONBLOCK, "O_NONBLOCK"), (O_CLOEXEC, "O_CLOEXEC")];
    let set: Vec<&str> =
        flags.into_iter().filter(|(bit, _)| asked_type & bit != 0).map(|(_, name)| name).collect();
    if set.is_empty() { "O_NONE".to_owned() } else { set.join("|") }
}

/// Bytes that a terminal shows as they are; a dot for each other one.
pub(super) fn printable(data: &[u8]) -> Vec<u8> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    data.iter().map(|byte| if is_plain(*byte) { *byte } else { b'.' }).collect()
}

/// The name of an `AF_*` number (`include/linux/socket.h`), where Falco has one; some have two.
pub(crate) fn domain(domain: u16) -> Vec<u8> {
    const NAMES: [&str; 40] = [
        "AF_UNSPEC",
        "AF_LOCAL|AF_UNIX",
        "AF_INET",
        "AF_AX25",
        "AF_IPX",
        "AF_APPLETALK",
        "AF_NETROM",
        "AF_BRIDGE",
        "AF_ATMPVC",
        "AF_X25",
        "AF_INET6",
        "AF_ROSE",
        "AF_DECnet",
        "AF_NETBEUI",
        "AF_SECURITY",
        "AF_KEY",
        "AF_ROUTE|AF_NETLINK",
        "AF_PACKET",
        "AF_ASH",
        "AF_ECONET",
        "AF_ATMSVC",
        "AF_RDS",
        "AF_SNA",
        "AF_IRDA",
        "AF_PPPOX",
        "AF_WANPIPE",
        "AF_LLC",
        "",
        "",
        "AF_CAN",
        "AF_TIPC",
        "AF_BLUETOOTH",
        "AF_IUCV",
        "AF_RXRPC",
        "AF_ISDN",
        "AF_PHONET",
        "AF_IEEE802154",
        "AF_CAIF",
        "AF_ALG",
        "AF_NFC",
    ];
    let name = NAMES.get(usize::from(domain)).filter(|name| !name.is_empty());
    name.map_or_else(|| number(domain.into()), |name| (*name).into())
}
