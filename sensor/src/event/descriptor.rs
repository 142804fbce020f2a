//! `fd.*` of a descriptor that is not being opened: whatever it may stand for.

use lanner_engine::{Field, Value};

use super::{View, path, text};
use crate::decode::{Descriptor, KernelPath, Thing};

const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;
const S_IFDIR: u32 = 0o040_000;

/// What the kernel calls the things that it gives out as files, by the start of their names
/// (`anon_inode_getfd` and its like in `fs/`, `kernel/bpf/` and `mm/`): Falco's `fd.type` and
/// `fd.typechar`.
const BY_NAME: [(&[u8], &str, &str); 14] = [
    (b"memfd:", "memfd", "m"),
    (b"[eventfd]", "event", "e"),
    (b"[eventpoll]", "eventpoll", "l"),
    (b"[signalfd]", "signalfd", "s"),
    (b"[timerfd]", "timerfd", "t"),
    (b"[userfaultfd]", "userfaultfd", "u"),
    (b"[io_uring]", "io_uring", "r"),
    (b"[pidfd]", "pidfd", "P"),
    (b"inotify", "inotify", "i"),
    (b"bpf-", "bpf", "b"),
    (b"bpf_", "bpf", "b"),
    (b"btf", "bpf", "b"),
    (b"anon_inode:inotify", "inotify", "i"),
    (b"anon_inode:bpf", "bpf", "b"),
];

pub(super) fn field<'a>(
    view: View<'a>,
    field: Field,
    descriptor: &'a Descriptor,
) -> Option<Value<'a>> {
    if let Thing::Socket(socket) = &descriptor.thing {
        return view.socket_field(field, socket);
    }
    Some(match field {
        Field::FdName => text(name(descriptor)),
        Field::FdDirectory => Value::text(path::split(file_path(descriptor)?)?.0),
        Field::FdFilename => Value::text(path::split(file_path(descriptor)?)?.1),
        Field::FdType => Value::text(kind(descriptor).0),
        Field::FdTypechar => Value::text(kind(descriptor).1),
        Field::FdIno => Value::Uint(descriptor.ino),
        Field::FdDev => Value::Uint(descriptor.dev.into()),
        _ => return None,
    })
}

/// `<f>/path`, `<4t>address->address`: what the number of a descriptor is resolved to.
pub(super) fn marked_name(view: View<'_>, descriptor: &Descriptor) -> Vec<u8> {
    match &descriptor.thing {
        Thing::Socket(socket) => view.socket_descriptor(socket),
        _ => [b"<", kind(descriptor).1.as_bytes(), b">", &name(descriptor)].concat(),
    }
}

/// The path, or what `/proc/PID/fd` shows in its place.
fn name(descriptor: &Descriptor) -> Vec<u8> {
    let numbered = |kind: &[u8]| [kind, format!(":[{}]", descriptor.ino).as_bytes()].concat();
    match &descriptor.thing {
        // It has fields of its own.
        Thing::Socket(_) => Vec::new(),
        Thing::Namespace(kind) => numbered(kind),
        Thing::File(_)
            if descriptor.mode & S_IFMT == S_IFIFO && file_path(descriptor).is_none() =>
        {
            numbered(b"pipe")
        }
        Thing::File(path) => {
            path.as_ref().and_then(KernelPath::as_bytes).unwrap_or_default().to_vec()
        }
    }
}

/// A path that begins at the root.
fn file_path(descriptor: &Descriptor) -> Option<&[u8]> {
    match &descriptor.thing {
        Thing::File(Some(KernelPath::Rooted(path))) => Some(path),
        _ => None,
    }
}

fn kind(descriptor: &Descriptor) -> (&'static str, &'static str) {
    if let Thing::File(Some(KernelPath::Detached(name))) = &descriptor.thing
        && let Some((_, kind, mark)) = BY_NAME.iter().find(|(start, ..)| name.starts_with(start))
    {
        return (kind, mark);
    }
    match descriptor.mode & S_IFMT {
        S_IFIFO => ("pipe", "p"),
        S_IFDIR => ("directory", "d"),
        _ => ("file", "f"),
    }
}
