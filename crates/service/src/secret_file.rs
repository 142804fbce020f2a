//! Files that hold a secret: nobody but their owner may read them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Why a secret is not read from its file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{} can be read or changed by others (mode {mode:04o}); chmod 0600, or 0640 where it is root's",
        path.display()
    )]
    Open { path: PathBuf, mode: u32 },
}

/// Reads a private key or the like as text.
///
/// The group may read it where the file is root's: a secret that Kubernetes
/// mounts for a process that is not root (`fsGroup`) is always so.
///
/// # Errors
/// When it cannot be read, or when others than its owner can.
pub fn read_secret(path: &Path) -> Result<String, SecretFileError> {
    let failed = |source| SecretFileError::Read { path: path.to_owned(), source };
    // The file that was looked at is the file that is read.
    let file = fs::File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    let allowed = if found.uid() == 0 { 0o740 } else { 0o700 };
    let mode = found.mode() & 0o7777;
    if mode & 0o777 & !allowed != 0 {
        return Err(SecretFileError::Open { path: path.to_owned(), mode });
    }
    io::read_to_string(file).map_err(failed)
}
