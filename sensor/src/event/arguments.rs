//! `evt.arg.NAME` and `evt.args`: the call's arguments as Falco names them.

use super::{Happening, View, control, errno, names, path_call, socket_arguments};
use crate::{
    decode::{Call, ExecFailed},
    enrich::process::ExeFile,
};

const OPEN: &[&str] = &["fd", "name", "flags", "mode", "dev", "ino"];
const OPENAT: &[&str] = &["fd", "dirfd", "name", "flags", "mode", "dev", "ino"];
const OPENAT2: &[&str] = &["fd", "dirfd", "name", "flags", "mode", "resolve", "dev", "ino"];
const OPEN_BY_HANDLE_AT: &[&str] = &["fd", "mountfd", "flags", "path", "dev", "ino"];
const CREAT: &[&str] = &["fd", "name", "mode", "dev", "ino", "creat_flags"];
const EXEC: &[&str] = &[
    "res",
    "exe",
    "args",
    "tid",
    "pid",
    "ptid",
    "cwd",
    "comm",
    "env",
    "tty",
    "pgid",
    "loginuid",
    "flags",
    "cap_permitted",
    "cap_effective",
    "exe_ino",
    "exe_ino_ctime",
    "exe_ino_mtime",
    "uid",
    "trusted_exepath",
    "gid",
    "filename",
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
            Happening::Exec(exec) if name == "filename" => Some(exec.filename.clone()),
            Happening::Exec(_) => self.exec_argument(name),
            Happening::ExecFailed { failed, path } => self.exec_failed_argument(name, failed, path),
            Happening::Control(control) => self.control_argument(control, name),
            Happening::Open { .. } => self.open_argument(name),
            Happening::Socket(socket) => self.socket_argument(name, socket),
            Happening::PathCall { call, .. } => self.path_call_argument(name, call),
        }
    }

    /// `name=value` of all of them.
    pub(super) fn all_arguments(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for name in self.argument_names() {
            let Some(value) = self.argument(name) else { continue };
            if !line.is_empty() {
                line.push(b' ');
            }
            line.extend_from_slice(name.as_bytes());
            line.push(b'=');
            line.extend_from_slice(&value);
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
            "args" => process.image.args.get(1..).unwrap_or_default().join(&b'.'),
            "tid" | "pid" => process.comm.clone(),
            "ptid" => event.ancestors().first()?.comm.clone(),
            "cwd" => process.cwd.clone(),
            "comm" => process.comm.clone(),
            "env" => process.image.env.join(&b'.'),
            "tty" => process.facts.tty.to_string().into(),
            "pgid" => process.facts.pgid.to_string().into(),
            "loginuid" if event.head.loginuid == u32::MAX => b"<NONE>".to_vec(),
            "loginuid" => user(&event.names().login),
            "flags" => self.exe_flags(file?).into(),
            "cap_permitted" => names::capabilities(process.facts.cap_permitted).into(),
            "cap_effective" => names::capabilities(process.facts.cap_effective).into(),
            "exe_ino" => file?.ino.to_string().into(),
            "exe_ino_ctime" => file?.ctime_ns.to_string().into(),
            "exe_ino_mtime" => file?.mtime_ns.to_string().into(),
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
            "exe" => failed.args.first().cloned(),
            "args" => Some(failed.args.get(1..).unwrap_or_default().join(&b'.')),
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
