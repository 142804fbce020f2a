//! `fd.*`.

use lanner_engine::{Field, Value};

use super::{Happening, PathChoice, View, names, path, path_call};
use crate::decode::{Open, PathCall};

impl<'a> View<'a> {
    pub(super) fn fd_field(self, field: Field) -> Option<Value<'a>> {
        match &self.event.happening {
            Happening::Open { open, .. } => self.file_field(field, open),
            Happening::Socket(socket) => self.socket_field(field, socket),
            Happening::PathCall { call, .. } => self.path_call_field(field, call),
            Happening::Control(control) => self.control_field(field, control),
            Happening::Exec(_) | Happening::ExecFailed { .. } | Happening::Container => None,
        }
    }

    /// `fd.name`, of files and of connections.
    pub(super) fn fd_name(self) -> Option<Vec<u8>> {
        match &self.event.happening {
            Happening::Open { .. } => self.file_path().map(<[u8]>::to_vec),
            Happening::Socket(socket) => self.socket_name(socket),
            _ => None,
        }
    }

    fn file_path(self) -> Option<&'a [u8]> {
        match (&self.event.happening, self.path) {
            (Happening::Open { lexical, .. }, PathChoice::Lexical) => Some(lexical),
            (Happening::Open { .. }, PathChoice::Resolved) => self.event.resolved_path(),
            _ => None,
        }
    }

    fn file_field(self, field: Field, open: &'a Open) -> Option<Value<'a>> {
        let path = self.file_path()?;
        let (kind, letter) = names::file_type(open.inode_mode);
        let has_inode = open.ino != 0;
        let (major, minor) = names::device_parts(open.dev);
        let is_device = |number: u32| has_inode.then_some(Value::Uint(number.into()));
        Some(match field {
            Field::FdNum => Value::Int(open.result.max(-1)),
            Field::FdName => Value::text(path),
            Field::FdNameResolved => Value::text(self.event.resolved_path()?),
            Field::FdNameraw if open.raw.is_empty() => Value::text(path),
            Field::FdNameraw => Value::text(&open.raw),
            Field::FdNameUnseen => Value::Bool(self.event.has_unseen_file()),
            Field::FdDirectory => Value::text(path::split(path)?.0),
            Field::FdFilename => Value::text(path::split(path)?.1),
            Field::FdType => Value::text(kind),
            Field::FdTypechar => Value::text(letter),
            Field::FdIno => Value::Uint(has_inode.then_some(open.ino)?),
            Field::FdDev => is_device(names::device(open.dev))?,
            Field::FdDevMajor => is_device(major)?,
            Field::FdDevMinor => is_device(minor)?,
            Field::FdIsUpperLayer => Value::Bool(open.upper_layer),
            Field::FdIsLowerLayer => Value::Bool(open.lower_layer),
            _ => return None,
        })
    }

    /// Of the descriptor that the call was given, not of the file that it is about.
    fn path_call_field(self, field: Field, call: &'a PathCall) -> Option<Value<'a>> {
        if field == Field::FdNameUnseen {
            return Some(Value::Bool(self.event.has_unseen_file()));
        }
        let number = path_call::descriptor(self.event.head.call, call)?;
        let (kind, letter) = names::file_type(call.inode_mode);
        let path = || call.base.as_ref().and_then(|base| base.as_bytes());
        Some(match field {
            Field::FdNum => Value::Int(number.into()),
            // There is nothing behind that number.
            _ if call.inode_mode == 0 => return None,
            Field::FdName => Value::text(path()?),
            Field::FdDirectory => Value::text(path::split(path()?)?.0),
            Field::FdFilename => Value::text(path::split(path()?)?.1),
            Field::FdType => Value::text(kind),
            Field::FdTypechar => Value::text(letter),
            _ => return None,
        })
    }
}
