//! The fields that the table of the engine says the sensor fills, and no others.

#[path = "support/record.rs"]
mod record;

use std::{collections::BTreeMap, sync::Arc};

use lanner_engine::{ArgumentRule, Event as _, Field, FieldRef, Filler, Kind, Shape, Value};
use lanner_sensor::{
    decode::{Call, End, Family, Role, Socket, SocketFamily, SocketKind, decode},
    enrich::{
        Enricher, Node,
        container::{ContainerId, Runtime},
        entry::Entry,
        metadata::{ContainerInfo, Containers, HostShares, ImageName, Known, Mount, PodInfo},
        process::{ExeFile, Image, Process},
        procfs::Procfs,
        users::UserNames,
        workload::Workload,
    },
    event::{Happening, SyscallEvent},
};

use crate::record::{
    EXEC, Head, PathCallFacts, exec_payload, open_payload, path_call_payload, record,
};

const OPEN: u16 = Family::Open as u16;
const OPENAT_CALL: u16 = Call::Openat as u16;

/// An exec by a process with a parent, whose facts are all known.
fn whole_exec() -> SyscallEvent {
    let proc = tempfile::tempdir().unwrap();
    let mut enricher =
        Enricher::new(Arc::new(Node::new("n", Procfs::new(proc.path()), Containers::new(None))));
    let mut exec = |head: &Head| {
        let payload = exec_payload(b"\x01x\0bin\0", b"\x01w\0", b"\x01\0", b"x\0-a\0", b"KEY=1\0");
        let event = decode(&record(head, EXEC, Call::Execve.id(), &payload)).unwrap();
        enricher.take(event, |_| true).unwrap()
    };
    let parent = Head::default();
    exec(&parent);
    let (ppid, parent_start_ns) = (parent.tgid, parent.start_ns);
    let mut event = exec(&Head { tgid: 50, ppid, parent_start_ns, ..parent });

    let file = ExeFile {
        ino: 1,
        ctime_ns: 1,
        mtime_ns: 1,
        mode: 0o755,
        uid: 0,
        gid: 0,
        upper_layer: true,
        lower_layer: false,
        read_only: false,
        memfd: false,
    };
    let image = Image { file: Some(file), ..(*event.process.image).clone() };
    let entry = Entry::Entered { container: "x".into(), session: "x".into(), is_probe: false };
    let process = Process { image: Arc::new(image), entry, ..(*event.process).clone() };
    event.session_leader = Some(Arc::new(process.clone())).into();
    event.process = Arc::new(process);
    // A container that started before its processes.
    event.boot_time_ns = 1_000_000;
    event.time_ns = 2_000_000;
    let name = Some(b"name".to_vec());
    event.names = UserNames { user: name.clone(), group: name.clone(), login: name }.into();
    event.container = Some(Arc::new(ContainerId::new(&"0".repeat(64), Runtime::Docker)));
    event.info = Known::Info(Arc::new(whole_info())).into();
    event
}

fn whole_info() -> ContainerInfo {
    let text = || Some("x".to_owned());
    let labels = BTreeMap::from([("KEY".to_owned(), "1".to_owned())]);
    ContainerInfo {
        name: text(),
        image: ImageName { full: text(), repository: text(), tag: text(), digest: text() },
        image_id: text(),
        privileged: Some(true),
        started_ns: Some(1),
        labels: labels.clone(),
        mounts: vec![Mount {
            source: "KEY".to_owned(),
            destination: "KEY".to_owned(),
            mode: "ro".to_owned(),
            writable: true,
            propagation: "rprivate".to_owned(),
        }],
        runtime: None,
        pid: Some(1),
        ip: text(),
        shares: HostShares { pid: Some(true), network: Some(true), ipc: Some(true) },
        probes: Vec::new(),
        pod: Some(PodInfo {
            namespace: "x".to_owned(),
            name: "x".to_owned(),
            uid: "x".to_owned(),
            sandbox_id: "x".to_owned(),
            ip: text(),
            labels,
            workload: Some(Workload {
                kind: "Deployment",
                name: "x".to_owned(),
                replica_set: text(),
            }),
        }),
    }
}

