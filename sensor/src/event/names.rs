//! Names of flags, modes, descriptors and capabilities, in the order Falco prints them.

use super::errno;
use crate::decode::{Call, Open};

const AT_FDCWD: i32 = -100;
const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;
pub(super) const S_IFDIR: u32 = 0o040_000;

const O_ACCMODE: u32 = 3;
const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const ANY_EXECUTE: u32 = 0o111;

// These differ between machines; the rest of O_* is the same on ours.
#[cfg(target_arch = "x86_64")]
const BY_MACHINE: [(u32, &str); 3] =
    [(0o100_000, "O_LARGEFILE"), (O_DIRECTORY, "O_DIRECTORY"), (0o40_000, "O_DIRECT")];
#[cfg(target_arch = "x86_64")]
const O_DIRECTORY: u32 = 0o200_000;
#[cfg(target_arch = "aarch64")]
const O_DIRECTORY: u32 = 0o40_000;
#[cfg(target_arch = "aarch64")]
const BY_MACHINE: [(u32, &str); 3] =
    [(0o400_000, "O_LARGEFILE"), (O_DIRECTORY, "O_DIRECTORY"), (0o200_000, "O_DIRECT")];

const O_TMPFILE: u32 = 0o20_000_000 | O_DIRECTORY;

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

/// Made the file, as far as its own path is concerned: one without a name counts, too.
pub(super) fn makes_file(open: &Open) -> bool {
    open.created || (open.result >= 0 && open.flags & O_TMPFILE == O_TMPFILE)
}

/// Would make a file that can be run.
pub(super) fn makes_executable(open: &Open) -> bool {
    open.flags & (O_CREAT | O_TMPFILE & !O_DIRECTORY) != 0 && open.mode & ANY_EXECUTE != 0
}

/// `O_CREAT|O_RDWR|...`, with what the kernel found out added by Falco's names.
pub(super) fn opened_flags(open: &Open) -> String {
    let mut text = open_flags(open.flags);
    let found = [
        (open.created, "O_F_CREATED"),
        (open.upper_layer, "FD_UPPER_LAYER"),
        (open.lower_layer, "FD_LOWER_LAYER"),
    ];
    for (_, name) in found.into_iter().filter(|(is_so, _)| *is_so) {
        text.push('|');
        text.push_str(name);
    }
    text
}

/// `O_CREAT|O_RDWR|...`, as asked for.
pub(crate) fn open_flags(flags: u32) -> String {
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
    if names.is_empty() { "O_NONE".to_owned() } else { names.join("|") }
}

/// `RESOLVE_BENEATH|...` of `openat2`.
pub(super) fn resolve_flags(flags: u32) -> String {
    const NAMES: [(u32, &str); 6] = [
        (0x08, "RESOLVE_BENEATH"),
        (0x10, "RESOLVE_IN_ROOT"),
        (0x02, "RESOLVE_NO_MAGICLINKS"),
        (0x04, "RESOLVE_NO_SYMLINKS"),
        (0x01, "RESOLVE_NO_XDEV"),
        (0x20, "RESOLVE_CACHED"),
    ];
    joined_or_zero(flags, &NAMES)
}

/// The flags of the calls about names of files.
pub(super) fn path_call_flags(call: Call, flags: u32) -> String {
    const RENAME: [(u32, &str); 3] =
        [(1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT")];
    const REMOVE: [(u32, &str); 1] = [(0x200, "AT_REMOVEDIR")];
    const LINK: [(u32, &str); 2] = [(0x400, "AT_SYMLINK_FOLLOW"), (0x1000, "AT_EMPTY_PATH")];
    const CHMOD: [(u32, &str); 2] = [(0x1000, "AT_EMPTY_PATH"), (0x100, "AT_SYMLINK_NOFOLLOW")];
    let names: &[_] = match call {
        Call::Renameat2 => &RENAME,
        Call::Unlinkat => &REMOVE,
        Call::Linkat => &LINK,
        _ => &CHMOD,
    };
    joined_or_zero(flags, names)
}

fn joined_or_zero(bits: u32, names: &[(u32, &'static str)]) -> String {
    let set = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    let text = set.collect::<Vec<_>>().join("|");
    if text.is_empty() { "0".to_owned() } else { text }
}

/// The mode that a new file was to have, in octal as C's `%#o`; 0 where none could be made.
pub(super) fn new_file_mode(open: &Open) -> String {
    const PERMISSIONS: u32 = 0o7777;
    match open.mode & PERMISSIONS {
        mode if mode != 0 && open.flags & (O_CREAT | O_TMPFILE & !O_DIRECTORY) != 0 => {
            format!("0{mode:o}")
        }
        _ => "0".to_owned(),
    }
}

/// The names of a type of file that a descriptor stands for, `fd.type` and `fd.typechar`.
pub(super) fn file_type(inode_mode: u32) -> (&'static str, &'static str) {
    match inode_mode & S_IFMT {
        S_IFDIR => ("directory", "d"),
        S_IFIFO => ("pipe", "p"),
        // Devices that have a path are files, and so is what could not be opened.
        _ => ("file", "f"),
    }
}

/// A descriptor as an argument: `<f>/path`, `AT_FDCWD`, or its number.
pub(super) fn descriptor(fd: i32, path: Option<&[u8]>, inode_mode: u32) -> Vec<u8> {
    match path {
        _ if fd == AT_FDCWD => b"AT_FDCWD".to_vec(),
        // Falco takes any negative one for an error.
        _ if fd < 0 => errno::result_name(fd.into()).into(),
        Some(path) => [b"<", file_type(inode_mode).1.as_bytes(), b">", path].concat(),
        None => fd.to_string().into(),
    }
}

/// A device number as `stat` gives it: 12 bits of major, 20 of minor, in four parts
/// (`new_encode_dev` of `include/linux/kdev_t.h`). The kernel's own is `major << 20 | minor`.
pub(super) fn device(kernel: u32) -> u32 {
    let (major, minor) = device_parts(kernel);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

pub(super) fn device_parts(kernel: u32) -> (u32, u32) {
    (kernel >> 20, kernel & 0xf_ffff)
}

/// `S_IXOTH|S_IWOTH|...`, or 0.
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
    joined_or_zero(mode, &NAMES)
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
