//! Files with private keys: who else may read or change them is an error.
//!
//! A key may be read by its owner and by one group, and written by its owner
//! alone. The group is for Kubernetes, which mounts a secret as
//! `root:<fsGroup>` with mode 0440 where `defaultMode: 0440` says so; its own
//! default, 0644, is refused. Links are followed: such a mount is made of them.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::Cause;

/// Others may read, write or run it, or the group write it.
const TOO_OPEN: u32 = 0o027;

/// Why a secret is not used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there, or not for us.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// As configured.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Whoever has an account on this host may read it, or its group change it.
    #[error(
        "{} has mode {mode:04o}: others could use it; `chmod 600 {}`, and a mounted \
         Kubernetes secret takes `defaultMode: 0440`",
        path.display(), path.display()
    )]
    TooOpen {
        /// As configured.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It does not hold what it should.
    #[error("{} is not usable", path.display())]
    Unusable {
        /// As configured.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
}

/// The text of a secret of at most `bytes_max`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file: what is looked at is what is read.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        return Err(ReadError::TooOpen { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(bytes_max).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// A file that need not be secret, bounded like one.
pub(crate) fn read_public(path: &Path, bytes_max: u64) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    let len =
        file.take(bytes_max.saturating_add(1)).read_to_string(&mut text).map_err(unreadable)?;
    // Never a part of it: what is behind would be as if it were not there.
    if u64::try_from(len).is_ok_and(|len| len <= bytes_max) {
        Ok(text)
    } else {
        Err(unreadable(io::ErrorKind::FileTooLarge.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::read;

    #[test]
    fn only_owner_and_group_read_and_only_the_owner_writes() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("key"), dir.path().join("link"));
        fs::write(&file, "secret").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o440, true),
            (0o640, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
            (0o602, false),
            (0o777, false),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            for path in [&file, &link] {
                let found = read(path, 100);
                if good {
                    assert_eq!(found.unwrap(), "secret", "{mode:o}");
                    continue;
                }
                let text = found.unwrap_err().to_string();
                assert!(text.contains(&format!("mode {mode:04o}")), "{text}");
                assert!(text.contains("chmod 600 /"), "{text}");
            }
        }
    }
}
