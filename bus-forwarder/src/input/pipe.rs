//! Falco's named pipe.
//!
//! It is open for reading *and* writing, so that it never comes to an end when
//! the last writer goes; and [`crate::keeper`] keeps it open while no forwarder
//! runs, so that a writer neither blocks nor dies of SIGPIPE meanwhile.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use lanner_alert::FALCO_BYTES_MAX;
use lanner_service::CancellationToken;
use rustix::{
    fs::{CWD, FileType, FlockOperation, Mode, OFlags},
    process::geteuid,
};
use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver};

use crate::{config::PipeInput, counters::Input, intake::Intake, lines::LineSplitter};

const READ_BYTES: usize = 64 << 10;

/// The pipe, open.
#[derive(Debug)]
pub(crate) struct Pipe {
    receiver: Receiver,
    path: PathBuf,
}

impl Pipe {
    /// Makes the pipe, or takes the one that is there: a writer that has it
    /// open since before our restart goes on in the same one.
    pub(crate) fn open(config: &PipeInput) -> anyhow::Result<Self> {
        let path = &config.path;
        let receiver = open(path, config.mode)
            .with_context(|| format!("cannot use the pipe {}", path.display()))?;
        Ok(Self { receiver, path: path.clone() })
    }

    /// Reads lines until `stop`.
    pub(crate) async fn run(
        mut self,
        intake: Arc<Intake>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut splitter = LineSplitter::new(FALCO_BYTES_MAX);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let read = tokio::select! {
                read = self.receiver.read(&mut bytes) => read
                    .with_context(|| format!("cannot read the pipe {}", self.path.display()))?,
                () = stop.cancelled() => break,
            };
            let mut batch = Vec::new();
            splitter.push(bytes.get(..read).unwrap_or_default(), |line| {
                batch.extend(intake.falco_line(Input::Pipe, &line));
            });
            let len = batch.len();
            if intake.take_on(batch, &stop).await.is_err() {
                anyhow::bail!("{len} alerts are lost: they were read, and the disk is full");
            }
        }
        // The rest of it is still in the pipe; as two halves it is counted.
        if let Some(half) = splitter.finish() {
            let half = intake.falco_line(Input::Pipe, &half);
            // Where the disk is full as well, it is as lost as the half in the pipe.
            let _ = intake.take_on(half.into_iter().collect(), &stop).await;
        }
        Ok(())
    }
}

fn open(path: &Path, mode: u32) -> anyhow::Result<Receiver> {
    let mode = Mode::from_raw_mode(mode);
    match rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(io::Error::from(error)).context("cannot make it"),
    }
    let fd = open_both_ways(path)?;
    let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
    anyhow::ensure!(FileType::from_raw_mode(stat.st_mode) == FileType::Fifo, "it is no pipe");
    // Where anybody may make files, somebody else could be waiting there for
    // Falco to write into a pipe of theirs.
    anyhow::ensure!(
        stat.st_uid == geteuid().as_raw() || stat.st_uid == 0,
        "it belongs to user {}",
        stat.st_uid
    );
    // Again, for the umask may have taken from it when it was made.
    rustix::fs::fchmod(&fd, mode).map_err(io::Error::from).context("cannot set its mode")?;
    // Tells the keeper that a forwarder lives; gone with us, however we go.
    rustix::fs::flock(&fd, FlockOperation::LockShared).map_err(io::Error::from)?;
    Ok(Receiver::from_owned_fd(fd)?)
}

/// Opens without waiting for a peer, and never through a symbolic link.
pub(crate) fn open_both_ways(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
