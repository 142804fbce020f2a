//! Writes every event that is evaluated to a file, one line each.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_engine::FieldRef;
use tracing::{info, warn};

use crate::event::{SyscallEvent, recording::record};

/// An open recording.
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    lines: u64,
    has_failed: bool,
}

impl Recorder {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            // Arguments and environments may hold secrets.
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write recording {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), lines: 0, has_failed: false })
    }

    pub(super) fn write(&mut self, event: &SyscallEvent, asked: &[FieldRef]) {
        let written = serde_json::to_writer(&mut self.file, &record(event, asked))
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"));
        match written {
            Ok(()) => self.lines += 1,
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                warn!(path = %self.path.display(), %error, "recording is not complete");
            }
            Err(_) => {}
        }
    }

    pub(super) fn finish(mut self) {
        match self.file.flush() {
            Ok(()) => info!(path = %self.path.display(), lines = self.lines, "recording written"),
            Err(error) => warn!(path = %self.path.display(), %error, "recording is not complete"),
        }
    }
}
