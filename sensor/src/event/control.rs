//! Calls whose arguments are numbers: `evt.arg.*` and `fd.*`.
//!
//! Names and texts are Falco's (`driver/event_table.c`, and `sinsp_evt::get_param_as_str` of
//! `userspace/libsinsp/event.cpp`): what a number stands for where that is known, else the number.

use lanner_engine::{Field, Value};

use super::{View, control_names as names, descriptor, errno};
use crate::decode::{Call, Control};

const O_CLOEXEC: u32 = 0o2_000_000;

/// The arguments of a call, in their order.
pub(super) fn argument_names(call: Call) -> &'static [&'static str] {
    match call {
        Call::Dup => &["res", "oldfd"],
        Call::Dup2 => &["res", "oldfd", "newfd"],
        Call::Dup3 => &["res", "oldfd", "newfd", "flags"],
        Call::Setuid => &["res", "uid"],
        Call::Setns => &["res", "fd", "nstype"],
        Call::Unshare | Call::Userfaultfd => &["res", "flags"],
        Call::Ptrace => &["res", "addr", "data", "request", "pid"],
        Call::InitModule => &["res", "length", "uargs"],
        Call::FinitModule => &["res", "fd", "uargs", "flags"],
        Call::Bpf => &["fd", "cmd"],
        Call::Kill => &["res", "pid", "sig"],
        Call::Tkill => &["res", "tid", "sig"],
        Call::Tgkill | Call::RtTgsigqueueinfo => &["res", "pid", "tid", "sig"],
        Call::RtSigqueueinfo => &["res", "pid", "sig"],
        // Falco has no arguments of this one, and this name in `pidfd_getfd`.
        Call::PidfdSendSignal => &["res", "pid_fd", "pid", "sig", "flags"],
        _ => &[],
    }
}

impl<'a> View<'a> {
    pub(super) fn control_argument(&self, control: &Control, name: &str) -> Option<Vec<u8>> {
        let [first, second, third, fourth] = control.args;
        let call = self.event.head.call;
        Some(match (call, name) {
            (Call::Dup | Call::Dup2 | Call::Dup3, "res") => self.fd(control, control.result),
            (_, "res") => errno::number_or_name(control.result),
            (_, "oldfd") => self.fd(control, as_int(first)),
            (_, "newfd") => self.fd(control, as_int(second)),
            (Call::Dup3, "flags") => names::dup_flags(low(third) & O_CLOEXEC),
            (_, "uid") => self.user(low(first)),
            (Call::Bpf, "fd") => self.fd(control, control.result),
            (_, "fd") => self.fd(control, as_int(first)),
            (_, "nstype") => names::clone_flags(low(second)),
            (Call::Unshare, "flags") => names::clone_flags(low(first)),
            (Call::Userfaultfd, "flags") => names::file_flags(low(first)),
            (_, "addr") if control.result < 0 => b"0".to_vec(),
            (_, "addr") => hex(third),
            (_, "data") if control.result < 0 => b"0".to_vec(),
            (_, "data") if names::passes_signal(first) => names::signal(low(fourth)),
            (_, "data") => hex(fourth),
            (_, "request") => names::ptrace_request(first).into(),
            (Call::Ptrace, "pid") => self.process_name(as_int(second)),
            (_, "length") => second.to_string().into(),
            (_, "uargs") => control.text.clone(),
            (Call::PidfdSendSignal, "pid_fd") => as_int(first).to_string().into(),
            (Call::PidfdSendSignal, "pid") => self.process_behind_descriptor(third)?,
            (Call::PidfdSendSignal, "flags") => low(fourth).to_string().into(),
            (_, "flags") => names::module_flags(low(third)),
            (_, "cmd") => names::bpf_command(low(first)),
            (Call::Tgkill | Call::RtTgsigqueueinfo, "tid") => self.process_name(as_int(second)),
            (_, "pid" | "tid") => self.process_name(as_int(first)),
            (Call::Tgkill | Call::RtTgsigqueueinfo, "sig") => names::signal(low(third)),
            (_, "sig") => names::signal(low(second)),
            _ => return None,
        })
    }

    /// Of the descriptor that the call is about.
    pub(super) fn control_field(self, field: Field, control: &'a Control) -> Option<Value<'a>> {
        let number = described(self.event.head.call, control);
        match field {
            Field::FdNum => Some(Value::Int(number?)),
            _ => descriptor::field(self, field, control.descriptor.as_ref()?),
        }
    }

    /// A descriptor's number, with what it is where that was looked at.
    fn fd(&self, control: &Control, number: i64) -> Vec<u8> {
        if number < 0 {
            return errno::result_name(number).into();
        }
        let is_copy = matches!(self.event.head.call, Call::Dup | Call::Dup2 | Call::Dup3);
        let is_described = described(self.event.head.call, control) == Some(number)
            || is_copy && control.result >= 0;
        match &control.descriptor {
            Some(descriptor) if is_described => descriptor::marked_name(*self, descriptor),
            _ => number.to_string().into(),
        }
    }

    fn user(&self, uid: u32) -> Vec<u8> {
        if uid == u32::MAX {
            return b"<NONE>".to_vec();
        }
        let name =
            self.event.node.user_name(&self.event.head, self.event.container.as_deref(), uid);
        name.unwrap_or_else(|| b"<NA>".to_vec())
    }

    /// The name of the process that the caller knows by this id; of none for groups of them.
    fn process_name(&self, pid: i64) -> Vec<u8> {
        self.process_name_in(pid, self.event.process.facts.pid_namespace)
    }

    /// The kernel side tells the host's id of it; the caller may know it by none.
    fn process_behind_descriptor(self, pid: u64) -> Option<Vec<u8>> {
        const HOST: u32 = 0;
        (pid != 0).then(|| self.process_name_in(as_int(pid), HOST))
    }

    fn process_name_in(&self, pid: i64, namespace: u32) -> Vec<u8> {
        let found = u32::try_from(pid).ok().filter(|pid| *pid != 0);
        let found = found.and_then(|pid| self.event.node.processes.called(pid, namespace));
        match found {
            Some(process) => process.comm.clone(),
            None => pid.to_string().into(),
        }
    }
}

/// Which of the numbers is the descriptor that the kernel side looked at.
fn described(call: Call, control: &Control) -> Option<i64> {
    let [first, ..] = control.args;
    match call {
        Call::Dup | Call::Dup2 | Call::Dup3 if control.result < 0 => Some(as_int(first)),
        Call::Dup | Call::Dup2 | Call::Dup3 | Call::Bpf | Call::Userfaultfd => {
            Some(control.result.max(-1))
        }
        Call::Setns | Call::FinitModule => Some(as_int(first)),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel looks at the lower half alone")]
pub(super) fn low(argument: u64) -> u32 {
    argument as u32
}

/// An `int` of the caller's, which has a sign.
pub(super) fn as_int(argument: u64) -> i64 {
    i32::from_ne_bytes(low(argument).to_ne_bytes()).into()
}

fn hex(number: u64) -> Vec<u8> {
    format!("{number:X}").into()
}
