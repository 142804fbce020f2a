//! `proc.*`, `thread.*`, `user.*`, `group.*`.

use lanner_engine::{Elements, Field, List, Value};

use super::{SyscallEvent, View, names, text};
use crate::{
    decode::joined,
    enrich::process::{ExeFile, Process},
};

const S_IWOTH: u32 = 0o2;
const S_IWGRP: u32 = 0o20;
const S_IWUSR: u32 = 0o200;

impl<'a> View<'a> {
    pub(super) fn process_field(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let event = self.event;
        let process = &*event.process;
        let facts = &process.facts;
        let parent = || event.ancestors().first().map(|parent| &**parent);
        Some(match field {
            Field::ProcPid => Value::Int(event.head.tgid.into()),
            Field::ProcVpid => Value::Int(facts.vpid.into()),
            Field::ThreadTid => Value::Int(event.head.tid.into()),
            Field::ProcName => Value::text(&process.comm),
            Field::ProcExe => Value::text(process.exe()?),
            Field::ProcExepath => non_empty(&process.image.exe_path)?,
            Field::ProcArgs => self.arguments_field(arg)?,
            Field::ProcCmdnargs => {
                Value::Uint(process.image.args.behind_first().count().try_into().ok()?)
            }
            Field::ProcCmdline => Value::text(process.cmdline()),
            Field::ProcExeline => {
                process.exe()?;
                text(joined(process.image.args.iter()))
            }
            Field::ProcEnv => environment(process, arg)?,
            Field::ProcCwd => text(with_slash(&process.cwd)?),
            Field::ProcTty => Value::Uint(facts.tty.into()),
            Field::ProcPpid => Value::Int(process.parent.pid.into()),
            Field::ProcPname => Value::text(&parent()?.comm),
            Field::ProcPexe => Value::text(parent()?.exe()?),
            Field::ProcPexepath => non_empty(&parent()?.image.exe_path)?,
            Field::ProcPcmdline => Value::text(parent()?.cmdline()),
            Field::ProcApid
            | Field::ProcAname
            | Field::ProcAexe
            | Field::ProcAexepath
            | Field::ProcAcmdline => self.ancestor_field(field, arg)?,
            Field::ProcSid => Value::Int(facts.sid.into()),
            Field::ProcSname => Value::text(&event.session_leader()?.comm),
            Field::ProcVpgid => Value::Int(facts.vpgid.into()),
            Field::ProcIsSidLeader => Value::Bool(facts.sid == event.head.tgid),
            Field::ProcIsVpgidLeader => Value::Bool(facts.vpgid == facts.vpid),
            Field::ProcDuration => {
                Value::Uint(event.head.time_ns.saturating_sub(event.head.start_ns))
            }
            Field::ProcExecEntered => Value::Bool(process.entry.session().is_some()),
            Field::ProcExecSession => Value::text(process.entry.session()?),
            Field::ProcPidTs => Value::Int(self.start_ns()),
            Field::ThreadCapPermitted => text(names::capabilities(event.capabilities().0).into()),
            Field::ThreadCapEffective => text(names::capabilities(event.capabilities().1).into()),
            _ => return self.exe_file_field(field, process.image.file.as_ref()?),
        })
    }

