//! Calls that programs make through rings of io_uring: one more program, for kernels that have
//! its tracepoint (Linux 6.4 and newer), attached while a rule wants one of those calls.

use std::collections::BTreeSet;

use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::tp_btf::BtfTracePointLinkId,
};

use super::{
    loader::{LoadError, btf_program, take},
    programs::Hook,
};
use crate::decode::Call;

pub(super) const REQUESTS: Hook =
    Hook { name: "on_ring_request", tracepoint: "io_uring_submit_req" };

/// `IORING_OP_*` of `include/uapi/linux/io_uring.h`, and the call that each does.
const OPERATIONS: [(u32, Call); 9] = [
    (16, Call::Connect),
    (18, Call::Openat),
    (28, Call::Openat2),
    (35, Call::Renameat2),
    (36, Call::Unlinkat),
    (37, Call::Mkdirat),
    (38, Call::Symlinkat),
    (39, Call::Linkat),
    (45, Call::Socket),
];

/// The program, and what it reports.
pub(super) struct QueuedCalls {
    table: Array<MapData, u32>,
    link: Option<BtfTracePointLinkId>,
    refused: Option<String>,
}

impl QueuedCalls {
    /// `loaded` says what came of loading the program; that the kernel refuses it is no error.
    pub(super) fn take(
        programs: &mut Ebpf,
        loaded: Result<(), LoadError>,
    ) -> Result<Self, LoadError> {
        let table = Array::try_from(take(programs, "ring_calls")?)
            .map_err(|source| LoadError::Map { name: "ring_calls", source })?;
        let refused = match loaded {
            Ok(()) => None,
            Err(error @ LoadError::Program { .. }) => {
                Some(lanner_service::Chain(&error).to_string())
            }
            Err(error) => return Err(error),
        };
        Ok(Self { table, link: None, refused })
    }

    /// Why the kernel refused it.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Reports these calls and no other; without any the program does not run.
    pub(super) fn follow(
        &mut self,
        programs: &mut Ebpf,
        wanted: &BTreeSet<Call>,
    ) -> Result<(), LoadError> {
        for (operation, call) in OPERATIONS {
            let id = if wanted.contains(&call) { u32::from(call.id()) } else { 0 };
            self.table
                .set(operation, id, 0)
                .map_err(|source| LoadError::Map { name: "ring_calls", source })?;
        }
        let wants_any = OPERATIONS.iter().any(|(_, call)| wanted.contains(call));
        match (wants_any && self.refused.is_none(), self.link.take()) {
            (true, None) => {
                let link = btf_program(programs, REQUESTS.name)?.attach();
                self.link = Some(link.map_err(|source| LoadError::Attach {
                    name: REQUESTS.name.to_owned(),
                    tracepoint: REQUESTS.tracepoint.to_owned(),
                    source: Box::new(source),
                })?);
            }
            (false, Some(link)) => {
                btf_program(programs, REQUESTS.name)?.detach(link).map_err(|source| {
                    LoadError::Program { name: REQUESTS.name.to_owned(), source: Box::new(source) }
                })?;
            }
            (_, link) => self.link = link,
        }
        Ok(())
    }
}
