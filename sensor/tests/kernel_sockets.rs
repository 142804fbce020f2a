//! Real calls on sockets, seen through the real kernel programs. Needs root (or CAP_BPF and
//! CAP_PERFMON), kernel BTF and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{net::TcpListener, path::Path, thread};

use lanner_engine::{Event as _, Field};
use lanner_sensor::{decode::Call, event::SyscallEvent, message_needs::MessageNeeds};

use crate::watch::{Mode, Watch, field, has, run, show};

in_each_mode!(
    both_sides_of_a_tcp_connection,
    ipv6_and_ipv4_on_one_listener,
    listening_on_every_address,
    unix_sockets_have_the_path_that_their_server_bound,
    unix_datagrams,
    new_sockets_of_all_families,
    a_datagram_conversation_has_a_client_and_a_server,
    only_changed_peers_when_nothing_else_is_wanted,
    several_messages_at_once,
    an_address_without_a_family_is_still_one,
    a_connected_datagram_socket_can_talk_to_others,
    fast_open_is_a_message_that_connects,
    a_network_namespace_has_addresses_of_its_own,
    accepting_nothing,
);

/// What rules ask for that look at first contacts alone.
const FIRST_CONTACTS: MessageNeeds =
    MessageNeeds { all_sends: false, all_receives: false, data_len_max: 0 };

/// A port that nobody listens on. Ends of other tests have others.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// Begins a Python program: `PORT` in it is the port, and sockets are imported.
fn python(watch: &mut Watch, port: &str, program: &str) {
    python_in(watch, &[], &program.replace("PORT", port));
}

