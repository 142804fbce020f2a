//! Loads the compiled programs and attaches them.

use std::path::Path;

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::BtfTracePoint,
};

/// The kernel's description of its own types; without it the programs cannot
/// find the fields they read.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Room for events that user space has not read yet.
pub const RING_BYTES_DEFAULT: u32 = 8 << 20;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lanner.bpf.o"));

/// One program and the tracepoint it hangs on.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub tracepoint: &'static str,
}

const PROGRAMS: [Program; 4] = [
    Program { name: "on_exec", tracepoint: "sched_process_exec" },
    Program { name: "on_fork", tracepoint: "sched_process_fork" },
    Program { name: "on_exit", tracepoint: "sched_process_exit" },
    Program { name: "on_sys_exit", tracepoint: "sys_exit" },
];

/// Programs that run in the kernel until this is dropped.
pub struct Loaded {
    pub(super) ring: RingBuf<MapData>,
    pub(super) lost: PerCpuArray<MapData, u64>,
    /// Holds the attachments.
    pub(super) _programs: Ebpf,
}

/// Why there are no kernel events.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{KERNEL_BTF} is not usable: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
    KernelBtf(#[source] aya::BtfError),

    #[error("cannot load the eBPF object")]
    Object(#[source] aya::EbpfError),

    #[error("the eBPF object lacks {name}")]
    Missing { name: &'static str },

    #[error("cannot use map {name}")]
    Map { name: &'static str, source: aya::maps::MapError },

    #[error("cannot load program {name}")]
    Program { name: &'static str, source: aya::programs::ProgramError },

    #[error("cannot attach program {name} to tracepoint {tracepoint}")]
    Attach { name: &'static str, tracepoint: &'static str, source: aya::programs::ProgramError },
}

/// Whether this kernel describes its types.
pub fn kernel_has_btf() -> bool {
    Path::new(KERNEL_BTF).exists()
}

/// Loads all programs and attaches them; events flow from then on.
///
/// `ring_bytes` is rounded by the caller to a power of two of whole pages.
///
/// # Errors
/// When the kernel lacks BTF or refuses a program; the cause holds what the
/// verifier said.
pub fn load(ring_bytes: u32) -> Result<Loaded, LoadError> {
    let btf = Btf::from_sys_fs().map_err(LoadError::KernelBtf)?;
    let own_tgid = std::process::id();
    let mut programs = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("own_tgid", &own_tgid, true)
        .map_max_entries("events", ring_bytes)
        .load(OBJECT)
        .map_err(LoadError::Object)?;

    let ring = take(&mut programs, "events")?;
    let ring =
        RingBuf::try_from(ring).map_err(|source| LoadError::Map { name: "events", source })?;
    let lost = take(&mut programs, "lost")?;
    let lost =
        PerCpuArray::try_from(lost).map_err(|source| LoadError::Map { name: "lost", source })?;

    for Program { name, tracepoint } in PROGRAMS {
        let program: &mut BtfTracePoint = programs
            .program_mut(name)
            .ok_or(LoadError::Missing { name })?
            .try_into()
            .map_err(|source| LoadError::Program { name, source })?;
        program.load(tracepoint, &btf).map_err(|source| LoadError::Program { name, source })?;
    }
    // Attached only when all are loaded: no event before its process's exec can be seen.
    for Program { name, tracepoint } in PROGRAMS {
        let program: &mut BtfTracePoint = programs
            .program_mut(name)
            .ok_or(LoadError::Missing { name })?
            .try_into()
            .map_err(|source| LoadError::Program { name, source })?;
        program.attach().map_err(|source| LoadError::Attach { name, tracepoint, source })?;
    }
    Ok(Loaded { ring, lost, _programs: programs })
}

impl Loaded {
    /// What is attached, for the list at start.
    pub fn programs(&self) -> &'static [Program] {
        &PROGRAMS
    }
}

fn take(programs: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, LoadError> {
    programs.take_map(name).ok_or(LoadError::Missing { name })
}
