//! `fd.*`.

use lanner_engine::{Field, Value};

use super::{Happening, PathChoice, View, path};
use crate::decode::Open;

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;

impl<'a> View<'a> {
    pub(super) fn fd_field(self, field: Field) -> Option<Value<'a>> {
        match &self.event.happening {
            Happening::Open { open, .. } => self.file_field(field, open),
            Happening::Socket(socket) => self.socket_field(field, socket),
            Happening::Exec(_) => None,
        }
    }

    /// `fd.name`, of files and of connections.
    pub(super) fn fd_name(self) -> Option<Vec<u8>> {
        match &self.event.happening {
            Happening::Open { .. } => self.file_path().map(<[u8]>::to_vec),
            Happening::Socket(socket) => self.socket_name(socket),
            Happening::Exec(_) => None,
        }
    }

    fn file_path(self) -> Option<&'a [u8]> {
        match (&self.event.happening, self.path) {
            (Happening::Open { lexical, .. }, PathChoice::Lexical) => Some(lexical),
            (Happening::Open { .. }, PathChoice::Resolved) => self.event.resolved_path(),
            _ => None,
        }
    }

    fn file_field(self, field: Field, open: &Open) -> Option<Value<'a>> {
        let is_directory = open.inode_mode & S_IFMT == S_IFDIR;
        let path = self.file_path()?;
        let Happening::Open { open, .. } = &self.event.happening else { return None };
        Some(match field {
            Field::FdNum => Value::Int(open.result.max(-1)),
            Field::FdName => Value::text(path),
            Field::FdNameResolved => Value::text(self.event.resolved_path()?),
            Field::FdNameraw => Value::text(&open.raw),
            Field::FdDirectory => Value::text(path::split(path)?.0),
            Field::FdFilename => Value::text(path::split(path)?.1),
            Field::FdType => Value::text(if is_directory { "directory" } else { "file" }),
            Field::FdTypechar => Value::text(if is_directory { "d" } else { "f" }),
            Field::FdIno => Value::Uint((open.ino != 0).then_some(open.ino)?),
            Field::FdDev => Value::Uint((open.ino != 0).then_some(open.dev)?.into()),
            _ => return None,
        })
    }
}
