//! The processes of an action. Each is our own program under another name; it
//! does what comes before, then starts the next one, and the last one acts.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{
            ffi::OsStrExt,
            fs::OpenOptionsExt as _,
            process::{CommandExt as _, ExitStatusExt as _},
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Context as _;
use nix::{fcntl::AtFlags, sys::prctl};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Signal, ioctl_tiocsctty, set_parent_process_death_signal, setsid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{
    action::{Action, PROCESS, Place, Process, Setup, Start},
    catalog, container,
    told::{Doer, Orders, Report},
};

/// The environment variable that makes this program one of an action's processes.
pub(super) const ORDERS: &str = "LANNER_GENERATE";

/// The user and group `nobody`, on all systems of today.
pub(super) const NOBODY: u32 = 65534;

/// The container runtime's process outside of the container, and what it starts.
const SHIM: Process =
    Process { program: "containerd-shim", setup: Setup::MakeContainer, ..PROCESS };
const RUNTIME: Process =
    Process { program: "runc:[2:INIT]", setup: Setup::EnterContainer, ..PROCESS };
/// The container's own process.
const APPLICATION: Process = Process { program: "application", start: Start::Exec, ..PROCESS };

/// All processes of an action, in the order in which they start. `makes_container`:
/// not where we are in one.
pub(super) fn of_action(action: &Action, makes_container: bool) -> Vec<Process> {
    let mut processes = Vec::new();
    match (action.place, makes_container) {
        (Place::Host, _) | (Place::Container, false) => {}
        (Place::Container, true) => processes.extend([SHIM, RUNTIME, APPLICATION]),
        (Place::ContainerEntry, true) => processes.extend([SHIM, RUNTIME]),
        (Place::ContainerEntry, false) => {
            processes.extend([
                Process { setup: Setup::Nothing, ..SHIM },
                Process { setup: Setup::Nothing, ..RUNTIME },
            ]);
        }
    }
    processes.extend_from_slice(action.processes);
    if action.place == Place::ContainerEntry {
        // What the runtime started becomes the program, and has its terminal already.
        let (runtime, entry) = (1, 2);
        if let Some(process) = processes.get_mut(entry) {
            let terminal = process.setup == Setup::OpenTerminal;
            process.setup = Setup::Nothing;
            process.start = Start::Exec;
            if let Some(process) = processes.get_mut(runtime).filter(|_| terminal) {
                process.setup = if makes_container {
                    Setup::EnterContainerWithTerminal
                } else {
                    Setup::OpenTerminal
                };
            }
        }
    }
    processes
}

/// The process whose child the last one is; `None` is the tool itself.
pub(super) fn parent(processes: &[Process]) -> Option<&Process> {
    let mut last = processes.len().checked_sub(1)?;
    while processes.get(last)?.start.replaces() {
        last = last.checked_sub(1)?;
    }
    processes.get(last.checked_sub(1)?)
}

impl Start {
    fn replaces(self) -> bool {
        matches!(self, Self::Exec | Self::ExecMemory | Self::ExecDescriptor)
    }
}

/// What to do, if this program was started as a process of an action.
pub(crate) fn orders() -> Option<String> {
    std::env::var(ORDERS).ok()
}

/// The orders of a process that says that it is there, and waits until nobody needs it.
pub(super) const WAIT: &str = "wait";

/// Is one process of an action, to its end.
pub(crate) fn run_process(orders: &str) -> ExitCode {
    if orders == WAIT {
        let _ = io::stdout().write_all(b"\n").and_then(|()| io::stdout().flush());
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        return ExitCode::SUCCESS;
    }
    match serde_json::from_str::<Orders>(orders).context("no orders").and_then(|orders| {
        be_process(&orders).inspect_err(|error| {
            let report = Report::Failed { why: format!("{error:#}"), refused: is_refusal(error) };
            // Then the tool has the exit code alone.
            let _ = orders.report(&report);
        })
    }) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the kernel, or who set it up, will not have it: no defect of ours.
fn is_refusal(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let raw = |code| io::Error::from_raw_os_error(code).kind();
        io.or_else(|| Some(raw(cause.downcast_ref::<rustix::io::Errno>()?.raw_os_error())))
            .or_else(|| Some(raw(*cause.downcast_ref::<nix::errno::Errno>()? as i32)))
    };
    error.chain().filter_map(kind).any(|kind| {
        matches!(
            kind,
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::Unsupported
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NetworkUnreachable
                // A host without IPv6.
                | io::ErrorKind::AddrNotAvailable
                // A container's /dev/shm is often smaller than our program.
                | io::ErrorKind::StorageFull
        )
    })
}

fn be_process(orders: &Orders) -> anyhow::Result<ExitCode> {
    // Whoever started us is gone: so are we, and what we started.
    die_with_parent()?;
    if orders.index == 0 {
        // The terminal of who typed the command is not ours: every action finds
        // the same world, and Ctrl-C reaches the tool, which then ends us.
        let _ = setsid();
    }
    let action = catalog::find(&orders.action).context("no such action")?;
    let processes = of_action(action, orders.groups.is_some());
    let process = processes.get(orders.index).context("no such process")?;
    match process.setup {
        Setup::MakeContainer => container::make(orders, orders.groups.as_deref().unwrap_or(&[]))?,
        Setup::EnterContainer => container::enter(orders)?,
        Setup::EnterContainerWithTerminal => {
            // The container has no devices to make one.
            open_terminal()?;
            container::enter(orders)?;
        }
        Setup::OpenTerminal => open_terminal()?,
        Setup::BecomeNobody => become_nobody()?,
        Setup::Nothing => {}
    }
    if let Some(next) = processes.get(orders.index + 1) {
        return start(orders, next);
    }
    let args: Vec<String> = arguments(orders, process);
    let terminal = File::open("/dev/tty").is_ok();
    let mut doer = Doer::new(orders.clone(), &args, terminal);
    (action.act)(&mut doer)?;
    doer.tell()?;
    Ok(ExitCode::SUCCESS)
}

