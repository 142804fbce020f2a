//! `evt.arg.NAME` and `evt.args`: the call's arguments as Falco names them.

use jiff::{Timestamp, tz::TimeZone};

use super::{Happening, View, control, errno, names, path, path_call, socket_arguments};
use crate::{
    decode::{Call, ExecFailed},
    enrich::process::ExeFile,
};

const OPEN: &[&str] = &["fd", "name", "flags", "mode", "dev", "ino"];
const OPENAT: &[&str] = &["fd", "dirfd", "name", "flags", "mode", "dev", "ino"];
const OPENAT2: &[&str] = &["fd", "dirfd", "name", "flags", "mode", "resolve", "dev", "ino"];
const OPEN_BY_HANDLE_AT: &[&str] = &["fd", "mountfd", "flags", "path", "dev", "ino"];
const CREAT: &[&str] = &["fd", "name", "mode", "dev", "ino", "creat_flags"];
#[rustfmt::skip]
const EXEC: &[&str] = &[
    "res", "exe", "args", "tid", "pid", "ptid", "cwd", "fdlimit", "pgft_maj", "pgft_min", "vm_size",
    "vm_rss", "vm_swap", "comm", "cgroups", "env", "tty", "vpgid", "loginuid", "flags",
    "cap_inheritable", "cap_permitted", "cap_effective", "exe_ino", "exe_ino_ctime",
    "exe_ino_mtime", "uid", "trusted_exepath", "pgid", "gid", "filename",
];

