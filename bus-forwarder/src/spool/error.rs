use std::{io, path::PathBuf};

/// Why the spool cannot be used, or did not take something.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The folder or a file of it.
    #[error("spool.dir: cannot {deed} {}", path.display())]
    File {
        /// What was tried.
        deed: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Two forwarders would send the same alerts and delete each other's.
    #[error(
        "spool.dir: another forwarder uses {}; stop it, or give this one a folder of its own",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Not to be thrown away by who cannot read it.
    #[error(
        "spool.dir: {} is of version {version}, which a newer forwarder wrote; start that one until it has sent all, or move the file away",
        path.display()
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// What it says.
        version: u16,
    },
    /// There is no room on the disk, and nothing in the spool that could go
    /// for it. Whoever offered the alerts still has them.
    #[error("the spool is full: the disk has no room for {} alerts", not_kept.len())]
    Full {
        /// Which of the offered alerts were not kept, by their index.
        not_kept: Vec<usize>,
        /// What the disk said.
        source: io::Error,
    },
    /// They may not survive a power cut. Whoever offered them still has them.
    #[error("the disk did not confirm that alerts are written")]
    NotSynced,
}

impl SpoolError {
    pub(super) fn file<'a>(
        deed: &'static str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::File { deed, path: path.to_owned(), source }
    }
}
