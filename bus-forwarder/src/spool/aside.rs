//! What cannot be sent is kept beside the spool for a look, and not for ever.

use std::{
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Most files, and most bytes of all of them: the oldest go first.
const FILES_MAX: usize = 256;
const SIZE_BYTES_MAX: u64 = 16 << 20;
/// Most bytes of one.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The folder `aside` of a spool.
#[derive(Debug)]
pub(super) struct Aside {
    dir: PathBuf,
    kept: u64,
}

impl Aside {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir, kept: 0 })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps these bytes under a name that begins with `kind`.
    pub(super) fn keep(&mut self, kind: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.next_path(kind);
        let len = bytes.len().min(usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, bytes.get(..len).unwrap_or_default())?;
        self.trim()
    }

    /// Keeps these bytes of a segment.
    pub(super) fn keep_part(&mut self, segment: &Path, part: &Range<u64>) -> io::Result<()> {
        let len = (part.end - part.start).min(FILE_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = File::open(segment)?.read_at(&mut bytes, part.start)?;
        bytes.truncate(read);
        let stem = segment.file_stem().unwrap_or_default().to_string_lossy();
        self.keep(&format!("damaged-{stem}-{}", part.start), &bytes)
    }

    /// Moves a whole file here.
    pub(super) fn take_in(&mut self, path: &Path) -> io::Result<()> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        fs::rename(path, self.next_path(&format!("damaged-{stem}")))?;
        self.trim()
    }

    /// The time makes it new after a restart, the number within one.
    fn next_path(&mut self, kind: &str) -> PathBuf {
        self.kept += 1;
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        self.dir.join(format!("{kind}-{now}-{}", self.kept))
    }

    fn trim(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified().unwrap_or(UNIX_EPOCH), metadata.len(), entry.path()));
        }
        files.sort();
        let mut size_bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
        let mut count = files.len();
        for (_, len, path) in files {
            if count <= FILES_MAX && size_bytes <= SIZE_BYTES_MAX {
                break;
            }
            fs::remove_file(path)?;
            (count, size_bytes) = (count - 1, size_bytes.saturating_sub(len));
        }
        Ok(())
    }
}
