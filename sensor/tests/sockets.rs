//! Records of calls on sockets, from their bytes to fields.

#[path = "support/record.rs"]
mod record;

use std::sync::Arc;

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::{Call, Family, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::SyscallEvent,
};

use crate::record::{Head, record};

const CONNECT: u16 = Family::Connect as u16;
const ACCEPT: u16 = Family::Accept as u16;
const SOCKET: u16 = Family::Socket as u16;
const MESSAGE: u16 = Family::Message as u16;

const HAS_LOCAL: u16 = 1;
const HAS_REMOTE: u16 = 2;
const CONNECTED: u16 = 4;
const CHANGED: u16 = 8;
const CLIENT: u16 = 16;
const SERVER: u16 = 32;
const BOTH: u16 = HAS_LOCAL | HAS_REMOTE;

/// The facts as the kernel side lays them out.
#[derive(Clone, Copy)]
struct Facts {
    result: i64,
    fd: i32,
    asked_type: u32,
    asked_number: u32,
    queue: [u32; 2],
    family: u16,
    kind: u16,
    protocol: u16,
    bits: u16,
    ports: [u16; 2],
    local: [u8; 16],
    remote: [u8; 16],
    given: &'static [u8],
    bound: &'static [u8],
    data: &'static [u8],
}

const TCP: Facts = Facts {
    result: 0,
    fd: 5,
    asked_type: 0,
    asked_number: 0,
    queue: [0, 0],
    family: 2,
    kind: 1,
    protocol: 6,
    bits: BOTH | CLIENT | CONNECTED | CHANGED,
    ports: [4000, 443],
    local: v4([10, 0, 0, 1]),
    remote: v4([9, 9, 9, 9]),
    given: b"",
    bound: b"",
    data: b"",
};

const fn v4([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

const fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

fn event(kind: u16, call: Call, facts: Facts) -> SyscallEvent {
    let mut payload = Vec::new();
    payload.extend(facts.result.to_ne_bytes());
    payload.extend(77_u64.to_ne_bytes());
    payload.extend(facts.fd.to_ne_bytes());
    for number in [facts.asked_type, facts.asked_number, facts.queue[0], facts.queue[1]] {
        payload.extend(number.to_ne_bytes());
    }
    let Facts { family, kind: of, protocol, bits, ports, .. } = facts;
    for number in [family, of, protocol, bits, ports[0], ports[1]] {
        payload.extend(number.to_ne_bytes());
    }
    payload.extend(facts.local);
    payload.extend(facts.remote);
    for section in [facts.given, facts.bound, facts.data, b""] {
        payload.extend(u16::try_from(section.len()).unwrap().to_ne_bytes());
    }
    payload.extend([facts.given, facts.bound, facts.data].concat());

    let proc = tempfile::tempdir().unwrap();
    let node = Node::new("n", Procfs::new(proc.path()), Containers::new(None));
    let mut enricher = Enricher::new(Arc::new(node));
    let event = decode(&record(&Head::default(), kind, call.id(), &payload)).unwrap();
    enricher.take(event, |_| true).unwrap()
}

fn show(value: Option<Value<'_>>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Value::Ip(address)) => address.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Uint(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::List(values)) => {
            values.iter().map(|value| show(Some(value))).collect::<Vec<_>>().join(",")
        }
    }
}

/// Fields by name, `evt.arg.NAME` among them.
#[track_caller]
fn check(event: &SyscallEvent, expected: &[(&str, &str)]) {
    for (name, text) in expected {
        let value = match name.strip_prefix("evt.arg.") {
            Some(argument) => event.get(Field::EvtArg, Some(argument)),
            None => {
                let field = Field::all().iter().find(|field| field.name() == *name);
                event.get(*field.unwrap_or_else(|| panic!("no field {name}")), None)
            }
        };
        assert_eq!(show(value), *text, "{name}");
    }
}

