//! Writes every event that is evaluated to a file, one line each.
//!
//! A thread of its own makes the lines: the rules do not wait for the disk. What it is
//! too slow for is missing from the recording, and is counted.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::Context as _;
use lanner_engine::RuleSet;
use tracing::{info, warn};

use super::{Cause, LossCounts, locked};
use crate::event::{SyscallEvent, recording::record};

/// Events that wait for the file.
const WAITING_MAX: usize = 16_384;

type Line = (SyscallEvent, Arc<RuleSet>);

/// An open recording.
pub struct Recorder(Mutex<Option<Running>>);

struct Running {
    events: SyncSender<Line>,
    thread: thread::JoinHandle<()>,
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
        let (events, waiting) = sync_channel(WAITING_MAX);
        let path = path.to_owned();
        let write = move || write(&path, BufWriter::new(file), &waiting);
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(write)?;
        Ok(Self(Mutex::new(Some(Running { events, thread }))))
    }

    /// A way in for one partition.
    pub(super) fn sender(&self) -> Option<RecordSender> {
        locked(&self.0).as_ref().map(|running| RecordSender(running.events.clone()))
    }

    /// Writes what waits and closes the file. Called when all senders are gone.
    pub(super) fn finish(&self) {
        let Some(Running { events, thread }) = locked(&self.0).take() else { return };
        drop(events);
        if thread.join().is_err() {
            warn!("the recorder died; the recording is not complete");
        }
    }
}

/// Hands events over and never waits.
pub(super) struct RecordSender(SyncSender<Line>);

impl RecordSender {
    pub(super) fn send(&self, event: SyscallEvent, rules: &Arc<RuleSet>, losses: &LossCounts) {
        // Now, as the processes around it may have changed when its line is written.
        event.complete();
        let family = event.head.family;
        if self.0.try_send((event, Arc::clone(rules))).is_err() {
            losses.add(Some(family), Cause::NotRecorded);
        }
    }
}

fn write(path: &Path, mut file: BufWriter<File>, waiting: &Receiver<Line>) {
    let mut lines = 0_u64;
    let mut problem: Option<std::io::Error> = None;
    for (event, rules) in waiting {
        if problem.is_some() {
            continue;
        }
        let written = serde_json::to_writer(&mut file, &record(&event, rules.fields()))
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"));
        match written {
            Ok(()) => lines += 1,
            Err(error) => {
                warn!(path = %path.display(), %error, "the recording ends here");
                problem = Some(error);
            }
        }
    }
    match problem.map_or_else(|| file.flush(), Err) {
        Ok(()) => info!(path = %path.display(), lines, "recording written"),
        Err(error) => warn!(path = %path.display(), lines, %error, "recording is not complete"),
    }
}
