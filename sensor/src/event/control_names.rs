//! Names of flags, requests, commands and signals, in the order Falco prints them
//! (`driver/flags_table.c`). The numbers are the kernel's (`include/uapi`).

/// All bits of `value` that have a name, in the table's order; the number if none has.
fn flags(value: u32, table: &[(u32, &str)]) -> Vec<u8> {
    let set = table.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| *name);
    let names = set.collect::<Vec<_>>().join("|");
    if names.is_empty() { value.to_string().into() } else { names.into() }
}

/// Of `unshare` and `setns` (`linux/sched.h`).
pub(crate) fn clone_flags(value: u32) -> Vec<u8> {
    const TABLE: [(u32, &str); 25] = [
        (0x400, "CLONE_FILES"),
        (0x200, "CLONE_FS"),
        (0x8000_0000, "CLONE_IO"),
        (0x0800_0000, "CLONE_NEWIPC"),
        (0x4000_0000, "CLONE_NEWNET"),
        (0x2_0000, "CLONE_NEWNS"),
        (0x2000_0000, "CLONE_NEWPID"),
        (0x0400_0000, "CLONE_NEWUTS"),
        (0x8000, "CLONE_PARENT"),
        (0x10_0000, "CLONE_PARENT_SETTID"),
        (0x2000, "CLONE_PTRACE"),
        (0x800, "CLONE_SIGHAND"),
        (0x4_0000, "CLONE_SYSVSEM"),
        (0x1_0000, "CLONE_THREAD"),
        (0x80_0000, "CLONE_UNTRACED"),
        (0x100, "CLONE_VM"),
        (0x1000_0000, "CLONE_NEWUSER"),
        (0x20_0000, "CLONE_CHILD_CLEARTID"),
        (0x100_0000, "CLONE_CHILD_SETTID"),
        (0x8_0000, "CLONE_SETTLS"),
        (0x4000, "CLONE_VFORK"),
        (0x200_0000, "CLONE_NEWCGROUP"),
        // Falco has no name for these, nor has the kernel for the rest.
        (0x80, "CLONE_NEWTIME"),
        (0x1000, "CLONE_PIDFD"),
        (0x40_0000, "CLONE_DETACHED"),
    ];
    flags(value, &TABLE)
}

/// Of `dup3`; Falco's `O_NONE` is no flag at all.
pub(super) fn dup_flags(value: u32) -> Vec<u8> {
    if value == 0 { b"O_NONE".to_vec() } else { file_flags(value) }
}

/// Of calls that make a descriptor.
pub(super) fn file_flags(value: u32) -> Vec<u8> {
    flags(value, &[(0o4000, "O_NONBLOCK"), (0o2_000_000, "O_CLOEXEC")])
}

/// Of `finit_module` (`linux/module.h`).
pub(super) fn module_flags(value: u32) -> Vec<u8> {
    const TABLE: [(u32, &str); 3] = [
        (1, "MODULE_INIT_IGNORE_MODVERSIONS"),
        (2, "MODULE_INIT_IGNORE_VERMAGIC"),
        (4, "MODULE_INIT_COMPRESSED_FILE"),
    ];
    flags(value, &TABLE)
}

/// Whether the request's `data` is a signal for the traced process.
pub(super) fn passes_signal(request: u64) -> bool {
    matches!(request, 7 | 9 | 17 | 24)
}

