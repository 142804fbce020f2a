//! How system calls are hooked: one program for all, or a tracepoint for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use aya::{
    Btf, Ebpf,
    programs::{Program, ProgramError, TracePoint, trace_point::TracePointLinkId},
};

use super::{
    loader::{LoadError, SyscallHooks},
    programs::{HANDLERS, Handler},
};
use crate::decode::Call;

/// Where the kernel lists its tracepoints, one folder each.
const TRACEPOINTS: [&str; 2] =
    ["/sys/kernel/tracing/events/syscalls", "/sys/kernel/debug/tracing/events/syscalls"];

/// Where x86 has a setting for its 32-bit programs, if it can run any.
const COMPAT_SETTING: &str = "/proc/sys/abi/vsyscall32";

/// What is attached now.
pub(super) enum Attached {
    TpBtf,
    Tracepoints(AttachedCalls),
}

/// The calls whose tracepoints have a program, each its own attachment.
#[derive(Default)]
pub(super) struct AttachedCalls {
    links: BTreeMap<Call, TracePointLinkId>,
}

/// Whether the kernel's tracepoints can be seen.
pub fn has_tracepoints() -> bool {
    TRACEPOINTS.iter().any(|folder| Path::new(folder).exists())
}

/// Which of the two ways, for what is asked. The base programs know one only.
pub(super) fn choose(asked: SyscallHooks, is_base: bool) -> SyscallHooks {
    match asked {
        _ if is_base => SyscallHooks::TpBtf,
        SyscallHooks::Auto if has_tracepoints() && !runs_compat_programs() => {
            SyscallHooks::Tracepoints
        }
        SyscallHooks::Auto => SyscallHooks::TpBtf,
        asked => asked,
    }
}

/// Whether 32-bit programs can run here. Where that is not known they can.
fn runs_compat_programs() -> bool {
    !cfg!(target_arch = "x86_64") || Path::new(COMPAT_SETTING).exists()
}

/// The name of a handler's program behind `on_sys_exit`.
pub(super) fn btf_name(handler: &Handler) -> String {
    format!("on_sys_exit_{}", handler.name)
}

fn tracepoint_name(handler: &Handler) -> String {
    format!("on_return_{}", handler.name)
}

/// The name of a handler's program for this way of hooking.
pub(super) fn program_name(handler: &Handler, hooks: SyscallHooks) -> String {
    match hooks {
        SyscallHooks::Tracepoints => tracepoint_name(handler),
        _ => btf_name(handler),
    }
}

/// The verifier gives up when its thread gets a signal; that is no word on the program.
const ATTEMPTS_MAX: usize = 16;

/// Loads a program; only one of this kind has to know its tracepoint by then.
pub(super) fn load(program: &mut Program, tracepoint: &str, btf: &Btf) -> Result<(), ProgramError> {
    let mut attempts = 0;
    loop {
        let loaded = match program {
            Program::BtfTracePoint(program) => program.load(tracepoint, btf),
            Program::TracePoint(program) => program.load(),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        attempts += 1;
        match loaded {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == io::ErrorKind::WouldBlock && attempts < ATTEMPTS_MAX => {}
            loaded => return loaded,
        }
    }
}

fn program<'a>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut TracePoint, LoadError> {
    programs
        .program_mut(name)
        .ok_or_else(|| LoadError::Missing { name: name.to_owned() })?
        .try_into()
        .map_err(|source| LoadError::Program { name: name.to_owned(), source: Box::new(source) })
}

/// Whether this kernel has the call: some are younger than it, some are of other machines.
fn exists(call: Call) -> bool {
    let name = format!("sys_exit_{}", call.name());
    TRACEPOINTS.iter().any(|folder| Path::new(folder).join(&name).exists())
}

impl AttachedCalls {
    /// Attaches what is wanted and not attached yet, and lets go of the rest.
    pub(super) fn follow(
        &mut self,
        programs: &mut Ebpf,
        wanted: &BTreeSet<Call>,
    ) -> Result<(), LoadError> {
        for handler in HANDLERS {
            let name = tracepoint_name(&handler);
            for call in handler.calls {
                match (wanted.contains(call) && exists(*call), self.links.contains_key(call)) {
                    (true, false) => {
                        let program = program(programs, &name)?;
                        let tracepoint = format!("sys_exit_{}", call.name());
                        let link = program.attach("syscalls", &tracepoint).map_err(|source| {
                            LoadError::Attach {
                                name: name.clone(),
                                tracepoint,
                                source: Box::new(source),
                            }
                        })?;
                        self.links.insert(*call, link);
                    }
                    (false, true) => {
                        let program = program(programs, &name)?;
                        if let Some(link) = self.links.remove(call) {
                            program.detach(link).map_err(|source| LoadError::Program {
                                name: name.clone(),
                                source: Box::new(source),
                            })?;
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