/// The same, started by another program.
fn python_in(watch: &mut Watch, starter: &[&'static str], program: &str) {
    watch.only(&CALLS);
    let program = format!("from socket import *\n{program}");
    let starter = starter.to_vec();
    // Not waited for: what else happens must not fill the ring meanwhile.
    thread::spawn(move || {
        let all: Vec<&str> = starter.into_iter().chain(["python3", "-c", &program]).collect();
        run(all[0], &all[1..], Path::new("/"));
    });
}

const CALLS: [Call; 11] = [
    Call::Connect,
    Call::Accept,
    Call::Accept4,
    Call::Listen,
    Call::Socket,
    Call::Sendto,
    Call::Sendmsg,
    Call::Sendmmsg,
    Call::Recvfrom,
    Call::Recvmsg,
    Call::Recvmmsg,
];

/// The next event of this type on the port.
async fn on_port(watch: &mut Watch, port: &str, event_type: &str) -> SyscallEvent {
    let what = format!("{event_type} on port {port}");
    let is_it = |event: &SyscallEvent| {
        event.event_type() == event_type && show(event.get(Field::FdPort, None)).contains(port)
    };
    watch.find(&what, is_it).await
}

#[track_caller]
fn check(event: &SyscallEvent, expected: &[(Field, &str)]) {
    for (name, text) in expected {
        assert_eq!(field(event, *name, None), *text, "{name} of {}", event.event_type());
    }
}

async fn both_sides_of_a_tcp_connection(mut watch: Watch) {
    let port = free_port();
    python(
        &mut watch,
        &port,
        "s = socket(); s.bind(('127.0.0.1', PORT)); s.listen(7)\n\
         c = socket(); c.connect(('127.0.0.1', PORT)); a, _ = s.accept()\n\
         c.send(b'hello'); a.recv(9)\n",
    );
    let listen = on_port(&mut watch, &port, "listen").await;
    check(
        &listen,
        &[
            (Field::FdName, &format!("127.0.0.1:{port}")),
            (Field::FdSip, "127.0.0.1"),
            (Field::FdSport, &port),
            (Field::FdL4proto, "tcp"),
            (Field::FdIsServer, "true"),
            (Field::EvtRawres, "0"),
        ],
    );
    assert_eq!(field(&listen, Field::EvtArg, Some("backlog")), "7");

    let connect = on_port(&mut watch, &port, "connect").await;
    let client = field(&connect, Field::FdCport, None);
    let name = format!("127.0.0.1:{client}->127.0.0.1:{port}");
    check(&connect, &[(Field::FdName, &name), (Field::FdSport, &port)]);
    check(&connect, &[(Field::FdIsServer, "false"), (Field::FdConnected, "true")]);
    check(&connect, &[(Field::FdLport, &client), (Field::FdRport, &port)]);

    let accept = on_port(&mut watch, &port, "accept4").await;
    check(
        &accept,
        &[
            (Field::FdName, &name),
            (Field::FdCip, "127.0.0.1"),
            (Field::FdCport, &client),
            (Field::FdSport, &port),
            (Field::FdLport, &port),
            (Field::FdRport, &client),
            (Field::FdIsServer, "true"),
            (Field::FdConnected, "true"),
            (Field::FdNum, &field(&accept, Field::EvtRawres, None)),
        ],
    );
    assert_eq!(field(&accept, Field::EvtArg, Some("queuemax")), "7");
    assert_eq!(field(&accept, Field::EvtArg, Some("tuple")), name);

    let send = on_port(&mut watch, &port, "sendto").await;
    check(&send, &[(Field::FdName, &name), (Field::FdIsServer, "false")]);
    check(&send, &[(Field::EvtBuffer, "hello"), (Field::EvtBuflen, "5")]);
    check(&send, &[(Field::FdConnected, "true"), (Field::FdNameChanged, "false")]);
    let receive = on_port(&mut watch, &port, "recvfrom").await;
    check(&receive, &[(Field::FdName, &name), (Field::FdIsServer, "true")]);
    check(&receive, &[(Field::EvtBuffer, "hello"), (Field::EvtBuflen, "5")]);
    assert_eq!(field(&receive, Field::EvtArg, Some("size")), "9");
}

async fn ipv6_and_ipv4_on_one_listener(mut watch: Watch) {
    let port = free_port();
    python(
        &mut watch,
        &port,
        "s = socket(AF_INET6); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)\n\
         s.bind(('::', PORT)); s.listen()\n\
         c = socket(AF_INET6); c.connect(('::1', PORT)); s.accept()\n\
         d = socket(AF_INET6); d.connect(('::ffff:127.0.0.1', PORT)); s.accept()\n",
    );
    let listen = on_port(&mut watch, &port, "listen").await;
    check(&listen, &[(Field::FdName, &format!(":::{port}")), (Field::FdTypechar, "6")]);
    let six = on_port(&mut watch, &port, "connect").await;
    check(&six, &[(Field::FdIp, "::1,::1"), (Field::FdType, "ipv6"), (Field::FdSport, &port)]);
    let accepted = on_port(&mut watch, &port, "accept4").await;
    check(&accepted, &[(Field::FdName, &field(&six, Field::FdName, None))]);
    let four = on_port(&mut watch, &port, "connect").await;
    check(&four, &[(Field::FdIp, "127.0.0.1,127.0.0.1"), (Field::FdType, "ipv4")]);
    let accepted = on_port(&mut watch, &port, "accept4").await;
    check(&accepted, &[(Field::FdTypechar, "4"), (Field::FdSip, "127.0.0.1")]);
    check(&accepted, &[(Field::FdName, &field(&four, Field::FdName, None))]);
}

async fn listening_on_every_address(mut watch: Watch) {
    let port = free_port();
    python(&mut watch, &port, "s = socket(); s.bind(('', PORT)); s.listen()\n");
    let listen = on_port(&mut watch, &port, "listen").await;
    check(&listen, &[(Field::FdName, &format!("0.0.0.0:{port}")), (Field::FdIp, "0.0.0.0")]);
    check(&listen, &[(Field::FdRip, "none"), (Field::FdCport, "none")]);
}

async fn unix_sockets_have_the_path_that_their_server_bound(mut watch: Watch) {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().canonicalize().unwrap();
    let (bound, link) = (real.join("bound.sock"), real.join("link.sock"));
    let (bound, link) = (bound.to_str().unwrap(), link.to_str().unwrap());
    let hidden = format!("lanner-test-{}", std::process::id());
    let program = format!(
        "import os\n\
         s = socket(AF_UNIX); s.bind('{bound}'); s.listen(); os.symlink('{bound}', '{link}')\n\
         c = socket(AF_UNIX); c.connect('{link}'); s.accept()\n\
         h = socket(AF_UNIX); h.bind('\\0{hidden}'); h.listen()\n\
         d = socket(AF_UNIX); d.connect('\\0{hidden}')\n"
    );
    python_in(&mut watch, &[], &program);
    let of_type = |event_type: &'static str| {
        move |event: &SyscallEvent| {
            let is_ours = || field(event, Field::ProcCmdline, None).contains(&bound);
            event.event_type() == event_type && has(event, Field::FdSockfamily, "unix") && is_ours()
        }
    };
    let listen = watch.find("the listener", of_type("listen")).await;
    check(&listen, &[(Field::FdName, bound), (Field::FdTypechar, "u"), (Field::FdIp, "none")]);
    let is_link = |event: &SyscallEvent| has(event, Field::FdName, link);
    let connect = watch.find("the connection", is_link).await;
    check(&connect, &[(Field::FdName, link), (Field::FdConnected, "true")]);
    assert!(connect.has_other_path());
    assert_eq!(show(connect.get_with_other_path(Field::FdName, None)), bound);
    let accept = watch.find("its other end", of_type("accept4")).await;
    check(&accept, &[(Field::FdName, bound), (Field::FdIsServer, "true")]);
    let hidden = format!("@{hidden}");
    let is_hidden = |event: &SyscallEvent| {
        event.event_type() == "connect" && has(event, Field::FdName, &hidden)
    };
    let connect = watch.find("the abstract one", is_hidden).await;
    assert!(!connect.has_other_path());
}

