//! Programs that could not be started.

use super::{
    KernelPath, Problem, Texts,
    reader::{Reader, until_nul},
};

const EXEC_FAILED_LEN: usize = 24;
const _: () = assert!(EXEC_FAILED_LEN == 8 + 2 * 4 + 4 * 2);

/// `execve` or `execveat` that failed: the process is what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecFailed {
    /// Minus the error number.
    pub result: i64,
    pub dirfd: i32,
    /// `AT_*` of `execveat`.
    pub flags: u32,
    /// The path asked for.
    pub filename: Vec<u8>,
    /// What a relative path starts from.
    pub base: Option<KernelPath>,
    /// `argv` as asked for: at most 20, each cut at 255 bytes.
    pub args: Texts,
}

impl ExecFailed {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let result = reader.i64()?;
        let dirfd = reader.i32()?;
        let flags = reader.u32()?;
        let filename_len = reader.u16()?;
        let base_len = reader.u16()?;
        let args_len = reader.u16()?;
        let _unused = reader.u16()?;
        Ok(Self {
            result,
            dirfd,
            flags,
            filename: until_nul(reader.section(filename_len)?).to_vec(),
            base: KernelPath::read(reader.section(base_len)?),
            args: Texts::separated_by_nul(reader.section(args_len)?),
        })
    }
}
