//! Names of flags, modes and capabilities, in the order Falco prints them.

use crate::decode::{Call, Open};

const O_ACCMODE: u32 = 3;
const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const O_TMPFILE: u32 = 0o20_000_000;
const ANY_EXECUTE: u32 = 0o111;

// These differ between machines; the rest of O_* is the same on ours.
#[cfg(target_arch = "x86_64")]
const BY_MACHINE: [(u32, &str); 3] =
    [(0o100_000, "O_LARGEFILE"), (0o200_000, "O_DIRECTORY"), (0o40_000, "O_DIRECT")];
#[cfg(target_arch = "aarch64")]
const BY_MACHINE: [(u32, &str); 3] =
    [(0o400_000, "O_LARGEFILE"), (0o40_000, "O_DIRECTORY"), (0o200_000, "O_DIRECT")];

const O_SYNC: u32 = 0o4_010_000;
const O_DSYNC: u32 = 0o10_000;

/// Opened for reading, by the flags. `creat` is no "open" in Falco's sense.
pub(super) fn asks_read(call: Call, open: &Open) -> bool {
    call != Call::Creat && open.flags & O_ACCMODE != O_WRONLY
}

/// Opened for writing, by the flags.
pub(super) fn asks_write(call: Call, open: &Open) -> bool {
    call != Call::Creat && open.flags & O_ACCMODE != 0
}

/// Would make a file that can be run.
pub(super) fn makes_executable(open: &Open) -> bool {
    open.flags & (O_CREAT | O_TMPFILE) != 0 && open.mode & ANY_EXECUTE != 0
}

/// `O_CREAT|O_RDWR|...`.
pub(crate) fn open_flags(flags: u32, created: bool) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut add = |bit: u32, name: &'static str| {
        if flags & bit == bit {
            names.push(name);
        }
    };
    for (bit, name) in BY_MACHINE {
        add(bit, name);
    }
    add(0o1000, "O_TRUNC");
    add(O_SYNC, "O_SYNC");
    add(0o4000, "O_NONBLOCK");
    add(0o200, "O_EXCL");
    if flags & O_SYNC == O_DSYNC {
        add(O_DSYNC, "O_DSYNC");
    }
    add(0o2000, "O_APPEND");
    add(O_CREAT, "O_CREAT");
    match flags & O_ACCMODE {
        0 => add(0, "O_RDONLY"),
        O_WRONLY => add(0, "O_WRONLY"),
        O_RDWR => add(0, "O_RDWR"),
        _ => {}
    }
    add(0o2_000_000, "O_CLOEXEC");
    add(O_TMPFILE, "O_TMPFILE");
    if created {
        names.push("O_F_CREATED");
    }
    names.join("|")
}

/// `S_IXOTH|S_IWOTH|...`.
pub(crate) fn mode(mode: u32) -> String {
    const NAMES: [(u32, &str); 12] = [
        (0o1, "S_IXOTH"),
        (0o2, "S_IWOTH"),
        (0o4, "S_IROTH"),
        (0o10, "S_IXGRP"),
        (0o20, "S_IWGRP"),
        (0o40, "S_IRGRP"),
        (0o100, "S_IXUSR"),
        (0o200, "S_IWUSR"),
        (0o400, "S_IRUSR"),
        (0o1000, "S_ISVTX"),
        (0o2000, "S_ISGID"),
        (0o4000, "S_ISUID"),
    ];
    let set = NAMES.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join("|")
}

const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Bit of `CAP_DAC_OVERRIDE`.
pub(super) const CAP_DAC_OVERRIDE: u64 = 1 << 1;

/// The names of the set bits, separated by blanks.
pub(crate) fn capabilities(bits: u64) -> String {
    let set = CAPABILITIES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}