impl<'a> View<'a> {
    /// The names of this event's arguments, in their order.
    pub(super) fn argument_names(&self) -> &'static [&'static str] {
        match &self.event.happening {
            Happening::Container => &[],
            Happening::Exec(_) | Happening::ExecFailed { .. } => EXEC,
            Happening::Socket(_) => socket_arguments::names(self.event.head.call),
            Happening::Control(_) => control::argument_names(self.event.head.call),
            Happening::Open { .. } => match self.event.head.call {
                Call::Open => OPEN,
                Call::Creat => CREAT,
                Call::Openat2 => OPENAT2,
                Call::OpenByHandleAt => OPEN_BY_HANDLE_AT,
                _ => OPENAT,
            },
            Happening::PathCall { .. } => path_call::argument_names(self.event.head.call),
        }
    }

    /// One argument as text, by name or by number.
    pub(super) fn argument(&self, name: &str) -> Option<Vec<u8>> {
        let names = self.argument_names();
        let name = match name.parse::<usize>() {
            Ok(index) => names.get(index)?,
            Err(_) => *names.iter().find(|known| **known == name)?,
        };
        match &self.event.happening {
            Happening::Container => None,
            Happening::Exec(exec) if name == "filename" => {
                let cwd = &self.event.process.cwd;
                Some(match exec.filename.starts_with(b"/") {
                    true => exec.filename.clone(),
                    false => path::lexical(cwd, &exec.filename),
                })
            }
            Happening::Exec(_) => self.exec_argument(name),
            Happening::ExecFailed { failed, path } => self.exec_failed_argument(name, failed, path),
            Happening::Control(control) => self.control_argument(control, name),
            Happening::Open { .. } => self.open_argument(name),
            Happening::Socket(socket) => self.socket_argument(name, socket),
            Happening::PathCall { call, .. } => self.path_call_argument(name, call),
        }
    }

    /// `name=value` of all of them that are known, with what a number stands for, or a path leads
    /// to, in parentheses behind it: `fd=3(<f>/etc/passwd)`.
    pub(super) fn all_arguments(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for name in self.argument_names() {
            let Some(value) = self.argument(name) else { continue };
            if !line.is_empty() {
                line.push(b' ');
            }
            line.extend_from_slice(name.as_bytes());
            line.push(b'=');
            line.extend_from_slice(&self.shown_argument(name, value));
        }
        line
    }

    fn open_argument(&self, name: &str) -> Option<Vec<u8>> {
        let Happening::Open { open, .. } = &self.event.happening else { return None };
        let path = self.fd_name()?;
        Some(match name {
            "fd" if open.result < 0 => errno::result_name(open.result).into(),
            "fd" => [b"<", names::file_type(open.inode_mode).1.as_bytes(), b">", &path].concat(),
            "dirfd" | "mountfd" => {
                let base = open.base.as_ref().and_then(|base| base.as_bytes());
                names::descriptor(open.dirfd, base, names::S_IFDIR)
            }
            // Made absolute, as Falco does for every path argument.
            "name" | "path" => path,
            "flags" => names::opened_flags(open).into(),
            "creat_flags" if open.upper_layer => b"FD_UPPER_LAYER_CREAT".to_vec(),
            "creat_flags" if open.lower_layer => b"FD_LOWER_LAYER_CREAT".to_vec(),
            "creat_flags" => b"0".to_vec(),
            "resolve" => names::resolve_flags(open.resolve).into(),
            "mode" => names::new_file_mode(open).into(),
            "dev" => format!("{:X}", names::device(open.dev)).into(),
            "ino" => open.ino.to_string().into(),
            _ => return None,
        })
    }

    fn exec_argument(&self, name: &str) -> Option<Vec<u8>> {
        let event = self.event;
        let process = &event.process;
        let file = process.image.file.as_ref();
        let user = |name: &Option<Vec<u8>>| name.clone().unwrap_or_else(|| b"<NA>".to_vec());
        Some(match name {
            "res" => errno::number_or_name(0),
            "exe" => process.exe()?.to_vec(),
            "args" => dotted(process.image.args.bytes_behind_first()),
            "tid" | "pid" => process.comm.clone(),
            "ptid" => event.ancestors().first()?.comm.clone(),
            "cwd" => process.cwd.clone(),
            "comm" => process.comm.clone(),
            "env" => dotted(process.image.env.bytes()),
            "tty" => process.facts.tty.to_string().into(),
            "pgid" => match event.node.processes.called(process.facts.pgid, 0) {
                Some(leader) => leader.comm.clone(),
                None => process.facts.pgid.to_string().into(),
            },
            "loginuid" if event.head.loginuid == u32::MAX => b"<NONE>".to_vec(),
            "loginuid" => user(&event.names().login),
            "flags" => self.exe_flags(file?).into(),
            "cap_permitted" => format!("{:X}", process.facts.cap_permitted).into(),
            "cap_effective" => format!("{:X}", process.facts.cap_effective).into(),
            "exe_ino" => file?.ino.to_string().into(),
            "exe_ino_ctime" => clock(file?.ctime_ns)?,
            "exe_ino_mtime" => clock(file?.mtime_ns)?,
            "uid" => user(&event.names().user),
            "gid" => user(&event.names().group),
            "trusted_exepath" => process.image.exe_path.clone(),
            _ => return None,
        })
    }

    /// What was asked for; the rest is the caller's, which goes on as what it is.
    fn exec_failed_argument(
        &self,
        name: &str,
        failed: &ExecFailed,
        path: &[u8],
    ) -> Option<Vec<u8>> {
        match name {
            "res" => Some(errno::number_or_name(failed.result)),
            "exe" => failed.args.first().map(<[u8]>::to_vec),
            "args" => Some(dotted(failed.args.bytes_behind_first())),
            "filename" => Some(path.to_vec()),
            // Nothing is sent of it.
            "env" => None,
            _ => self.exec_argument(name),
        }
    }

    fn exe_flags(&self, file: &ExeFile) -> String {
        let flags = [
            (self.exe_is_writable(file), "EXE_WRITABLE"),
            (file.upper_layer, "EXE_UPPER_LAYER"),
            (file.memfd, "EXE_FROM_MEMFD"),
            (file.lower_layer, "EXE_LOWER_LAYER"),
        ];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name);
        set.collect::<Vec<_>>().join("|")
    }
}

/// What is between zero bytes, as Falco shows such a buffer: a dot for each byte that is no text.
fn dotted(texts: &[u8]) -> Vec<u8> {
    match texts {
        [] => b"NULL".to_vec(),
        texts => socket_arguments::printable(texts),
    }
}

/// Local time with nanoseconds.
fn clock(since_epoch_ns: u64) -> Option<Vec<u8>> {
    let time = Timestamp::from_nanosecond(since_epoch_ns.into()).ok()?.to_zoned(TimeZone::system());
    Some(time.strftime("%Y-%m-%d %H:%M:%S.%9f").to_string().into())
}