    pub(super) fn user_field(self, field: Field) -> Option<Value<'a>> {
        let event = self.event;
        let name = |name: &'a Option<Vec<u8>>| match name {
            Some(name) => Value::text(name),
            // Falco shows this text, and rules compare with it.
            None => Value::text("<NA>"),
        };
        Some(match field {
            Field::UserUid => Value::Uint(event.head.uid.into()),
            Field::UserName => name(&event.names().user),
            Field::UserLoginuid => match event.head.loginuid {
                u32::MAX => Value::Int(-1),
                uid => Value::Int(uid.into()),
            },
            Field::UserLoginname => name(&event.names().login),
            Field::GroupGid => Value::Uint(event.head.gid.into()),
            Field::GroupName => name(&event.names().group),
            _ => return None,
        })
    }

    /// Whether the process could write its own executable.
    pub(super) fn exe_is_writable(&self, file: &ExeFile) -> bool {
        let event = self.event;
        if file.read_only {
            return false;
        }
        if event.process.facts.cap_effective & names::CAP_DAC_OVERRIDE != 0 {
            return true;
        }
        let bit = if file.uid == event.process.uid {
            S_IWUSR
        } else if file.gid == event.process.gid {
            S_IWGRP
        } else {
            S_IWOTH
        };
        file.mode & bit != 0
    }

    fn exe_file_field(self, field: Field, file: &ExeFile) -> Option<Value<'a>> {
        let ctime_ns = i64::try_from(file.ctime_ns).ok()?;
        Some(match field {
            Field::ProcIsExeWritable => Value::Bool(self.exe_is_writable(file)),
            Field::ProcIsExeUpperLayer => Value::Bool(file.upper_layer),
            Field::ProcIsExeLowerLayer => Value::Bool(file.lower_layer),
            Field::ProcIsExeFromMemfd => Value::Bool(file.memfd),
            Field::ProcExeIno => Value::Uint(file.ino),
            Field::ProcExeInoCtime => Value::Int(ctime_ns),
            Field::ProcExeInoMtime => Value::Int(i64::try_from(file.mtime_ns).ok()?),
            Field::ProcExeInoCtimeDurationProcStart => {
                Value::Uint(self.start_ns().saturating_sub(ctime_ns).try_into().ok()?)
            }
            _ => return None,
        })
    }

    /// `[0]` is the process itself; no number means all of its ancestors.
    fn ancestor_field(self, field: Field, arg: Option<&str>) -> Option<Value<'a>> {
        let Some(index) = arg else { return Some(Value::List(List::of(self.event, field))) };
        match index.parse::<usize>().ok()?.checked_sub(1) {
            None => lineage_value(&self.event.process, field),
            Some(index) => self.event.element(field, index),
        }
    }

    fn arguments_field(self, arg: Option<&str>) -> Option<Value<'a>> {
        let mut arguments = self.event.process.image.args.behind_first();
        match arg {
            Some(index) => Some(Value::text(arguments.nth(index.parse().ok()?)?)),
            None => Some(Value::text(self.event.process.arguments())),
        }
    }

    pub(super) fn start_ns(&self) -> i64 {
        let since_boot = i64::try_from(self.event.head.start_ns).unwrap_or(i64::MAX);
        since_boot.saturating_add(self.event.boot_time_ns)
    }
}

/// The fields that have one value for each ancestor.
impl Elements for SyscallEvent {
    fn count(&self, _field: Field) -> usize {
        self.ancestors().len()
    }

    fn element(&self, field: Field, index: usize) -> Option<Value<'_>> {
        lineage_value(self.ancestors().get(index)?, field)
    }
}

fn lineage_value(process: &Process, field: Field) -> Option<Value<'_>> {
    Some(match field {
        Field::ProcApid => Value::Int(process.key.pid.into()),
        Field::ProcAname => Value::text(&process.comm),
        Field::ProcAexe => Value::text(process.exe()?),
        Field::ProcAexepath => non_empty(&process.image.exe_path)?,
        _ => Value::text(process.cmdline()),
    })
}

fn non_empty(bytes: &[u8]) -> Option<Value<'_>> {
    (!bytes.is_empty()).then(|| Value::text(bytes))
}

/// Falco's working directory ends in a slash.
fn with_slash(directory: &[u8]) -> Option<Vec<u8>> {
    let mut directory = directory.to_vec();
    if *directory.last()? != b'/' {
        directory.push(b'/');
    }
    Some(directory)
}

fn environment<'a>(process: &'a Process, name: Option<&str>) -> Option<Value<'a>> {
    let env = &process.image.env;
    let Some(name) = name else { return Some(text(joined(env.iter()))) };
    let value =
        env.iter().find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    Some(Value::text(value?))
}