/// Events of every kind, with something for every field that the sensor knows.
fn whole_events() -> Vec<SyscallEvent> {
    let exec = whole_exec();
    let proc = tempfile::tempdir().unwrap();
    let mut enricher =
        Enricher::new(Arc::new(Node::new("n", Procfs::new(proc.path()), Containers::new(None))));
    let payload = open_payload(b"/KEY\0", b"\x01other\0", b"");
    let open = decode(&record(&Head::default(), OPEN, OPENAT_CALL, &payload)).unwrap();
    let open = enricher.take(open, |_| true).unwrap();
    let end = |address: &str, port| Some(End { address: address.parse().unwrap(), port });
    let message = Socket {
        fd: 3,
        ino: 9,
        domain: 2,
        family: SocketFamily::Ip,
        kind: SocketKind::Datagram,
        protocol: 17,
        role: Role::Client,
        local: end("10.0.0.1", 40_000),
        remote: end("10.0.0.2", 53),
        data: b"x".to_vec(),
        ..Socket::default()
    };
    let with = |happening| SyscallEvent { happening, ..exec.clone() };
    // A call of its own: some fields depend on which one it is.
    let rename = PathCallFacts { path: b"/a\0", other: b"/b\0", ..PathCallFacts::default() };
    let payload = path_call_payload(&rename);
    let renameat = Call::Renameat.id();
    let rename = decode(&record(&Head::default(), Family::PathCall as u16, renameat, &payload));
    let rename = enricher.take(rename.unwrap(), |_| true).unwrap();
    let open = SyscallEvent { head: open.head, ..with(open.happening) };
    let mut message = with(Happening::Socket(Box::new(message)));
    message.head.family = Family::Message;
    message.head.call = Call::Sendto;
    vec![open, message, rename, exec]
}

/// An argument that the events above have something for.
fn argument(field: Field) -> Option<&'static str> {
    match field.argument() {
        ArgumentRule::RequiredKey | ArgumentRule::RequiredKeyOrIndex => Some("KEY"),
        ArgumentRule::RequiredName | ArgumentRule::RequiredNameOrIndex => Some("fd"),
        _ => None,
    }
}

#[test]
fn the_table_says_what_the_sensor_fills() {
    let events = whole_events();
    let mut wrong = Vec::new();
    for field in Field::all() {
        // The engine does not ask for what it fills itself.
        if field.filler() == Filler::Engine {
            continue;
        }
        let claimed = matches!(field.filler(), Filler::Syscall | Filler::Both);
        let mut found = false;
        for event in &events {
            let Some(value) = event.get(*field, argument(*field)) else { continue };
            found = true;
            // Of `evt.rawarg` it is the argument's.
            let argument = argument(*field).filter(|_| *field == Field::EvtRawarg);
            let kind = match argument {
                Some(name) => FieldRef::resolve(&format!("{field}.{name}"), None).unwrap().kind(),
                None => field.kind(),
            };
            assert!(fits(*field, kind, &value), "{field}: {value:?} is no {kind:?}");
        }
        if found != claimed {
            wrong.push(format!("{field}: fills {found}, the table says {claimed}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether a value is of the field's kind and shape.
fn fits(field: Field, kind: Kind, value: &Value<'_>) -> bool {
    match (field.shape(), value) {
        (Shape::Scalar, Value::List(_)) => false,
        (_, Value::List(list)) => list.iter().all(|value| fits_kind(kind, &value)),
        (Shape::Scalar, value) => fits_kind(kind, value),
        _ => false,
    }
}

fn fits_kind(kind: Kind, value: &Value<'_>) -> bool {
    match kind {
        Kind::Text | Kind::Path | Kind::Bytes => matches!(value, Value::Text(_)),
        Kind::Int | Kind::Time => matches!(value, Value::Int(_)),
        Kind::Uint | Kind::Port => matches!(value, Value::Uint(_)),
        Kind::Bool => matches!(value, Value::Bool(_)),
        Kind::Ip | Kind::Net => matches!(value, Value::Ip(_)),
    }
}
