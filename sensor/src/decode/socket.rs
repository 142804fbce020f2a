//! What calls on sockets tell: how the socket is after the call.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Problem, reader::Reader, reader::until_nul};

const SOCKET_LEN: usize = 88;
const _: () = assert!(SOCKET_LEN == 2 * 8 + 5 * 4 + 6 * 2 + 2 * 16 + 4 * 2);

/// `AF_*` (`include/linux/socket.h`), as far as they differ for us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketFamily {
    /// There is no socket.
    #[default]
    None,
    Unix,
    /// IPv4 and IPv6. Which of them a connection uses, its addresses tell.
    Ip,
    Netlink,
    /// Any other, by its number.
    Other(u16),
}

/// `SOCK_*` (`include/linux/net.h`), as far as they differ for us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketKind {
    Stream,
    Datagram,
    Raw,
    #[default]
    Other,
}

/// Who of the two ends began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nobody yet.
    #[default]
    None,
    /// The process of the event.
    Client,
    /// The other end, or it is waited for.
    Server,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// An IPv4 address inside an IPv6 one is an IPv4 address.
    pub address: IpAddr,
    /// 0 for protocols without ports.
    pub port: u16,
}

/// A call on a socket, and the socket after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// What the call gave. For one message of several: its length.
    pub result: i64,
    /// Inode number of the descriptor; 0 if it is no socket.
    pub ino: u64,
    /// The descriptor. Of `accept` and `socket` the new one, or minus the error number.
    pub fd: i32,
    /// Of `socket` its second argument, of `accept4` its flags.
    pub asked_type: u32,
    /// Of `socket` its third argument, of `listen` its second, of messages the bytes asked for.
    pub asked_number: u32,
    /// Of `accept`: connections that wait, and how many may.
    pub queue_len: u32,
    pub queue_max: u32,
    /// `AF_*`, as it is.
    pub domain: u16,
    pub family: SocketFamily,
    pub kind: SocketKind,
    /// `IPPROTO_*`.
    pub protocol: u16,
    /// Where the kernel knows it, or can be sure enough of it.
    pub local: Option<End>,
    pub remote: Option<End>,
    /// The socket talks to this remote end alone.
    pub connected: bool,
    /// The call gave it another peer than it had.
    pub changed: bool,
    pub role: Role,
    /// The path of a Unix socket as the program gave it; an abstract one begins with `@`.
    pub given_path: Vec<u8>,
    /// The path that the server's socket is bound to, written likewise.
    pub bound_path: Vec<u8>,
    /// The first bytes of what was sent or received, where a rule looks at them.
    pub data: Vec<u8>,
}

/// `enum socket_bits` of `bpf/event.h`.
mod bits {
    pub(super) const HAS_LOCAL: u16 = 1;
    pub(super) const HAS_REMOTE: u16 = 2;
    pub(super) const CONNECTED: u16 = 4;
    pub(super) const CHANGED: u16 = 8;
    pub(super) const CLIENT: u16 = 16;
    pub(super) const SERVER: u16 = 32;
}

impl Socket {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let result = reader.i64()?;
        let ino = reader.u64()?;
        let fd = reader.i32()?;
        let asked_type = reader.u32()?;
        let asked_number = reader.u32()?;
        let queue_len = reader.u32()?;
        let queue_max = reader.u32()?;
        let domain = reader.u16()?;
        let kind = reader.u16()?;
        let protocol = reader.u16()?;
        let bits = reader.u16()?;
        let local_port = reader.u16()?;
        let remote_port = reader.u16()?;
        let local = reader.array()?;
        let remote = reader.array()?;
        let given_len = reader.u16()?;
        let bound_len = reader.u16()?;
        let data_len = reader.u16()?;
        let _unused = reader.u16()?;

        let remote = end(domain, remote, remote_port).filter(|_| bits & bits::HAS_REMOTE != 0);
        let local = end(domain, local, local_port).filter(|_| bits & bits::HAS_LOCAL != 0);
        Ok(Self {
            result,
            ino,
            fd,
            asked_type,
            asked_number,
            queue_len,
            queue_max,
            domain,
            family: SocketFamily::of(domain),
            kind: SocketKind::of(kind),
            protocol,
            local: local.map(|local| local.beside(remote)),
            remote,
            connected: bits & bits::CONNECTED != 0,
            changed: bits & bits::CHANGED != 0,
            role: match bits {
                bits if bits & bits::SERVER != 0 => Role::Server,
                bits if bits & bits::CLIENT != 0 => Role::Client,
                _ => Role::None,
            },
            given_path: sun_path(reader.section(given_len)?),
            bound_path: sun_path(reader.section(bound_len)?),
            data: reader.section(data_len)?.to_vec(),
        })
    }
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;

impl SocketFamily {
    fn of(domain: u16) -> Self {
        match domain {
            0 => Self::None,
            AF_UNIX => Self::Unix,
            AF_INET | AF_INET6 => Self::Ip,
            AF_NETLINK => Self::Netlink,
            other => Self::Other(other),
        }
    }
}

impl SocketKind {
    fn of(kind: u16) -> Self {
        match kind {
            1 => Self::Stream,
            2 => Self::Datagram,
            3 => Self::Raw,
            _ => Self::Other,
        }
    }
}

impl End {
    /// "Any" is any of either family: beside an IPv4 peer it is IPv4's.
    fn beside(self, remote: Option<Self>) -> Self {
        let is_any = self.address == Ipv6Addr::UNSPECIFIED;
        match remote {
            Some(Self { address: IpAddr::V4(_), .. }) if is_any => {
                Self { address: Ipv4Addr::UNSPECIFIED.into(), ..self }
            }
            _ => self,
        }
    }
}

/// As Falco writes it: no brackets around IPv6.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

fn end(domain: u16, bytes: [u8; 16], port: u16) -> Option<End> {
    let [a, b, c, d, ..] = bytes;
    let address = match domain {
        AF_INET => Ipv4Addr::new(a, b, c, d).into(),
        AF_INET6 => IpAddr::from(bytes).to_canonical(),
        _ => return None,
    };
    Some(End { address, port })
}

/// An abstract name starts with a NUL, and is written with `@`, as in `ss`.
fn sun_path(bytes: &[u8]) -> Vec<u8> {
    match bytes.split_first() {
        Some((0, name)) => [b"@", until_nul(name)].concat(),
        _ => until_nul(bytes).to_vec(),
    }
}