async fn unix_datagrams(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().canonicalize().unwrap();
    let (one, two) = (real.join("one"), real.join("two"));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let program = format!(
        "a = socket(AF_UNIX, SOCK_DGRAM); a.bind('{one}')\n\
         b = socket(AF_UNIX, SOCK_DGRAM); b.bind('{two}')\n\
         c = socket(AF_UNIX, SOCK_DGRAM)\n\
         c.sendto(b'x', '{one}'); c.sendto(b'x', '{one}'); c.sendto(b'x', '{two}')\n\
         c.sendto(b'x', '{one}')\n"
    );
    python_in(&mut watch, &[], &program);
    for path in [one, two, one] {
        let ours = |event: &SyscallEvent| {
            event.event_type() == "sendto" && {
                has(event, Field::FdName, one) || has(event, Field::FdName, two)
            }
        };
        let sent = watch.find("a datagram", ours).await;
        check(&sent, &[(Field::FdName, path), (Field::FdNameChanged, "true")]);
    }
}

async fn new_sockets_of_all_families(mut watch: Watch) {
    // Nobody else makes one of this protocol.
    let program = "socket(AF_PACKET, SOCK_RAW, 0x1234)\n\
         import ctypes; ctypes.CDLL(None).socket(2, 10, 0x1234)\n\
         socket(AF_NETLINK, SOCK_RAW, 15)\n\
         socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)\n";
    python_in(&mut watch, &[], program);
    let packet = |event: &SyscallEvent| field(event, Field::EvtArg, Some("proto")) == "4660";
    let made = watch.find("the packet socket", packet).await;
    assert_eq!(field(&made, Field::EvtArg, Some("domain")), "AF_PACKET");
    check(&made, &[(Field::FdTypechar, "o"), (Field::FdSockfamily, "none")]);
    check(&made, &[(Field::FdNum, &field(&made, Field::EvtRawres, None))]);
    // SOCK_PACKET of AF_INET, as before Linux 2.2: it is one all the same.
    let made = watch.find("the old packet socket", packet).await;
    assert_eq!(field(&made, Field::EvtArg, Some("domain")), "AF_PACKET");
    let of_python = |letter: &'static str| {
        move |event: &SyscallEvent| {
            event.event_type() == "socket"
                && has(event, Field::FdTypechar, letter)
                && has(event, Field::ProcName, "python3")
        }
    };
    let made = watch.find("the netlink socket", of_python("n")).await;
    assert_eq!(field(&made, Field::EvtArg, Some("domain")), "AF_ROUTE|AF_NETLINK");
    let made = watch.find("the raw socket", of_python("4")).await;
    check(&made, &[(Field::FdL4proto, "raw"), (Field::FdIp, "none")]);
}

