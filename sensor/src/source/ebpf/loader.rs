//! Loads the compiled programs and attaches them, by trying: what a kernel takes is found out
//! by giving it, never by its version.
//!
//! ```text
//! object (or the base object) ─▶ all programs, side by side ─▶ attached ─▶ calls wanted
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    thread,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{MapData, PerCpuArray, ProgramArray},
    programs::{BtfTracePoint, ProgramError},
};

use super::{
    attached::{Attached, AttachedCalls, program_name},
    calls::CallTables,
    filter::{FilterError, KernelFilter, Places},
    messages::MessageSettings,
    programs::{HANDLERS, Handler, Hook, LIFECYCLE},
    queued::QueuedCalls,
    ring::Ring,
    sleepers::Sleepers,
};
use crate::{decode::Call, message_needs::MessageNeeds};

/// The kernel's description of its own types; without it the programs cannot
/// find the fields they read.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Room for events that user space has not read yet.
pub const RING_BYTES_DEFAULT: u32 = 8 << 20;

/// Most rings, as in `bpf/output.h`.
pub const RINGS_MAX: u32 = 4;

/// What an unused ring takes: the least that the kernel makes.
const RING_BYTES_UNUSED: u32 = 4096;

/// The way to the handlers, unless each has tracepoints of its own.
const SYS_EXIT: Hook = Hook { name: "on_sys_exit", tracepoint: "sys_exit" };

static FULL_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lanner.bpf.o"));
pub(super) static BASE_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lanner-base.bpf.o"));

/// How system calls are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyscallHooks {
    /// `tracepoints` where no 32-bit program can run, else `tp_btf`.
    #[default]
    Auto,
    /// One tracepoint for each call that rules want: the cheapest for all other calls, but blind
    /// for those of 32-bit programs. Needs tracefs.
    Tracepoints,
    /// One program for all calls, those of 32-bit programs too.
    TpBtf,
}

/// Which of the two sets of programs is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramSet {
    /// `full` if the kernel takes it, else `base`.
    #[default]
    Auto,
    /// With what newer kernels have: `bpf_loop` (5.17), `bpf_task_pt_regs` (5.15).
    Full,
    /// Nothing newer than 5.8.
    Base,
}

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Of each ring; a power of two of whole pages.
    pub ring_bytes: u32,
    /// How many, at most [`RINGS_MAX`]. Each process keeps to one.
    pub rings: u32,
    pub hooks: SyscallHooks,
    pub programs: ProgramSet,
    /// The calls to report from the start.
    pub calls: BTreeSet<Call>,
    /// Which messages through sockets to report from the start.
    pub messages: MessageNeeds,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            ring_bytes: RING_BYTES_DEFAULT,
            rings: 1,
            hooks: SyscallHooks::default(),
            programs: ProgramSet::default(),
            calls: super::programs::handled_calls().collect(),
            messages: MessageNeeds::default(),
        }
    }
}

/// Programs that run in the kernel until this is dropped.
pub struct Loaded {
    rings: Vec<Ring>,
    pub(super) lost: PerCpuArray<MapData, u64>,
    tables: CallTables,
    messages: MessageSettings,
    attached: Attached,
    queued: QueuedCalls,
    filter: KernelFilter,
    places: Option<Places>,
    is_base: bool,
    missing: Vec<(Handler, String)>,
    /// Dropped with the last user's hold on it, the kernel empties it.
    _handlers: ProgramArray<MapData>,
    pub(super) programs: Ebpf,
}

