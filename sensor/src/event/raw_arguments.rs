//! `evt.rawarg.NAME`, and what `evt.args` shows beside the text of an argument: the number or the
//! bytes that it is.
//!
//! Numbers of flags are Falco's own (`PPM_*` of `driver/ppm_events_public.h`), which are the same
//! on all machines and not the kernel's. Which arguments have a text beside the number follows from
//! their types in `driver/event_table.c`.

use std::borrow::Cow;

use lanner_engine::Value;

use super::{Happening, View, path_call};
use crate::decode::{Call, Control, Open, PathCall, Socket};

const PERMISSIONS: u32 = 0o7777;

impl View<'_> {
    /// An argument as the number or the bytes that it is; `None` for those of which nothing but the
    /// text is known.
    pub(super) fn raw_argument(&self, name: &str) -> Option<Value<'static>> {
        match &self.event.happening {
            Happening::Container => None,
            Happening::Exec(exec) => match name {
                "res" => Some(Value::Int(0)),
                "filename" => Some(bytes(&exec.filename)),
                _ => self.raw_of_process(name),
            },
            Happening::ExecFailed { failed, .. } => match name {
                "res" => Some(Value::Int(failed.result)),
                "filename" => Some(bytes(&failed.filename)),
                "exe" => failed.args.first().map(bytes),
                "args" => Some(joined(failed.args.bytes_behind_first())),
                _ => self.raw_of_process(name),
            },
            Happening::Open { open, .. } => self.raw_of_open(name, open),
            Happening::Socket(socket) => self.raw_of_socket(name, socket),
            Happening::PathCall { call, .. } => self.raw_of_path_call(name, call),
            Happening::Control(control) => self.raw_of_control(name, control),
        }
    }

    /// `text` as `evt.args` shows it: behind the number or the path that it explains.
    pub(super) fn shown_argument(&self, name: &str, text: Vec<u8>) -> Vec<u8> {
        let Some(raw) = self.raw_shown(name, &text) else { return text };
        if raw == text {
            return text;
        }
        [&*raw, b"(", &*text, b")"].concat()
    }

    fn raw_shown(&self, name: &str, text: &[u8]) -> Option<Vec<u8>> {
        if let (Happening::Control(control), "data") = (&self.event.happening, name) {
            let [.., signal] = control.args;
            let is_signal = text.starts_with(b"SIG");
            return is_signal.then(|| super::control::low(signal).to_string().into());
        }
        let number = match (self.raw_argument(name)?, name) {
            // A text beside a text is what a relative path means. The others are the same bytes in
            // another form.
            (Value::Text(path), _) => {
                return (is_path(name) && !path.is_empty()).then(|| path.into_owned());
            }
            // Falco prints the mode of a new file in its base, and has no names for it.
            (_, "mode") if !matches!(self.event.happening, Happening::PathCall { .. }) => {
                return None;
            }
            (Value::Int(number), _) => i128::from(number),
            (Value::Uint(number), _) => i128::from(number),
            _ => return None,
        };
        match name {
            "mode" if text.starts_with(b"S_") => Some(format!("0{number:o}").into()),
            // These have numbers alone, some in another base.
            "mode" | "dev" | "ino" | "size" | "length" | "tty" | "backlog" | "type" | "proto"
            | "cap_permitted" | "cap_effective" | "exe_ino" | "exe_ino_ctime" | "exe_ino_mtime" => {
                None
            }
            "flags" if self.event.head.call == Call::Accept4 => None,
            "uid" | "gid" | "loginuid" if number == u32::MAX.into() => Some(b"-1".to_vec()),
            _ => Some(number.to_string().into()),
        }
    }

    fn raw_of_process(&self, name: &str) -> Option<Value<'static>> {
        let event = self.event;
        let process = &event.process;
        let file = process.image.file.as_ref();
        Some(match name {
            "exe" => bytes(process.exe()?),
            "args" => joined(process.image.args.bytes_behind_first()),
            "env" => joined(process.image.env.bytes()),
            "tid" => Value::Int(event.head.tid.into()),
            "pid" => Value::Int(event.head.tgid.into()),
            "ptid" => Value::Int(event.head.ppid.into()),
            "cwd" => bytes(&process.cwd),
            "comm" => bytes(&process.comm),
            "tty" => Value::Int(process.facts.tty.into()),
            "pgid" => Value::Int(process.facts.pgid.into()),
            "vpgid" => Value::Int(process.facts.vpgid.into()),
            "loginuid" => user(event.head.loginuid),
            "uid" => user(event.head.uid),
            "gid" => user(event.head.gid),
            "flags" => self.of_names("flags"),
            "cap_permitted" => Value::Uint(process.facts.cap_permitted),
            "cap_effective" => Value::Uint(process.facts.cap_effective),
            "exe_ino" => Value::Uint(file?.ino),
            "exe_ino_ctime" => Value::Int(i64::try_from(file?.ctime_ns).ok()?),
            "exe_ino_mtime" => Value::Int(i64::try_from(file?.mtime_ns).ok()?),
            "trusted_exepath" => bytes(&process.image.exe_path),
            _ => return None,
        })
    }

    fn raw_of_open(&self, name: &str, open: &Open) -> Option<Value<'static>> {
        Some(match name {
            "fd" => Value::Int(open.result),
            "dirfd" | "mountfd" => Value::Int(open.dirfd.into()),
            "name" | "path" => bytes(&open.raw),
            "flags" | "creat_flags" | "resolve" => self.of_names(name),
            "mode" => Value::Uint((open.mode & PERMISSIONS).into()),
            "dev" => Value::Uint(super::names::device(open.dev).into()),
            "ino" => Value::Uint(open.ino),
            _ => return None,
        })
    }

    fn raw_of_socket(&self, name: &str, socket: &Socket) -> Option<Value<'static>> {
        Some(match name {
            "res" => Value::Int(socket.result),
            "fd" => Value::Int(socket.fd.into()),
            "queuelen" => Value::Uint(socket.queue_len.into()),
            "queuemax" => Value::Uint(socket.queue_max.into()),
            "backlog" => Value::Int(socket.asked_number.into()),
            "domain" => Value::Uint(socket.domain.into()),
            "type" => Value::Uint(socket.asked_type.into()),
            "proto" | "size" => Value::Uint(socket.asked_number.into()),
            "flags" if self.event.head.call == Call::Accept4 => {
                Value::Uint(socket.asked_type.into())
            }
            "flags" => self.of_names("flags"),
            "data" if !socket.data.is_empty() => bytes(&socket.data),
            _ => return None,
        })
    }

    fn raw_of_path_call(&self, name: &str, facts: &PathCall) -> Option<Value<'static>> {
        Some(match name {
            "res" => Value::Int(facts.result),
            "path" | "name" | "filename" | "oldpath" | "linkpath" => bytes(&facts.path),
            "newpath" | "target" => bytes(&facts.other),
            "fd" | "dirfd" | "olddirfd" | "olddir" | "linkdirfd" => Value::Int(facts.dirfd.into()),
            "newdirfd" | "newdir" => Value::Int(facts.other_dirfd.into()),
            "mode" => Value::Uint((facts.mode & PERMISSIONS).into()),
            "flags" => self.of_names("flags"),
            _ => return None,
        })
    }

    fn raw_of_control(&self, name: &str, control: &Control) -> Option<Value<'static>> {
        use super::control::{as_int, low};

        let [first, second, third, _] = control.args;
        let call = self.event.head.call;
        Some(match (call, name) {
            (_, "res") => Value::Int(control.result),
            (Call::Bpf, "fd") => Value::Int(control.result),
            (_, "oldfd" | "fd" | "pid_fd") => Value::Int(as_int(first)),
            (_, "newfd") => Value::Int(as_int(second)),
            (_, "uid") => user(low(first)),
            (_, "request" | "flags" | "nstype") => self.of_names(name),
            (_, "cmd") => Value::Uint(low(first).into()),
            (_, "length") => Value::Uint(second),
            (_, "uargs") => bytes(&control.text),
            (Call::PidfdSendSignal, "pid") => Value::Int(as_int(third)),
            (Call::Ptrace, "pid") | (Call::Tgkill | Call::RtTgsigqueueinfo, "tid") => {
                Value::Int(as_int(second))
            }
            (_, "pid" | "tid") => Value::Int(as_int(first)),
            (Call::Tgkill | Call::RtTgsigqueueinfo, "sig") => Value::Uint(low(third).into()),
            (_, "sig") => Value::Uint(low(second).into()),
            _ => return None,
        })
    }

    /// The number of the names that the argument shows.
    fn of_names(&self, name: &str) -> Value<'static> {
        let text = self.argument(name).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let number = match text.parse() {
            // It has no names, nor has it a number in Falco.
            Ok(number) => number,
            Err(_) => text.split('|').filter_map(number_of).fold(0, |all, number| all | number),
        };
        Value::Uint(number)
    }
}

