//! Alerts of one run, from the bus, a file or a pipe.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::Alert;
use lanner_bus::Subscription;
use serde_json::Value;
use tokio::sync::mpsc;

/// How often a file is looked at for more.
const POLL: Duration = Duration::from_millis(10);
/// The longest line that a sensor writes is shorter.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Where alerts come from.
pub(in crate::generate) enum Source {
    Bus(Subscription),
    /// A file's lines from now on.
    Lines(Box<dyn Lines>),
}

/// Lines as they are written; `None` at the end for good.
pub(in crate::generate) trait Lines: Send {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>>;
}

impl Source {
    /// The file's lines from now on, also of a file that is made later.
    pub(in crate::generate) fn file(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Lines(Box::new(StandardInput)));
        }
        let from = match path.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(_) => anyhow::bail!("{} is not a file; `-` reads from a pipe", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot look at {}", path.display()));
            }
        };
        Ok(Self::Lines(Box::new(GrowingFile { path: path.to_owned(), from, open: None })))
    }
}

struct StandardInput;

impl Lines for StandardInput {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let len = io::stdin().lock().read_until(b'\n', &mut line)?;
        Ok((len > 0).then_some(line))
    }
}

struct GrowingFile {
    path: PathBuf,
    from: u64,
    open: Option<BufReader<File>>,
}

impl Lines for GrowingFile {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let reader = match &mut self.open {
                Some(reader) => reader,
                None => match File::open(&self.path) {
                    Ok(mut file) => {
                        file.seek(SeekFrom::Start(self.from))?;
                        self.open.insert(BufReader::new(file))
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        thread::sleep(POLL);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            reader.read_until(b'\n', &mut line)?;
            if line.last() == Some(&b'\n') || line.len() > LINE_BYTES_MAX {
                return Ok(Some(line));
            }
            thread::sleep(POLL);
        }
    }
}

/// An alert, and when it was here.
pub(super) struct Seen {
    pub(super) alert: Alert,
    pub(super) at: Timestamp,
}

pub(super) async fn read_bus(
    mut subscription: Subscription,
    run: String,
    send: mpsc::Sender<anyhow::Result<Seen>>,
) {
    loop {
        let seen = match subscription.next().await {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => Err(anyhow::anyhow!("the connection to the bus is closed")),
            Err(error) => Err(error.into()),
        };
        let failed = seen.is_err();
        let seen = match seen.map(|seen| of_run(&seen.payload, &run)) {
            Ok(None) => continue,
            Ok(Some(seen)) => Ok(seen),
            Err(error) => Err(error),
        };
        if send.send(seen).await.is_err() || failed {
            return;
        }
    }
}

pub(super) fn read_lines(
    mut lines: Box<dyn Lines>,
    run: &str,
    send: &mpsc::Sender<anyhow::Result<Seen>>,
) {
    loop {
        let seen = match lines.next() {
            Ok(Some(line)) => match of_run(&line, run) {
                Some(seen) => Ok(seen),
                None => continue,
            },
            Ok(None) => return,
            Err(error) => Err(anyhow::Error::new(error).context("cannot read alerts")),
        };
        let failed = seen.is_err();
        if send.blocking_send(seen).is_err() || failed {
            return;
        }
    }
}

/// The alert, if it is one of this run.
pub(super) fn of_run(text: &[u8], run: &str) -> Option<Seen> {
    let at = Timestamp::now();
    // Somebody else's message is no concern of ours, whatever is wrong with it.
    let alert = Alert::from_json(text).ok().or_else(|| alert_in_tail(text))?;
    mentions(&alert, run).then_some(Seen { alert, at })
}

/// The alert in a line of `lanner alerts tail --json`.
fn alert_in_tail(text: &[u8]) -> Option<Alert> {
    if text.len() > LINE_BYTES_MAX {
        return None;
    }
    let mut line: Value = serde_json::from_slice(text).ok()?;
    serde_json::from_value(line.get_mut("alert")?.take()).ok()
}

pub(super) fn mentions(alert: &Alert, text: &str) -> bool {
    let in_field = |value: &Value| value.as_str().is_some_and(|value| value.contains(text));
    alert.output_fields.values().any(in_field)
        || alert.output.contains(text)
        || alert.entity.exe_path.as_ref().is_some_and(|path| path.contains(text))
}