async fn a_datagram_conversation_has_a_client_and_a_server(mut watch: Watch) {
    let port = free_port();
    python(
        &mut watch,
        &port,
        "s = socket(AF_INET, SOCK_DGRAM); s.bind(('127.0.0.1', PORT))\n\
         c = socket(AF_INET, SOCK_DGRAM); c.sendto(b'ask', ('127.0.0.1', PORT))\n\
         _, to = s.recvfrom(9); s.sendto(b'answer', to); c.recvfrom(9)\n",
    );
    let ask = on_port(&mut watch, &port, "sendto").await;
    let client = field(&ask, Field::FdCport, None);
    let name = format!("127.0.0.1:{client}->127.0.0.1:{port}");
    check(
        &ask,
        &[
            (Field::FdName, &name),
            (Field::FdL4proto, "udp"),
            (Field::FdIp, "127.0.0.1,127.0.0.1"),
            (Field::FdIsServer, "false"),
            (Field::FdConnected, "false"),
            (Field::FdNameChanged, "true"),
            (Field::EvtBuffer, "ask"),
        ],
    );
    for (event_type, is_server, changed) in
        [("recvfrom", "true", "true"), ("sendto", "true", "false"), ("recvfrom", "false", "false")]
    {
        let event = on_port(&mut watch, &port, event_type).await;
        check(&event, &[(Field::FdName, &name), (Field::FdIsServer, is_server)]);
        check(&event, &[(Field::FdNameChanged, changed), (Field::FdSport, &port)]);
    }
}

