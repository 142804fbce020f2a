//! Calls that make, move or remove names of files, or change a file's mode.

use super::{
    KernelPath, Problem,
    reader::{Reader, until_nul},
};

const PATH_CALL_LEN: usize = 40;
const _: () = assert!(PATH_CALL_LEN == 8 + 5 * 4 + 4 * 2 + 4);

/// Such a call. What it named may be gone as it returns, so the paths are the program's text:
/// what it means is looked up afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCall {
    /// 0, or minus the error number.
    pub result: i64,
    /// `AT_FDCWD` where the call has none; of `fchmod` its descriptor.
    pub dirfd: i32,
    /// What `other` is relative to, in calls with two paths.
    pub other_dirfd: i32,
    /// As the call passes them: `AT_*` or `RENAME_*`.
    pub flags: u32,
    pub mode: u32,
    /// Type and permissions of the file behind `dirfd`; 0 when there is none.
    pub inode_mode: u32,
    /// The path argument. Of a call with two the one that is there before: the old name. Of
    /// `symlink` the link that is made.
    pub path: Vec<u8>,
    /// The second path argument; of `symlink` the text that the link holds.
    pub other: Vec<u8>,
    /// Whether there is a text of the first and of the second: where the call has one that could not
    /// be read, there is none.
    pub has_text: [bool; 2],
    /// What `path` starts from if it is relative, and what `dirfd` is.
    pub base: Option<KernelPath>,
    /// The same for `other`.
    pub other_base: Option<KernelPath>,
    /// Where absolute paths start from.
    pub root: Option<RootMount>,
}

/// The mount that a process's root directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootMount {
    /// As `statx` gives it (`STATX_MNT_ID`).
    pub id: u32,
    /// Whether the root is the mount's own one; else it is a directory somewhere in it.
    pub is_whole: bool,
}

impl RootMount {
    pub(super) fn read(number: u32) -> Option<Self> {
        const ROOT_OF_MOUNT: u32 = 1 << 31;
        let id = number & !ROOT_OF_MOUNT;
        (id != 0).then_some(Self { id, is_whole: number & ROOT_OF_MOUNT != 0 })
    }
}

impl PathCall {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let result = reader.i64()?;
        let dirfd = reader.i32()?;
        let other_dirfd = reader.i32()?;
        let flags = reader.u32()?;
        let mode = reader.u32()?;
        let inode_mode = reader.u32()?;
        let path_len = reader.u16()?;
        let other_len = reader.u16()?;
        let base_len = reader.u16()?;
        let other_base_len = reader.u16()?;
        let root = RootMount::read(reader.u32()?);
        let path = until_nul(reader.section(path_len)?).to_vec();
        let other = until_nul(reader.section(other_len)?).to_vec();
        let base = KernelPath::read(reader.section(base_len)?);
        let other_base = KernelPath::read(reader.section(other_base_len)?);
        // Where both start from the same, it is sent once.
        let other_base = match other_base {
            None if other_dirfd == dirfd => base.clone(),
            other_base => other_base,
        };
        Ok(Self {
            result,
            dirfd,
            other_dirfd,
            flags,
            mode,
            inode_mode,
            path,
            other,
            has_text: [path_len != 0, other_len != 0],
            base,
            other_base,
            root,
        })
    }
}
