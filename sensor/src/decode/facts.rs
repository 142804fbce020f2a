//! What each kind of event holds behind its head.

use super::{
    Ancestor, KernelPath, Problem, RootMount, Texts, ancestor, reader::Reader, reader::until_nul,
};

const PROCESS_LEN: usize = 40;
const _: () = assert!(PROCESS_LEN == 2 * 8 + 6 * 4);
const FORK_LEN: usize = 56;
const _: () = assert!(FORK_LEN == PROCESS_LEN + 8 + 2 * 4);
const EXEC_LEN: usize = 104;
const _: () = assert!(EXEC_LEN == PROCESS_LEN + 3 * 8 + 5 * 4 + 10 * 2);
const EXIT_LEN: usize = 8;
const _: () = assert!(EXIT_LEN == 2 * 4);
const OPEN_LEN: usize = 56;
const _: () = assert!(OPEN_LEN == 2 * 8 + 7 * 4 + 4 * 2 + 4);

/// What fork and exec both tell about a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    pub cap_permitted: u64,
    pub cap_effective: u64,
    /// Device number of the terminal, 0 for none.
    pub tty: u32,
    /// Session and process group, in the host's namespace.
    pub sid: u32,
    pub pgid: u32,
    /// Process and process group, in its own namespace; a group from outside of it is 0.
    pub vpid: u32,
    pub vpgid: u32,
    /// Inode number of that namespace; 0 when not known.
    pub pid_namespace: u32,
}

/// Bits of [`Exec::exe_bits`].
pub mod exe_bits {
    /// The file is in the upper layer of an overlay: not part of the image.
    pub const UPPER_LAYER: u32 = 1;
    /// The file is in a lower layer of an overlay.
    pub const LOWER_LAYER: u32 = 2;
    /// The file system is mounted read-only.
    pub const READ_ONLY: u32 = 4;
    /// There are more arguments than were sent.
    pub const ARGS_CUT: u32 = 8;
    /// There is more of the environment than was sent.
    pub const ENV_CUT: u32 = 16;
}

/// A process was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    pub process: ProcessFacts,
    /// The process that called, whose program the new one runs. Not always the parent: with
    /// `CLONE_PARENT` that is the caller's own.
    pub maker_tgid: u32,
    pub maker_start_ns: u64,
    /// The parent's parent first.
    pub ancestors: Vec<Ancestor>,
}

/// A process became another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    pub process: ProcessFacts,
    pub exe_ino: u64,
    /// Nanoseconds since the epoch, as the file system has them.
    pub exe_ctime_ns: u64,
    pub exe_mtime_ns: u64,
    pub exe_dev: u32,
    pub exe_mode: u32,
    pub exe_uid: u32,
    pub exe_gid: u32,
    pub exe_bits: u32,
    pub exe_path: Option<KernelPath>,
    pub cwd: Option<KernelPath>,
    pub cgroup: Option<KernelPath>,
    /// `argv`, the program first; cut at 4095 bytes in all.
    pub args: Texts,
    /// `NAME=value`; cut at 4095 bytes in all.
    pub env: Texts,
    /// The parent's parent first.
    pub ancestors: Vec<Ancestor>,
    /// The path asked for, cut at 1023 bytes; `/dev/fd/3` where `execveat` was given a
    /// descriptor.
    pub filename: Vec<u8>,
}

/// The last thread of a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub exit_code: u32,
}

/// A file was opened, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The new descriptor, or minus the error number.
    pub result: i64,
    pub ino: u64,
    pub dev: u32,
    /// Type and permissions of the file; 0 when there is none.
    pub inode_mode: u32,
    /// `O_*` and mode as asked for.
    pub flags: u32,
    pub mode: u32,
    /// `RESOLVE_*` as asked for, by `openat2` alone.
    pub resolve: u32,
    /// Of `open_by_handle_at` the descriptor of the mount.
    pub dirfd: i32,
    /// This call made the file.
    pub created: bool,
    /// The file is in the upper layer of an overlay, or in a lower one.
    pub upper_layer: bool,
    pub lower_layer: bool,
    /// The call succeeded, and which file it opened is not known: by the time it was looked at,
    /// its descriptor stood for none or perhaps another one, or the call was only queued.
    pub unseen: bool,
    /// The argument; empty if it could not be read, and for `open_by_handle_at`.
    pub raw: Vec<u8>,
    /// The file that was opened; where it is [`Open::unseen`] the one that was found in its place.
    pub resolved: Option<KernelPath>,
    /// What a relative argument starts from.
    pub base: Option<KernelPath>,
    /// Where absolute paths start from, of a call that is still to be done.
    pub root: Option<RootMount>,
}