/// Why there are no kernel events.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{KERNEL_BTF} is not usable: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
    KernelBtf(#[source] aya::BtfError),

    #[error("cannot load the eBPF object")]
    Object(#[source] aya::EbpfError),

    #[error("the eBPF object lacks {name}")]
    Missing { name: String },

    #[error("cannot use map {name}")]
    Map { name: &'static str, source: aya::maps::MapError },

    #[error("cannot use map sleepers")]
    Sleepers(#[source] std::io::Error),

    #[error(transparent)]
    Filter(#[from] FilterError),

    #[error("cannot load program {name}")]
    Program { name: String, source: Box<ProgramError> },

    #[error("cannot attach program {name} to tracepoint {tracepoint}")]
    Attach { name: String, tracepoint: String, source: Box<ProgramError> },
}

/// Whether this kernel describes its types.
pub fn kernel_has_btf() -> bool {
    Path::new(KERNEL_BTF).exists()
}

/// Loads all programs and attaches them; events flow from then on.
///
/// A handler that the kernel refuses is left out and told by [`Loaded::missing`].
///
/// # Errors
/// When the kernel lacks BTF or refuses a program that must be there; the cause holds what the
/// verifier said.
pub fn load(options: &LoadOptions) -> Result<Loaded, LoadError> {
    match options.programs {
        ProgramSet::Full => load_object(FULL_OBJECT, false, options),
        ProgramSet::Base => load_object(BASE_OBJECT, true, options),
        ProgramSet::Auto => load_object(FULL_OBJECT, false, options).or_else(|full| {
            tracing::info!(error = %lanner_service::Chain(&full), "the kernel refuses the full set of programs");
            // What is wrong with the full set says more than what is wrong with the base.
            load_object(BASE_OBJECT, true, options).map_err(|_base| full)
        }),
    }
}

fn load_object(object: &[u8], is_base: bool, options: &LoadOptions) -> Result<Loaded, LoadError> {
    let btf = Btf::from_sys_fs().map_err(LoadError::KernelBtf)?;
    let mut programs = open(object, &btf, options)?;
    let hooks = super::attached::choose(options.hooks, is_base);

    let mut tried = try_all(&mut programs, hooks, &btf);
    for program in LIFECYCLE {
        tried.take(program.name)?;
    }
    let (loaded, missing) = handlers_of(&mut tried, hooks)?;

    let mut handlers = program_array(&mut programs)?;
    if hooks == SyscallHooks::TpBtf {
        tried.take(SYS_EXIT.name)?;
        for handler in &loaded {
            let name = super::attached::btf_name(handler);
            let program = btf_program(&mut programs, &name)?;
            let fd = program
                .fd()
                .and_then(|fd| fd.try_clone().map_err(ProgramError::IOError))
                .map_err(|source| LoadError::Program { name, source: Box::new(source) })?;
            for call in handler.calls {
                handlers
                    .set(u32::from(call.id()), &fd, 0)
                    .map_err(|source| LoadError::Map { name: "handlers", source })?;
            }
        }
    }

    let rings = rings(&mut programs, options)?;
    let lost = take(&mut programs, "lost")?;
    let lost =
        PerCpuArray::try_from(lost).map_err(|source| LoadError::Map { name: "lost", source })?;
    let tables = CallTables::take(&mut programs)?;
    let messages = MessageSettings::take(&mut programs, options.messages)?;
    let queued = QueuedCalls::take(&mut programs, tried.take(super::queued::REQUESTS.name))?;
    let filter = KernelFilter::take(&mut programs)?;
    let places = Some(Places::take(&mut programs)?);

    // Attached only when all are loaded: no event before its process's exec can be seen.
    for program in LIFECYCLE {
        attach_btf(&mut programs, program.name, program.tracepoint)?;
    }
    let attached = match hooks {
        SyscallHooks::Tracepoints => Attached::Tracepoints(AttachedCalls::default()),
        _ => {
            attach_btf(&mut programs, SYS_EXIT.name, SYS_EXIT.tracepoint)?;
            Attached::TpBtf
        }
    };
    let mut all = Loaded {
        rings,
        lost,
        tables,
        messages,
        attached,
        queued,
        filter,
        places,
        is_base,
        missing,
        _handlers: handlers,
        programs,
    };
    all.want(&options.calls)?;
    Ok(all)
}

impl Loaded {
    /// Where events come out, one for each partition; the second time there are none.
    pub fn take_rings(&mut self) -> Vec<Ring> {
        std::mem::take(&mut self.rings)
    }

    /// The filter. Until it is told of rules everything passes.
    pub fn filter(&mut self) -> &mut KernelFilter {
        &mut self.filter
    }

    /// Where the filter learns which control groups are containers; the second time there is none.
    pub fn take_places(&mut self) -> Option<Places> {
        self.places.take()
    }

    /// Reports these calls from now on, and no other. Those without a handler are left out.
    ///
    /// # Errors
    /// When the kernel refuses an attachment or a map; calls that were reported before may be
    /// missing then.
    pub fn want(&mut self, calls: &BTreeSet<Call>) -> Result<(), LoadError> {
        let delivered: BTreeSet<Call> = self.delivered().collect();
        let wanted: BTreeSet<Call> = calls.intersection(&delivered).copied().collect();
        self.tables.set(&wanted)?;
        self.messages.follow(&wanted)?;
        if let Attached::Tracepoints(attached) = &mut self.attached {
            attached.follow(&mut self.programs, &wanted)?;
        }
        self.queued.follow(&mut self.programs, &wanted)
    }

    /// Reports these messages through sockets from now on, and no other.
    ///
    /// # Errors
    /// When the kernel refuses the map.
    pub fn want_messages(&mut self, needs: MessageNeeds) -> Result<(), LoadError> {
        self.messages.set(needs)
    }

    /// The calls that can be reported on this kernel.
    pub fn delivered(&self) -> impl Iterator<Item = Call> {
        let is_missing = |handler: &Handler| {
            self.missing.iter().any(|(missing, _)| missing.name == handler.name)
        };
        HANDLERS
            .iter()
            .filter(move |handler| !is_missing(handler))
            .flat_map(|handler| handler.calls.iter().copied())
    }

    /// Handlers that the kernel refused, and what it said.
    pub fn missing(&self) -> &[(Handler, String)] {
        &self.missing
    }

    /// Why calls made through io_uring are not seen, if they are not.
    pub fn misses_queued_calls(&self) -> Option<&str> {
        self.queued.refused()
    }

    /// How system calls are seen: `tracepoints` or `tp_btf`.
    pub fn hooks(&self) -> &'static str {
        match self.attached {
            Attached::Tracepoints(_) => "tracepoints",
            Attached::TpBtf => "tp_btf",
        }
    }

    /// Which set of programs runs: `full` or `base`.
    pub fn program_set(&self) -> &'static str {
        if self.is_base { "base" } else { "full" }
    }

    /// Whether calls of 32-bit programs are seen.
    pub fn sees_compat_calls(&self) -> bool {
        matches!(self.attached, Attached::TpBtf)
    }
}

fn open(object: &[u8], btf: &Btf, options: &LoadOptions) -> Result<Ebpf, LoadError> {
    const NAMES: [&str; RINGS_MAX as usize] = ["ring_0", "ring_1", "ring_2", "ring_3"];
    let own_tgid = std::process::id();
    let ring_bytes = u64::from(options.ring_bytes);
    let rings = options.rings.clamp(1, RINGS_MAX);
    let mut loader = EbpfLoader::new();
    loader
        .btf(Some(btf))
        .allow_unsupported_maps()
        .override_global("own_tgid", &own_tgid, true)
        .override_global("ring_bytes", &ring_bytes, true)
        .override_global("ring_count", &rings, true);
    for (index, name) in (0_u32..).zip(NAMES) {
        let bytes = if index < rings { options.ring_bytes } else { RING_BYTES_UNUSED };
        loader.map_max_entries(name, bytes);
    }
    loader.load(object).map_err(LoadError::Object)
}

/// Programs that the kernel was given, by name, and what it said.
struct Tried(BTreeMap<String, Result<(), ProgramError>>);

impl Tried {
    fn take(&mut self, name: &str) -> Result<(), LoadError> {
        match self.0.remove(name) {
            Some(tried) => tried.map_err(|source| LoadError::Program {
                name: name.to_owned(),
                source: Box::new(source),
            }),
            None => Err(LoadError::Missing { name: name.to_owned() }),
        }
    }
}

/// Loads all that this way of hooking needs, at once: the verifier takes its time with each, and
/// may use a processor for each.
fn try_all(programs: &mut Ebpf, hooks: SyscallHooks, btf: &Btf) -> Tried {
    let tracepoint = |name: &str| {
        let is_handler = || HANDLERS.iter().any(|handler| program_name(handler, hooks) == name);
        let mut others = LIFECYCLE.into_iter().chain([SYS_EXIT, super::queued::REQUESTS]);
        match others.find(|program| program.name == name) {
            Some(program) => Some(program.tracepoint),
            None => is_handler().then_some(SYS_EXIT.tracepoint),
        }
    };
    thread::scope(|scope| {
        let begun: Vec<_> = programs
            .programs_mut()
            .filter_map(|(name, program)| {
                let tracepoint = tracepoint(name)?;
                let load = move || super::attached::load(program, tracepoint, btf);
                Some((name.to_owned(), scope.spawn(load)))
            })
            .collect();
        let done = begun.into_iter().map(|(name, load)| {
            (name, load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        Tried(done.collect())
    })
}

/// Handlers that were loaded, and those that the kernel refused with what it said.
type Handlers = (Vec<Handler>, Vec<(Handler, String)>);

fn handlers_of(tried: &mut Tried, hooks: SyscallHooks) -> Result<Handlers, LoadError> {
    let (mut loaded, mut missing) = (Vec::new(), Vec::new());
    for handler in HANDLERS {
        match tried.take(&program_name(&handler, hooks)) {
            Ok(()) => loaded.push(handler),
            Err(error @ LoadError::Program { .. }) => {
                missing.push((handler, lanner_service::Chain(&error).to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((loaded, missing))
}

fn rings(programs: &mut Ebpf, options: &LoadOptions) -> Result<Vec<Ring>, LoadError> {
    const NAMES: [&str; RINGS_MAX as usize] = ["ring_0", "ring_1", "ring_2", "ring_3"];
    let sleepers = Sleepers::new(take(programs, "sleepers")?).map_err(LoadError::Sleepers)?;
    let sleepers = Arc::new(sleepers);
    let used = (0_u32..).zip(NAMES).take(options.rings.clamp(1, RINGS_MAX) as usize);
    used.map(|(index, name)| {
        let map = take(programs, name)?;
        Ring::new(map, index, Arc::clone(&sleepers))
            .map_err(|source| LoadError::Map { name, source })
    })
    .collect()
}

fn program_array(programs: &mut Ebpf) -> Result<ProgramArray<MapData>, LoadError> {
    ProgramArray::try_from(take(programs, "handlers")?)
        .map_err(|source| LoadError::Map { name: "handlers", source })
}

fn attach_btf(programs: &mut Ebpf, name: &str, tracepoint: &str) -> Result<(), LoadError> {
    btf_program(programs, name)?.attach().map(drop).map_err(|source| LoadError::Attach {
        name: name.to_owned(),
        tracepoint: tracepoint.to_owned(),
        source: Box::new(source),
    })
}

pub(super) fn btf_program<'a>(
    programs: &'a mut Ebpf,
    name: &str,
) -> Result<&'a mut BtfTracePoint, LoadError> {
    programs
        .program_mut(name)
        .ok_or_else(|| LoadError::Missing { name: name.to_owned() })?
        .try_into()
        .map_err(|source| LoadError::Program { name: name.to_owned(), source: Box::new(source) })
}

pub(super) fn take(programs: &mut Ebpf, name: &str) -> Result<aya::maps::Map, LoadError> {
    programs.take_map(name).ok_or_else(|| LoadError::Missing { name: name.to_owned() })
}