fn is_path(name: &str) -> bool {
    path_call::PATH_ARGUMENTS.contains(&name)
}

fn bytes(bytes: &[u8]) -> Value<'static> {
    Value::Text(Cow::Owned(bytes.to_vec()))
}

/// Texts without the zero byte that ends the last.
fn joined(texts: &[u8]) -> Value<'static> {
    bytes(texts.strip_suffix(&[0]).unwrap_or(texts))
}

/// An unset one is the highest number, as Falco has it.
fn user(id: u32) -> Value<'static> {
    Value::Uint(id.into())
}

/// What Falco counts a name as.
fn number_of(name: &str) -> Option<u64> {
    NUMBERS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[rustfmt::skip]
const NUMBERS: &[(&str, u64)] = &[
    ("O_RDONLY", 1), ("O_WRONLY", 2), ("O_RDWR", 3), ("O_CREAT", 1 << 2), ("O_APPEND", 1 << 3),
    ("O_DSYNC", 1 << 4), ("O_EXCL", 1 << 5), ("O_NONBLOCK", 1 << 6), ("O_SYNC", 1 << 7),
    ("O_TRUNC", 1 << 8), ("O_DIRECT", 1 << 9), ("O_DIRECTORY", 1 << 10), ("O_LARGEFILE", 1 << 11),
    ("O_CLOEXEC", 1 << 12), ("O_TMPFILE", 1 << 13), ("O_F_CREATED", 1 << 14),
    ("FD_UPPER_LAYER", 1 << 15), ("FD_LOWER_LAYER", 1 << 16),
    ("FD_UPPER_LAYER_CREAT", 1), ("FD_LOWER_LAYER_CREAT", 2),
    ("RESOLVE_BENEATH", 1), ("RESOLVE_IN_ROOT", 2), ("RESOLVE_NO_MAGICLINKS", 4),
    ("RESOLVE_NO_SYMLINKS", 8), ("RESOLVE_NO_XDEV", 16), ("RESOLVE_CACHED", 32),
    ("EXE_WRITABLE", 1), ("EXE_UPPER_LAYER", 2), ("EXE_FROM_MEMFD", 4), ("EXE_LOWER_LAYER", 8),
    ("AT_REMOVEDIR", 0x200), ("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000),
    ("AT_SYMLINK_NOFOLLOW", 0x100),
    ("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2), ("RENAME_WHITEOUT", 4),
    ("MODULE_INIT_IGNORE_MODVERSIONS", 1), ("MODULE_INIT_IGNORE_VERMAGIC", 2),
    ("MODULE_INIT_COMPRESSED_FILE", 4),
    ("CLONE_FILES", 1), ("CLONE_FS", 1 << 1), ("CLONE_IO", 1 << 2), ("CLONE_NEWIPC", 1 << 3),
    ("CLONE_NEWNET", 1 << 4), ("CLONE_NEWNS", 1 << 5), ("CLONE_NEWPID", 1 << 6),
    ("CLONE_NEWUTS", 1 << 7), ("CLONE_PARENT", 1 << 8), ("CLONE_PARENT_SETTID", 1 << 9),
    ("CLONE_PTRACE", 1 << 10), ("CLONE_SIGHAND", 1 << 11), ("CLONE_SYSVSEM", 1 << 12),
    ("CLONE_THREAD", 1 << 13), ("CLONE_UNTRACED", 1 << 14), ("CLONE_VM", 1 << 15),
    ("CLONE_NEWUSER", 1 << 20), ("CLONE_CHILD_CLEARTID", 1 << 23), ("CLONE_CHILD_SETTID", 1 << 24),
    ("CLONE_SETTLS", 1 << 25), ("CLONE_VFORK", 1 << 27), ("CLONE_NEWCGROUP", 1 << 28),
    ("PTRACE_TRACEME", 1), ("PTRACE_PEEKTEXT", 2), ("PTRACE_PEEKDATA", 3), ("PTRACE_PEEKUSR", 4),
    ("PTRACE_POKETEXT", 5), ("PTRACE_POKEDATA", 6), ("PTRACE_POKEUSR", 7), ("PTRACE_CONT", 8),
    ("PTRACE_KILL", 9), ("PTRACE_SINGLESTEP", 10), ("PTRACE_ATTACH", 11), ("PTRACE_DETACH", 12),
    ("PTRACE_SYSCALL", 13), ("PTRACE_SETOPTIONS", 14), ("PTRACE_GETEVENTMSG", 15),
    ("PTRACE_GETSIGINFO", 16), ("PTRACE_SETSIGINFO", 17), ("PTRACE_GETREGSET", 18),
    ("PTRACE_SETREGSET", 19), ("PTRACE_SEIZE", 20), ("PTRACE_INTERRUPT", 21),
    ("PTRACE_LISTEN", 22), ("PTRACE_PEEKSIGINFO", 23), ("PTRACE_GETSIGMASK", 24),
    ("PTRACE_SETSIGMASK", 25), ("PTRACE_GETREGS", 26), ("PTRACE_SETREGS", 27),
    ("PTRACE_GETFPREGS", 28), ("PTRACE_SETFPREGS", 29), ("PTRACE_GETFPXREGS", 30),
    ("PTRACE_SETFPXREGS", 31), ("PTRACE_OLDSETOPTIONS", 32), ("PTRACE_GET_THREAD_AREA", 33),
    ("PTRACE_SET_THREAD_AREA", 34), ("PTRACE_ARCH_PRCTL", 35), ("PTRACE_SYSEMU", 36),
    ("PTRACE_SYSEMU_SINGLESTEP", 37), ("PTRACE_SINGLEBLOCK", 38),
];
