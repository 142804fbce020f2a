//! Connections. A UDP socket that is connected sends nothing: the kernel only
//! remembers the address. 198.51.100.0/24 is for documentation (RFC 5737), and
//! nobody's.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

use anyhow::Context as _;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket, socket_with},
    stdio::dup2_stdin,
};

use super::files::NewFolders;
use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    told::Doer,
};

const NOBODYS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Where most clusters have it; see the rules' list `api_server_addresses`.
const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The kernel remembers an address.
const CONNECT: Action = Action {
    harmless: "the socket is UDP, so connecting it sends nothing",
    event: "connect",
    ..ACTION
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "unexpected-udp",
        does: "sends an empty UDP datagram to an unusual port, and connects to it",
        harmless: "the datagram goes to an address for documentation, where nobody is",
        rules: &["Unexpected UDP Traffic"],
        falco: &["Unexpected UDP Traffic"],
        mitre: "T1048",
        event: "sendto",
        act: |doer| {
            let socket = udp_socket()?;
            socket.send_to(&[], (NOBODYS, 31337)).context("cannot send")?;
            connect_udp(doer, NOBODYS, 31337)
        },
        ..CONNECT
    },
    Action {
        name: "contact-metadata-service",
        does: "connects to a cloud's metadata service from a container",
        rules: &["Contact cloud metadata service from container"],
        falco: &[
            "Contact cloud metadata service from container",
            "Contact EC2 Instance Metadata Service From Container",
        ],
        mitre: "T1552.005",
        place: Place::Container,
        act: |doer| connect_udp(doer, METADATA, 80),
        ..CONNECT
    },
    Action {
        name: "contact-api-server",
        does: "connects to the Kubernetes API server's address from a container",
        rules: &["Contact K8S API Server From Container"],
        // Its rule asks the cluster's DNS for a name.
        falco: &[],
        mitre: "T1613",
        place: Place::Container,
        act: |doer| connect_udp(doer, API_SERVER, 443),
        ..CONNECT
    },
    Action {
        name: "contact-kubelet",
        does: "connects to a kubelet's port from a container",
        rules: &["Contact kubelet from container"],
        mitre: "T1613",
        place: Place::Container,
        act: |doer| connect_udp(doer, NOBODYS, 10250),
        ..CONNECT
    },
    Action {
        name: "contact-container-runtime",
        does: "connects to the container runtime's socket in a container",
        harmless: "the socket is our own, or nothing is said on it",
        rules: &["Contact container runtime from container"],
        mitre: "T1610",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| connect_unix(doer, "/run/containerd/containerd.sock"),
        ..CONNECT
    },
    Action {
        name: "forge-alerts",
        does: "connects to the forwarder's socket in a container",
        harmless: "the socket is our own, or nothing is said on it",
        rules: &["Alerts forged to the forwarder"],
        mitre: "T1562.006",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| connect_unix(doer, "/run/lanner/forwarder.sock"),
        ..CONNECT
    },
    Action {
        name: "listen",
        does: "has netcat listen",
        harmless: "it listens on loopback, and ends at once",
        rules: &["Unexpected listening port"],
        mitre: "T1571",
        event: "listen",
        processes: &[Process { program: "nc", args: &["-l", "<token>"], ..PROCESS }],
        act: |doer| {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
            doer.expect_server(socket.local_addr().context("no address")?);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "shell-connects",
        does: "has a shell connect out of a container",
        rules: &["Reverse shell in container"],
        falco: &["System procs network activity"],
        mitre: "T1059.004",
        place: Place::Container,
        processes: &[Process { program: "bash", ..PROCESS }],
        act: |doer| connect_udp(doer, NOBODYS, 4444),
        ..CONNECT
    },
    Action {
        name: "system-program-connects",
        does: "has a program that needs no network connect",
        rules: &["System procs network activity"],
        falco: &["System procs network activity"],
        mitre: "T1059",
        processes: &[Process { program: "sha256sum", ..PROCESS }],
        act: |doer| connect_udp(doer, NOBODYS, 31337),
        ..CONNECT
    },
    Action {
        name: "contact-mining-pool",
        does: "connects to a port of mining pools from a container",
        rules: &["Connection to a port of mining pools"],
        // Its rule is off, and asks the DNS for the pools' names.
        falco: &[],
        mitre: "T1496",
        place: Place::Container,
        act: |doer| connect_udp(doer, NOBODYS, 3333),
        ..CONNECT
    },
    Action {
        name: "ssh-to-unusual-port",
        does: "has ssh connect to port 443",
        harmless: "one SYN goes to an address for documentation, where nobody answers",
        rules: &["Disallowed SSH Connection Non Standard Port"],
        falco: &["Disallowed SSH Connection Non Standard Port"],
        mitre: "T1059",
        processes: &[Process { program: "ssh", ..PROCESS }],
        act: |doer| connect_tcp(doer, NOBODYS, 443),
        ..CONNECT
    },
    Action {
        name: "redirect-to-connection",
        does: "makes a connection to itself its standard input, in a container",
        harmless: "the connection is by loopback, and closed at once",
        rules: &["Redirect STDOUT/STDIN to Network Connection in Container"],
        falco: &["Redirect STDOUT/STDIN to Network Connection in Container"],
        mitre: "T1059",
        event: "dup",
        place: Place::Container,
        act: |doer| {
            let (client, _server, address) = connection_to_itself(Ipv4Addr::LOCALHOST)?;
            dup2_stdin(&client).context("cannot redirect the standard input")?;
            doer.expect_server(address);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "packet-socket",
        does: "makes a packet socket in a container",
        harmless: "it is closed at once, and nothing is read from it",
        rules: &["Packet socket created in container"],
        falco: &["Packet socket created in container"],
        mitre: "T1557.002",
        event: "socket",
        needs: &[Need::Capability("NET_RAW")],
        place: Place::Container,
        act: |doer| {
            socket(AddressFamily::PACKET, SocketType::RAW, None)
                .context("cannot make a packet socket")?;
            doer.expect("evt.type", "socket");
            doer.expect("evt.arg.type", "3");
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "interpreter-connects",
        does: "has an interpreter connect",
        falco: &["Interpreted procs outbound network activity"],
        mitre: "T1059.006",
        processes: &[Process { program: "python3", ..PROCESS }],
        act: |doer| connect_udp(doer, NOBODYS, 31337),
        ..CONNECT
    },
    Action {
        name: "interpreter-accepts",
        does: "has an interpreter take a connection from itself by IPv6",
        harmless: "the connection is by loopback, and closed at once",
        falco: &[
            "Interpreted procs inbound network activity",
            "Unexpected inbound connection source",
        ],
        mitre: "T1571",
        event: "accept4",
        processes: &[Process { program: "python3", ..PROCESS }],
        act: |doer| {
            let (_client, _server, address) = connection_to_itself(Ipv6Addr::LOCALHOST)?;
            doer.expect_server(address);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "contact-node-port",
        does: "connects to a port of Kubernetes' node ports from a container",
        falco: &["Unexpected K8s NodePort Connection"],
        mitre: "T1205.001",
        place: Place::Container,
        act: |doer| connect_udp(doer, NOBODYS, 30080),
        ..CONNECT
    },
    Action {
        name: "receive-class-file",
        does: "has java receive the first bytes of a class file from itself",
        harmless: "the connection is by loopback, and four bytes are no class",
        falco: &["Java Process Class File Download"],
        mitre: "T1190",
        event: "recvfrom",
        processes: &[Process { program: "java", ..PROCESS }],
        act: |doer| {
            let (mut client, mut server, address) = connection_to_itself(Ipv4Addr::LOCALHOST)?;
            server.write_all(b"\xca\xfe\xba\xbe").context("cannot send")?;
            client.read_exact(&mut [0; 4]).context("cannot receive")?;
            doer.expect_server(address);
            Ok(())
        },
        ..ACTION
    },
];

/// Both ends of a connection by loopback, the client's first, and the server's address.
fn connection_to_itself(
    loopback: impl Into<IpAddr>,
) -> anyhow::Result<(TcpStream, TcpStream, SocketAddr)> {
    let listener = TcpListener::bind((loopback.into(), 0)).context("cannot listen")?;
    let address = listener.local_addr().context("no address")?;
    let client = TcpStream::connect(address).context("cannot connect")?;
    let (server, _) = listener.accept().context("cannot take the connection")?;
    Ok((client, server, address))
}

fn udp_socket() -> anyhow::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot make a socket")
}

/// Where no socket is, one of our own is made, and removed again.
fn connect_unix(doer: &mut Doer, path: &str) -> anyhow::Result<()> {
    let socket = Path::new(path);
    let _folders = NewFolders::make(socket.parent().context("a socket lies in a folder")?)?;
    let own = if socket.exists() {
        None
    } else {
        Some(UnixListener::bind(socket).with_context(|| format!("cannot listen on {path}"))?)
    };
    let connected =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {path}"));
    if own.is_some() {
        fs::remove_file(socket).with_context(|| format!("cannot remove {path}"))?;
    }
    doer.expect("fd.name", path);
    connected.map(drop)
}

fn connect_udp(doer: &mut Doer, address: Ipv4Addr, port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((address, port));
    let socket = udp_socket()?;
    socket.connect(address).with_context(|| format!("cannot connect to {address}"))?;
    doer.expect_server(address);
    doer.expect("fd.l4proto", "udp");
    Ok(())
}

fn connect_tcp(doer: &mut Doer, address: Ipv4Addr, port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((address, port));
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .context("cannot make a socket")?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("cannot connect to {address}")));
        }
    }
    doer.expect_server(address);
    doer.expect("fd.l4proto", "tcp");
    Ok(())
}