impl ProcessFacts {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            cap_permitted: reader.u64()?,
            cap_effective: reader.u64()?,
            tty: reader.u32()?,
            sid: reader.u32()?,
            pgid: reader.u32()?,
            vpid: reader.u32()?,
            vpgid: reader.u32()?,
            pid_namespace: reader.u32()?,
        })
    }
}

impl Fork {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let process = ProcessFacts::read(reader)?;
        let maker_start_ns = reader.u64()?;
        let maker_tgid = reader.u32()?;
        let ancestors_len = reader.u32()?;
        let section = reader.take(usize::try_from(ancestors_len).unwrap_or(usize::MAX))?;
        Ok(Self { process, maker_tgid, maker_start_ns, ancestors: ancestor::read_all(section) })
    }
}

impl Exec {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let process = ProcessFacts::read(reader)?;
        let exe_ino = reader.u64()?;
        let exe_ctime_ns = reader.u64()?;
        let exe_mtime_ns = reader.u64()?;
        let exe_dev = reader.u32()?;
        let exe_mode = reader.u32()?;
        let exe_uid = reader.u32()?;
        let exe_gid = reader.u32()?;
        let exe_bits = reader.u32()?;
        let ancestors_len = reader.u16()?;
        let filename_len = reader.u16()?;
        let exe_len = reader.u16()?;
        let cwd_len = reader.u16()?;
        let cgroup_len = reader.u16()?;
        let args_len = reader.u16()?;
        let env_len = reader.u16()?;
        let _unused: [u8; 6] = reader.array()?;
        let ancestors = ancestor::read_all(reader.section(ancestors_len)?);
        let filename = until_nul(reader.section(filename_len)?).to_vec();
        Ok(Self {
            process,
            exe_ino,
            exe_ctime_ns,
            exe_mtime_ns,
            exe_dev,
            exe_mode,
            exe_uid,
            exe_gid,
            exe_bits,
            exe_path: KernelPath::read(reader.section(exe_len)?),
            cwd: KernelPath::read(reader.section(cwd_len)?),
            cgroup: KernelPath::read(reader.section(cgroup_len)?),
            args: Texts::separated_by_nul(reader.section(args_len)?),
            env: Texts::separated_by_nul(reader.section(env_len)?),
            ancestors,
            filename,
        })
    }
}

impl Exit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let exit_code = reader.u32()?;
        let _unused = reader.u32()?;
        Ok(Self { exit_code })
    }
}

impl Open {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        const CREATED: u32 = 1;
        const UPPER_LAYER: u32 = 2;
        const LOWER_LAYER: u32 = 4;
        const UNSEEN: u32 = 8;
        let result = reader.i64()?;
        let ino = reader.u64()?;
        let dev = reader.u32()?;
        let inode_mode = reader.u32()?;
        let flags = reader.u32()?;
        let mode = reader.u32()?;
        let resolve = reader.u32()?;
        let dirfd = reader.i32()?;
        let bits = reader.u32()?;
        let raw_len = reader.u16()?;
        let resolved_len = reader.u16()?;
        let base_len = reader.u16()?;
        let _unused = reader.u16()?;
        let root = RootMount::read(reader.u32()?);
        Ok(Self {
            result,
            ino,
            dev,
            inode_mode,
            flags,
            mode,
            resolve,
            dirfd,
            created: bits & CREATED != 0,
            upper_layer: bits & UPPER_LAYER != 0,
            lower_layer: bits & LOWER_LAYER != 0,
            unseen: bits & UNSEEN != 0,
            raw: until_nul(reader.section(raw_len)?).to_vec(),
            resolved: KernelPath::read(reader.section(resolved_len)?),
            base: KernelPath::read(reader.section(base_len)?),
            root,
        })
    }
}