#[test]
fn who_connects_is_the_client() {
    let event = event(CONNECT, Call::Connect, Facts { result: -115, ..TCP });
    check(
        &event,
        &[
            ("evt.type", "connect"),
            ("evt.res", "EINPROGRESS"),
            ("evt.rawres", "-115"),
            ("fd.num", "5"),
            ("fd.ino", "77"),
            ("fd.name", "10.0.0.1:4000->9.9.9.9:443"),
            ("fd.type", "ipv4"),
            ("fd.typechar", "4"),
            ("fd.sockfamily", "ip"),
            ("fd.l4proto", "tcp"),
            ("fd.ip", "10.0.0.1,9.9.9.9"),
            ("fd.cip", "10.0.0.1"),
            ("fd.sip", "9.9.9.9"),
            ("fd.lip", "10.0.0.1"),
            ("fd.rip", "9.9.9.9"),
            ("fd.port", "4000,443"),
            ("fd.cport", "4000"),
            ("fd.sport", "443"),
            ("fd.lport", "4000"),
            ("fd.rport", "443"),
            ("fd.sproto", "443"),
            ("fd.is_server", "false"),
            ("fd.connected", "true"),
            ("fd.name_changed", "true"),
            ("evt.arg.res", "EINPROGRESS"),
            ("evt.arg.fd", "<4t>10.0.0.1:4000->9.9.9.9:443"),
            ("evt.arg.tuple", "10.0.0.1:4000->9.9.9.9:443"),
            ("evt.arg.addr", "9.9.9.9:443"),
            ("evt.arg.0", "EINPROGRESS"),
        ],
    );
}

#[test]
fn who_accepts_is_the_server() {
    let bits = BOTH | SERVER | CONNECTED | CHANGED;
    let facts = Facts { result: 7, fd: 7, asked_type: 0o4000, queue: [1, 4], bits, ..TCP };
    let event = event(ACCEPT, Call::Accept4, facts);
    check(
        &event,
        &[
            ("fd.num", "7"),
            ("fd.name", "9.9.9.9:443->10.0.0.1:4000"),
            ("fd.ip", "9.9.9.9,10.0.0.1"),
            ("fd.cip", "9.9.9.9"),
            ("fd.sip", "10.0.0.1"),
            ("fd.lip", "10.0.0.1"),
            ("fd.lport", "4000"),
            ("fd.sport", "4000"),
            ("fd.rport", "443"),
            ("fd.is_server", "true"),
            ("evt.arg.fd", "<4t>9.9.9.9:443->10.0.0.1:4000"),
            ("evt.arg.queuepct", "25"),
            ("evt.arg.queuelen", "1"),
            ("evt.arg.queuemax", "4"),
            ("evt.arg.flags", "800"),
        ],
    );
}

#[test]
fn a_call_that_gives_no_socket_has_no_ends() {
    let facts = Facts { result: -11, fd: -11, family: 0, bits: SERVER | CONNECTED, ..TCP };
    let event = event(ACCEPT, Call::Accept, facts);
    check(
        &event,
        &[
            ("evt.res", "EAGAIN"),
            ("fd.num", "-1"),
            ("fd.name", "none"),
            ("fd.type", "none"),
            ("fd.sip", "none"),
            ("evt.arg.fd", "EAGAIN"),
        ],
    );
}

#[test]
fn who_listens_has_one_end() {
    let facts = Facts { bits: HAS_LOCAL | SERVER, asked_number: 128, local: v4([0; 4]), ..TCP };
    let event = event(SOCKET, Call::Listen, facts);
    check(
        &event,
        &[
            ("evt.type", "listen"),
            ("fd.name", "0.0.0.0:4000"),
            ("fd.ip", "0.0.0.0"),
            ("fd.sip", "0.0.0.0"),
            ("fd.sport", "4000"),
            ("fd.lport", "4000"),
            ("fd.cip", "none"),
            ("fd.rip", "none"),
            ("fd.l4proto", "tcp"),
            ("fd.is_server", "true"),
            ("evt.arg.backlog", "128"),
        ],
    );
}

#[test]
fn ipv4_inside_ipv6_is_ipv4() {
    let six = Facts { family: 10, ..TCP };
    let both = Facts { local: mapped([10, 0, 0, 1]), remote: mapped([9, 9, 9, 9]), ..six };
    let v4 = [("fd.name", "10.0.0.1:4000->9.9.9.9:443"), ("fd.typechar", "4")];
    check(&event(CONNECT, Call::Connect, both), &v4);
    let any = Facts { local: [0; 16], remote: mapped([9, 9, 9, 9]), ..six };
    let v4 = [("fd.name", "0.0.0.0:4000->9.9.9.9:443"), ("fd.typechar", "4")];
    check(&event(CONNECT, Call::Connect, any), &v4);
    let mut remote = [0; 16];
    remote[15] = 1;
    let v6 = [("fd.name", ":::4000->::1:443"), ("fd.typechar", "6"), ("fd.type", "ipv6")];
    check(&event(CONNECT, Call::Connect, Facts { local: [0; 16], remote, ..six }), &v6);
}