fn die_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot die with the parent")
}

/// A process's arguments in this run, without its name.
pub(super) fn arguments(orders: &Orders, process: &Process) -> Vec<String> {
    let marked = process.args.iter().any(|arg| arg.contains("<token>") || arg.contains("<dir>"));
    let token = (process.marked && !marked).then_some("<token>");
    process.args.iter().copied().chain(token).map(|arg| orders.fill(arg)).collect()
}

/// The command that becomes process `index`, by its own name.
pub(super) fn command(
    orders: &Orders,
    process: &Process,
    index: usize,
    file: &Path,
) -> anyhow::Result<Command> {
    let orders = Orders { index, ..orders.clone() };
    let text = serde_json::to_string(&orders).context("cannot write orders")?;
    let mut command = Command::new(file);
    // What is run by its path calls itself by its path.
    match process.start {
        Start::SpawnCopyIn(_) => command.arg0(file),
        _ => command.arg0(process.program),
    };
    command.args(arguments(&orders, process));
    command.env(ORDERS, text).envs(process.env.iter().copied());
    Ok(command)
}

fn start(orders: &Orders, next: &Process) -> anyhow::Result<ExitCode> {
    let index = orders.index + 1;
    let file = orders.dir().join(next.program);
    let failed = |error: io::Error| anyhow::Error::new(error).context("cannot start the next");
    match next.start {
        Start::Spawn => end_as(command(orders, next, index, &file)?.status()),
        Start::Exec => Err(failed(command(orders, next, index, &file)?.exec())),
        Start::ExecMemory => {
            let memory =
                memfd_create(next.program, MemfdFlags::CLOEXEC).context("no memory file")?;
            let mut memory = File::from(memory);
            io::copy(&mut open_self()?, &mut memory).context("cannot fill a memory file")?;
            let file = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
            Err(failed(command(orders, next, index, &file)?.exec()))
        }
        Start::ExecDescriptor => exec_descriptor(orders, next, index, &file),
        Start::SpawnCopyIn(folder) => {
            let file = Path::new(&orders.fill(folder)).join(next.program);
            let copy = Copy::make(file)?;
            end_as(command(orders, next, index, &copy.0)?.status())
        }
    }
}

fn end_as(ended: io::Result<std::process::ExitStatus>) -> anyhow::Result<ExitCode> {
    let status = ended.context("cannot start the next")?;
    if let Some(signal) = status.signal() {
        anyhow::bail!("the next was killed by signal {signal}");
    }
    // It has told why, where it failed.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open_self() -> anyhow::Result<File> {
    File::open("/proc/self/exe").context("cannot open our own program")
}

/// A copy of our program, removed on drop.
struct Copy(PathBuf);

impl Copy {
    fn make(file: PathBuf) -> anyhow::Result<Self> {
        let folder = file.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut copy = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&file)
            .with_context(|| format!("cannot make {}", file.display()))?;
        let made = Self(file);
        io::copy(&mut open_self()?, &mut copy).context("cannot copy our program")?;
        copy.flush().context("cannot copy our program")?;
        Ok(made)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn exec_descriptor(
    orders: &Orders,
    next: &Process,
    index: usize,
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let program = File::open(file).context("cannot open the next")?;
    let command = command(orders, next, index, file)?;
    let words =
        std::iter::once(next.program.as_bytes()).chain(command.get_args().map(OsStrExt::as_bytes));
    let args: Vec<CString> = words.map(CString::new).collect::<Result<_, _>>()?;
    let of_us = std::env::vars_os().map(|(key, value)| (key, Some(value)));
    let of_next =
        command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned)));
    let mut variables: std::collections::BTreeMap<_, _> = of_us.collect();
    variables.extend(of_next);
    let variables = variables.into_iter().filter_map(|(key, value)| {
        let mut text = key;
        text.push("=");
        text.push(value?);
        CString::new(text.as_bytes()).ok()
    });
    let variables: Vec<CString> = variables.collect();
    let never = nix::unistd::execveat(&program, c"", &args, &variables, AtFlags::AT_EMPTY_PATH);
    match never {
        Err(error) => Err(anyhow::Error::new(error).context("cannot start the next")),
        Ok(never) => match never {},
    }
}

/// A terminal of our own. Both of its ends stay open as long as we run, and
/// nobody reads it.
fn open_terminal() -> anyhow::Result<()> {
    // Fails where this is the action's first process, which leads a session already.
    let _ = setsid();
    let master =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).context("cannot get a terminal")?;
    grantpt(&master).context("cannot own the terminal")?;
    unlockpt(&master).context("cannot unlock the terminal")?;
    let name = ptsname(&master, Vec::new()).context("a terminal without a name")?;
    let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let slave =
        File::options().read(true).write(true).open(name).context("cannot open the terminal")?;
    ioctl_tiocsctty(&slave).context("cannot have the terminal control us")?;
    // Without its other end the terminal would hang up.
    std::mem::forget(master);
    std::mem::forget(slave);
    Ok(())
}

/// Gives up every right for good.
pub(super) fn become_nobody() -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).context("cannot leave all groups")?;
    set_thread_res_gid(gid, gid, gid).context("cannot become nobody")?;
    set_thread_res_uid(uid, uid, uid).context("cannot become nobody")?;
    // With a new user, the kernel gives our /proc to root and no longer ends us with our
    // parent: both are set again.
    prctl::set_dumpable(true).context("cannot own our /proc")?;
    die_with_parent()
}
