use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Why a file could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file that would be overwritten.
    #[error("{} exists, and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not there, or cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder is full, read-only, ...
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// For its owner alone.
pub(crate) const KEY_MODE: u32 = 0o600;
/// For everybody to read.
pub(crate) const CERT_MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o700;

pub(crate) fn make_dir(dir: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(|source| FileError::Write { path: dir.to_owned(), source })
}

pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// Writes `<stem>.crt` and `<stem>.key`, neither of which may be there.
pub(crate) fn create_pair(
    dir: &Path,
    stem: &str,
    cert: &str,
    key: &str,
) -> Result<(PathBuf, PathBuf), FileError> {
    let (cert_file, key_file) = (dir.join(format!("{stem}.crt")), dir.join(format!("{stem}.key")));
    if cert_file.exists() {
        return Err(FileError::Exists { path: cert_file });
    }
    create(&key_file, key, KEY_MODE)?;
    if let Err(error) = create(&cert_file, cert, CERT_MODE) {
        // A key without its certificate is of no use, and would be in the way
        // of the next try. If it cannot be removed, that try says so.
        let _ = fs::remove_file(&key_file);
        return Err(error);
    }
    Ok((cert_file, key_file))
}

/// Puts a file in the place of another in one step: who opens it finds the old
/// one or the new one, whole.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    create(&beside, text, mode)?;
    let renamed = fs::rename(&beside, path);
    if renamed.is_err() {
        // The error that counts is the first.
        let _ = fs::remove_file(&beside);
    }
    renamed.map_err(failed)?;
    // The rename itself lasts once the folder is written.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// Writes a file that may not be there.
pub(crate) fn create(path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists { path: path.to_owned() },
        _ => FileError::Write { path: path.to_owned(), source },
    };
    // Never another mode, not even for the moment between open and chmod.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