#[test]
fn a_unix_socket_has_the_given_and_the_bound_path() {
    let unix = Facts { family: 1, bits: CLIENT | CONNECTED | CHANGED, protocol: 0, ..TCP };
    let other = |event: &SyscallEvent| show(event.get_with_other_path(Field::FdName, None));

    let linked = Facts { given: b"/tmp/x\0", bound: b"/run/docker.sock\0", ..unix };
    let linked = event(CONNECT, Call::Connect, linked);
    let name = [("fd.name", "/tmp/x"), ("fd.typechar", "u"), ("fd.sockfamily", "unix")];
    check(&linked, &name);
    check(&linked, &[("fd.l4proto", "none"), ("evt.arg.fd", "<u>/tmp/x"), ("fd.ip", "none")]);
    assert!(linked.has_other_path());
    assert_eq!(other(&linked), "/run/docker.sock");

    let same = Facts { given: b"/run/docker.sock", bound: b"/run/docker.sock\0", ..unix };
    let same = event(CONNECT, Call::Connect, same);
    check(&same, &[("fd.name", "/run/docker.sock")]);
    assert!(!same.has_other_path());

    let hidden = event(CONNECT, Call::Connect, Facts { given: b"\0systemd\0junk", ..unix });
    check(&hidden, &[("fd.name", "@systemd")]);
    let accepted = Facts { bound: b"/run/x", bits: SERVER, ..unix };
    check(&event(ACCEPT, Call::Accept, accepted), &[("fd.name", "/run/x")]);
}

#[test]
fn a_new_socket_says_what_it_is() {
    let new = Facts { bits: 0, fd: 3, result: 3, ports: [0, 0], ..TCP };
    let packet = Facts { family: 17, kind: 3, asked_type: 0o2_000_003, asked_number: 768, ..new };
    check(
        &event(SOCKET, Call::Socket, packet),
        &[
            ("evt.type", "socket"),
            ("evt.arg.domain", "AF_PACKET"),
            ("evt.arg.type", "524291"),
            ("evt.arg.proto", "768"),
            ("evt.arg.flags", "O_CLOEXEC"),
            ("evt.arg.fd", "<o>"),
            ("fd.typechar", "o"),
            ("fd.sockfamily", "none"),
            ("fd.name", "none"),
            ("fd.l4proto", "none"),
        ],
    );
    for (family, name, letter) in [
        (1, "AF_LOCAL|AF_UNIX", "u"),
        (2, "AF_INET", "4"),
        (10, "AF_INET6", "6"),
        (16, "AF_ROUTE|AF_NETLINK", "n"),
        (38, "AF_ALG", "o"),
        (200, "200", "o"),
    ] {
        let event = event(SOCKET, Call::Socket, Facts { family, ..new });
        check(&event, &[("evt.arg.domain", name), ("fd.typechar", letter), ("fd.ip", "none")]);
        check(&event, &[("evt.arg.flags", "O_NONE")]);
    }
}

#[test]
fn transports_have_their_names() {
    for (kind, protocol, name) in [
        (1, 6, "tcp"),
        (1, 262, "tcp"),
        (2, 17, "udp"),
        (2, 1, "icmp"),
        (2, 58, "icmp"),
        (3, 1, "raw"),
        (3, 255, "raw"),
        (1, 132, "<NA>"),
    ] {
        let event = event(CONNECT, Call::Connect, Facts { kind, protocol, ..TCP });
        check(&event, &[("fd.l4proto", name)]);
    }
}

#[test]
fn a_message_has_a_peer_and_its_first_bytes() {
    let facts = Facts {
        result: 3,
        asked_number: 900,
        kind: 2,
        protocol: 17,
        bits: BOTH | SERVER | CHANGED,
        ports: [53, 5353],
        data: b"a\x01c",
        ..TCP
    };
    let received = event(MESSAGE, Call::Recvfrom, facts);
    check(
        &received,
        &[
            ("evt.type", "recvfrom"),
            ("fd.name", "9.9.9.9:5353->10.0.0.1:53"),
            ("fd.l4proto", "udp"),
            ("fd.connected", "false"),
            ("fd.name_changed", "true"),
            ("evt.buffer", "a\u{1}c"),
            ("evt.buflen", "3"),
            ("evt.arg.data", "a.c"),
            ("evt.arg.size", "900"),
            ("evt.arg.res", "3"),
            ("evt.arg.tuple", "9.9.9.9:5353->10.0.0.1:53"),
            ("evt.arg.3", "<4u>9.9.9.9:5353->10.0.0.1:53"),
        ],
    );
    let failed = event(MESSAGE, Call::Sendto, Facts { result: -1, data: b"", ..facts });
    check(&failed, &[("evt.buffer", "none"), ("evt.buflen", "none"), ("evt.arg.res", "EPERM")]);
}