/// `linux/ptrace.h`, `asm/ptrace-abi.h`.
pub(crate) fn ptrace_request(request: u64) -> &'static str {
    match request {
        0 => "PTRACE_TRACEME",
        1 => "PTRACE_PEEKTEXT",
        2 => "PTRACE_PEEKDATA",
        3 => "PTRACE_PEEKUSR",
        4 => "PTRACE_POKETEXT",
        5 => "PTRACE_POKEDATA",
        6 => "PTRACE_POKEUSR",
        7 => "PTRACE_CONT",
        8 => "PTRACE_KILL",
        9 => "PTRACE_SINGLESTEP",
        12 => "PTRACE_GETREGS",
        13 => "PTRACE_SETREGS",
        14 => "PTRACE_GETFPREGS",
        15 => "PTRACE_SETFPREGS",
        16 => "PTRACE_ATTACH",
        17 => "PTRACE_DETACH",
        18 => "PTRACE_GETFPXREGS",
        19 => "PTRACE_SETFPXREGS",
        21 => "PTRACE_OLDSETOPTIONS",
        24 => "PTRACE_SYSCALL",
        25 => "PTRACE_GET_THREAD_AREA",
        26 => "PTRACE_SET_THREAD_AREA",
        30 => "PTRACE_ARCH_PRCTL",
        31 => "PTRACE_SYSEMU",
        32 => "PTRACE_SYSEMU_SINGLESTEP",
        33 => "PTRACE_SINGLEBLOCK",
        0x4200 => "PTRACE_SETOPTIONS",
        0x4201 => "PTRACE_GETEVENTMSG",
        0x4202 => "PTRACE_GETSIGINFO",
        0x4203 => "PTRACE_SETSIGINFO",
        0x4204 => "PTRACE_GETREGSET",
        0x4205 => "PTRACE_SETREGSET",
        0x4206 => "PTRACE_SEIZE",
        0x4207 => "PTRACE_INTERRUPT",
        0x4208 => "PTRACE_LISTEN",
        0x4209 => "PTRACE_PEEKSIGINFO",
        0x420a => "PTRACE_GETSIGMASK",
        0x420b => "PTRACE_SETSIGMASK",
        _ => "PTRACE_UNKNOWN",
    }
}

/// `enum bpf_cmd` of `linux/bpf.h`.
pub(crate) fn bpf_command(command: u32) -> Vec<u8> {
    const NAMES: [&str; 37] = [
        "BPF_MAP_CREATE",
        "BPF_MAP_LOOKUP_ELEM",
        "BPF_MAP_UPDATE_ELEM",
        "BPF_MAP_DELETE_ELEM",
        "BPF_MAP_GET_NEXT_KEY",
        "BPF_PROG_LOAD",
        "BPF_OBJ_PIN",
        "BPF_OBJ_GET",
        "BPF_PROG_ATTACH",
        "BPF_PROG_DETACH",
        // Two names of one number, and Falco prints both.
        "BPF_PROG_TEST_RUN|BPF_PROG_RUN",
        "BPF_PROG_GET_NEXT_ID",
        "BPF_MAP_GET_NEXT_ID",
        "BPF_PROG_GET_FD_BY_ID",
        "BPF_MAP_GET_FD_BY_ID",
        "BPF_OBJ_GET_INFO_BY_FD",
        "BPF_PROG_QUERY",
        "BPF_RAW_TRACEPOINT_OPEN",
        "BPF_BTF_LOAD",
        "BPF_BTF_GET_FD_BY_ID",
        "BPF_TASK_FD_QUERY",
        "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
        "BPF_MAP_FREEZE",
        "BPF_BTF_GET_NEXT_ID",
        "BPF_MAP_LOOKUP_BATCH",
        "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
        "BPF_MAP_UPDATE_BATCH",
        "BPF_MAP_DELETE_BATCH",
        "BPF_LINK_CREATE",
        "BPF_LINK_UPDATE",
        "BPF_LINK_GET_FD_BY_ID",
        "BPF_LINK_GET_NEXT_ID",
        "BPF_ENABLE_STATS",
        "BPF_ITER_CREATE",
        "BPF_LINK_DETACH",
        "BPF_PROG_BIND_MAP",
        "BPF_TOKEN_CREATE",
    ];
    let name = usize::try_from(command).ok().and_then(|index| NAMES.get(index));
    name.map_or_else(|| command.to_string().into(), |name| (*name).into())
}

/// `asm-generic/signal.h`; real-time signals have numbers only.
pub(crate) fn signal(number: u32) -> Vec<u8> {
    const NAMES: [&str; 32] = [
        "",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let name = usize::try_from(number).ok().and_then(|index| NAMES.get(index));
    match name {
        Some(name) if !name.is_empty() => (*name).into(),
        _ => number.to_string().into(),
    }
}