async fn only_changed_peers_when_nothing_else_is_wanted(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let (port, end) = (free_port(), free_port());
    let program = "c = socket(AF_INET, SOCK_DGRAM)\n\
         for peer in '1112122': c.sendto(b'x', ('127.0.0.' + peer, PORT))\n\
         t = socket(AF_INET, SOCK_STREAM); s = socket(); s.bind(('127.0.0.1', END)); s.listen()\n\
         t.connect(('127.0.0.1', END)); t.send(b'x'); t.sendmsg([b'x'])\n\
         u = socket(AF_INET, SOCK_DGRAM); u.connect(('127.0.0.9', PORT)); u.send(b'x')\n\
         try: u.sendto(b'x', ('127.0.0.9', PORT))\n\
         except OSError: pass\n\
         c.sendto(b'x', ('127.0.0.3', PORT))\n";
    python(&mut watch, &port, &program.replace("END", &end));
    let mut peers = Vec::new();
    while peers.last().is_none_or(|peer| peer != "127.0.0.3") {
        let ours = |event: &SyscallEvent| {
            event.event_type().starts_with("send") && {
                let ports = show(event.get(Field::FdPort, None));
                ports.contains(&port) || ports.contains(&end)
            }
        };
        let event = watch.find("a changed peer", ours).await;
        check(&event, &[(Field::FdNameChanged, "true")]);
        peers.push(field(&event, Field::FdRip, None));
    }
    assert_eq!(peers, ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

/// `sendmmsg` and `recvmmsg`, which Python does not have.
const MANY: &str = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n\
    class Name(ctypes.Structure): _fields_ = [('b', ctypes.c_ubyte * 16)]\n\
    class Vec(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]\n\
    class Header(ctypes.Structure): _fields_ = [('name', ctypes.c_void_p), ('name_len', ctypes.c_uint),\n\
      ('vec', ctypes.c_void_p), ('vecs', ctypes.c_size_t), ('control', ctypes.c_void_p),\n\
      ('control_len', ctypes.c_size_t), ('flags', ctypes.c_long), ('len', ctypes.c_ulong)]\n\
    def headers(names, datas):\n\
    \x20 all = (Header * len(datas))(); keep = []\n\
    \x20 for header, name, data in zip(all, names, datas):\n\
    \x20   vecs = (Vec * len(data))()\n\
    \x20   for vec, piece in zip(vecs, data): vec.base = ctypes.addressof(piece); vec.len = len(piece.raw) - 1; keep.append(piece)\n\
    \x20   header.name = ctypes.addressof(name); header.name_len = 16\n\
    \x20   header.vec = ctypes.addressof(vecs); header.vecs = len(data); keep += [vecs, name]\n\
    \x20 return all, keep\n\
    def name(last, port): return Name((ctypes.c_ubyte * 16)(2, 0, port >> 8, port & 255, 127, 0, 0, last))\n\
    text = ctypes.create_string_buffer\n";

async fn several_messages_at_once(mut watch: Watch) {
    let port = free_port();
    let program = "s = socket(AF_INET, SOCK_DGRAM); s.bind(('127.0.0.1', PORT))\n\
        c = socket(AF_INET, SOCK_DGRAM)\n\
        out, a = headers([name(1, PORT), name(2, PORT), name(1, PORT)], [[text(b'one')], [text(b'tw'), text(b'o')], [text(b'three')]])\n\
        libc.sendmmsg(c.fileno(), out, 3, 0)\n\
        back, b = headers([name(0, 0), name(0, 0)], [[text(b'..........')], [text(b'..........')]])\n\
        libc.recvmmsg(s.fileno(), back, 2, 0, None)\n";
    python(&mut watch, &port, &format!("{MANY}{program}"));
    for (peer, data) in [("127.0.0.1", "one"), ("127.0.0.2", "two"), ("127.0.0.1", "three")] {
        let sent = on_port(&mut watch, &port, "sendmmsg").await;
        check(&sent, &[(Field::FdSip, peer), (Field::EvtBuffer, data)]);
        check(&sent, &[(Field::EvtRawres, &data.len().to_string()), (Field::FdL4proto, "udp")]);
        check(&sent, &[(Field::FdNameChanged, "true"), (Field::FdIsServer, "false")]);
    }
    for (changed, data) in [("true", "one"), ("false", "three")] {
        let received = on_port(&mut watch, &port, "recvmmsg").await;
        check(&received, &[(Field::EvtBuffer, data), (Field::FdNameChanged, changed)]);
        check(&received, &[(Field::FdIsServer, "true"), (Field::FdLport, &port)]);
    }
}

async fn an_address_without_a_family_is_still_one(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let port = free_port();
    let program = "c = socket(AF_INET, SOCK_DGRAM); to = name(1, PORT); to.b[0] = 0\n\
        libc.sendto(c.fileno(), b'x', 1, 0, ctypes.byref(to), 16)\n";
    python(&mut watch, &port, &format!("{MANY}{program}"));
    let sent = on_port(&mut watch, &port, "sendto").await;
    check(&sent, &[(Field::FdSip, "127.0.0.1"), (Field::FdNameChanged, "true")]);
}

async fn a_connected_datagram_socket_can_talk_to_others(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let port = free_port();
    python(
        &mut watch,
        &port,
        "c = socket(AF_INET, SOCK_DGRAM); c.connect(('127.0.0.1', PORT))\n\
         c.sendto(b'x', ('127.0.0.2', PORT))\n",
    );
    let connect = on_port(&mut watch, &port, "connect").await;
    check(&connect, &[(Field::FdConnected, "true"), (Field::FdL4proto, "udp")]);
    let sent = on_port(&mut watch, &port, "sendto").await;
    check(&sent, &[(Field::FdSip, "127.0.0.2"), (Field::FdConnected, "false")]);
    check(&sent, &[(Field::FdNameChanged, "true"), (Field::FdIsServer, "false")]);
}

async fn fast_open_is_a_message_that_connects(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let port = free_port();
    python(
        &mut watch,
        &port,
        "s = socket(); s.bind(('127.0.0.1', PORT)); s.listen()\n\
         c = socket(); c.sendto(b'x', 0x20000000, ('127.0.0.1', PORT))\n",
    );
    let sent = on_port(&mut watch, &port, "sendto").await;
    check(&sent, &[(Field::FdSip, "127.0.0.1"), (Field::FdSport, &port)]);
    check(&sent, &[(Field::FdL4proto, "tcp"), (Field::FdNameChanged, "true")]);
    check(&sent, &[(Field::FdIsServer, "false"), (Field::FdConnected, "true")]);
}

async fn a_network_namespace_has_addresses_of_its_own(mut watch: Watch) {
    watch.want_messages(FIRST_CONTACTS);
    let port = free_port();
    // Loopback comes up, and gets an address that this host does not have.
    let program = "import fcntl, struct\n\
        c = socket(AF_INET, SOCK_DGRAM)\n\
        def set(call, name, rest): fcntl.ioctl(c, call, struct.pack('16s', name) + rest)\n\
        def of(last): return struct.pack('HH4B8x', AF_INET, 0, 10, 98, 76, last)\n\
        set(0x8914, b'lo', struct.pack('H14x', 1))\n\
        set(0x8916, b'lo:1', of(5))\n\
        set(0x891c, b'lo:1', struct.pack('HH4B8x', AF_INET, 0, 255, 255, 255, 0))\n\
        c.sendto(b'x', ('10.98.76.5', PORT))\n\
        d = socket(AF_INET6, SOCK_DGRAM); d.sendto(b'x', ('::1', PORT))\n\
        e = socket(AF_INET6, SOCK_DGRAM); e.sendto(b'x', ('::ffff:127.0.0.1', PORT))\n";
    python_in(&mut watch, &["unshare", "--net"], &program.replace("PORT", &port));
    for (local, peer, letter) in
        [("10.98.76.5", "10.98.76.5", "4"), ("::1", "::1", "6"), ("127.0.0.1", "127.0.0.1", "4")]
    {
        let sent = on_port(&mut watch, &port, "sendto").await;
        check(&sent, &[(Field::FdRip, peer), (Field::FdLip, local), (Field::FdTypechar, letter)]);
    }
}

async fn accepting_nothing(mut watch: Watch) {
    let port = free_port();
    python(
        &mut watch,
        &port,
        "s = socket(); s.bind(('127.0.0.1', PORT)); s.listen(); s.setblocking(False)\n\
         try: s.accept()\n\
         except OSError: pass\n",
    );
    let is_it = |event: &SyscallEvent| {
        event.event_type() == "accept4" && has(event, Field::EvtRes, "EAGAIN")
    };
    let event = watch.find("the failed accept", is_it).await;
    check(&event, &[(Field::FdNum, "-1"), (Field::FdName, "none"), (Field::EvtFailed, "true")]);
    assert_eq!(field(&event, Field::EvtArg, Some("fd")), "EAGAIN");
}

/// 32-bit calls through `int 0x80`, which only one program for all calls sees.
async fn compat_calls(mode: Mode, test: &str) {
    let Some(mut watch) = Watch::start(test, mode) else { return };
    if !Path::new("/proc/sys/abi/vsyscall32").exists() {
        lanner_testkit::not_run::not_run(test, "this kernel runs no 32-bit programs");
        return;
    }
    let port = free_port();
    let program = "import ctypes, mmap, struct\n\
        m = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE|mmap.MAP_ANONYMOUS|0x40, prot=7)\n\
        at = ctypes.addressof(ctypes.c_char.from_buffer(m))\n\
        m[0:13] = bytes.fromhex('5389f889f34887cacd805bc3') + b'\\x90'\n\
        call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)(at)\n\
        name = struct.pack('>HH4B8x', 0x200, PORT, 127, 0, 0, 1)\n\
        m[256:256+16] = name\n\
        m[512:512+5] = b'hello'\n\
        m[640:640+8] = struct.pack('II', at + 512, 5)\n\
        m[768:768+28] = struct.pack('IIIIIII', at + 256, 16, at + 640, 1, 0, 0, 0)\n\
        c = socket(AF_INET, SOCK_DGRAM)\n\
        call(370, c.fileno(), at + 768, 0)\n\
        m[1024:1024+24] = struct.pack('6I', c.fileno(), at + 512, 4, 0, at + 256, 16)\n\
        call(102, 11, at + 1024, 0)\n";
    python(&mut watch, &port, program);
    let sent = on_port(&mut watch, &port, "sendmsg").await;
    check(&sent, &[(Field::FdSip, "127.0.0.1"), (Field::EvtBuffer, "hello")]);
    let sent = on_port(&mut watch, &port, "sendto").await;
    check(&sent, &[(Field::FdSip, "127.0.0.1"), (Field::EvtBuffer, "hell")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compat_calls_full() {
    compat_calls(Mode::Full, "compat_calls_full").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compat_calls_base() {
    compat_calls(Mode::Base, "compat_calls_base").await;
}
