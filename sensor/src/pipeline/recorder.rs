//! Writes every event that is evaluated to a file, one line each.
//!
//! A thread of its own makes the lines: the rules do not wait for the disk. What it is
//! too slow for, or the disk does not take, is missing from the recording, and is counted.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::Context as _;
use lanner_engine::RuleSet;
use tracing::{info, warn};

use super::{Cause, LossCounts, locked};
use crate::{
    decode::Family,
    event::{SyscallEvent, recording::record},
};

/// Events that wait for the file, and about their bytes.
const WAITING_MAX: usize = 16_384;
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Text that is written at once, about.
const TEXT_BYTES_MAX: usize = 64 << 10;

struct Line {
    event: SyscallEvent,
    rules: Arc<RuleSet>,
    size_bytes: usize,
}

/// Of the events that wait, about.
type WaitingBytes = Arc<AtomicUsize>;

/// An open recording.
pub struct Recorder(Mutex<Option<Running>>);

struct Running {
    events: RecordSender,
    thread: thread::JoinHandle<()>,
}

impl Recorder {
    /// Makes the file, or empties it. What is missing from it is counted in `losses`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, losses: Arc<LossCounts>) -> anyhow::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            // Arguments and environments may hold secrets.
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write recording {}", path.display()))?;
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let waiting_bytes = WaitingBytes::default();
        let events = RecordSender { lines, waiting_bytes: Arc::clone(&waiting_bytes) };
        let path = path.to_owned();
        let write = move || write(&path, file, &waiting, &waiting_bytes, &losses);
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(write)?;
        Ok(Self(Mutex::new(Some(Running { events, thread }))))
    }

    /// A way in for one partition.
    pub(super) fn sender(&self) -> Option<RecordSender> {
        locked(&self.0).as_ref().map(|running| running.events.clone())
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
#[derive(Clone)]
pub(super) struct RecordSender {
    lines: SyncSender<Line>,
    waiting_bytes: WaitingBytes,
}

impl RecordSender {
    pub(super) fn send(&self, event: SyscallEvent, rules: &Arc<RuleSet>, losses: &LossCounts) {
        // Now, as the processes around it may have changed when its line is written.
        event.complete();
        let (family, size_bytes) = (event.head.family, event.size_bytes());
        let is_full = self.waiting_bytes.load(Relaxed) >= WAITING_BYTES_MAX;
        let line = Line { event, rules: Arc::clone(rules), size_bytes };
        // Before it is there to be taken.
        self.waiting_bytes.fetch_add(size_bytes, Relaxed);
        if is_full || self.lines.try_send(line).is_err() {
            self.waiting_bytes.fetch_sub(size_bytes, Relaxed);
            losses.add(Some(family), Cause::NotRecorded);
        }
    }
}

/// The file, and the lines that are not in it yet.
struct Lines {
    file: File,
    text: Vec<u8>,
    families: Vec<Family>,
}

impl Lines {
    fn add(&mut self, event: &SyscallEvent, rules: &RuleSet) {
        self.families.push(event.head.family);
        // A map of text keys to values, into memory: nothing of it can fail.
        let _ = serde_json::to_writer(&mut self.text, &record(event, rules.fields()));
        self.text.push(b'\n');
    }

    /// How many lines went to the file.
    fn flush(&mut self, losses: &LossCounts) -> io::Result<u64> {
        let good_bytes = self.file.stream_position();
        let written = self.file.write_all(&self.text);
        self.text.clear();
        if written.is_ok() {
            return Ok(self.families.drain(..).count() as u64);
        }
        // No line is cut in two. What cannot be cut, a pipe say, has none of it.
        if let Ok(good_bytes) = good_bytes {
            let _ = self.file.set_len(good_bytes);
        }
        self.families.drain(..).for_each(|family| losses.add(Some(family), Cause::NotRecorded));
        written.map(|()| 0)
    }
}

fn write(
    path: &Path,
    file: File,
    waiting: &Receiver<Line>,
    waiting_bytes: &AtomicUsize,
    losses: &LossCounts,
) {
    let mut lines = Lines { file, text: Vec::new(), families: Vec::new() };
    let mut count = 0;
    let mut next = waiting.recv().ok();
    while let Some(line) = next {
        lines.add(&line.event, &line.rules);
        waiting_bytes.fetch_sub(line.size_bytes, Relaxed);
        drop(line);
        next = waiting.try_recv().ok();
        if next.is_none() || lines.text.len() >= TEXT_BYTES_MAX {
            match lines.flush(losses) {
                Ok(written) => count += written,
                Err(error) => {
                    warn!(path = %path.display(), lines = count, %error, "the recording ends here");
                    next.into_iter().chain(waiting).for_each(|line| {
                        waiting_bytes.fetch_sub(line.size_bytes, Relaxed);
                        losses.add(Some(line.event.head.family), Cause::NotRecorded);
                    });
                    return;
                }
            }
        }
        next = next.or_else(|| waiting.recv().ok());
    }
    info!(path = %path.display(), lines = count, "recording written");
}
