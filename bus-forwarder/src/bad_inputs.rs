//! Lines that are no alert, kept aside for whoever wants to know why.
//!
//! ```text
//! bad line ─▶ newest.jsonl ─full─▶ before.jsonl ─▶ gone
//! ```
//!
//! One JSON object a line: `time`, `input`, `reason`, `bytes` (how long it
//! was), `beginning` (as text, without known secrets).

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    num::NonZeroU64,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use tracing::warn;

use crate::{counters::Input, redaction::Redactor, seldom::Seldom};

const NEWEST: &str = "newest.jsonl";
const BEFORE: &str = "before.jsonl";
/// Of one bad line.
const BEGINNING_BYTES: usize = 4 << 10;
/// More a second are counted only: who floods an input must not keep the disk busy.
const KEPT_PER_SECOND: u32 = 100;

/// Where bad lines are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadInputsConfig {
    /// A folder of ours, made with mode 0700.
    pub dir: PathBuf,
    /// Most bytes in it; the oldest go.
    #[serde(default = "a_mebibyte")]
    pub size_bytes_max: NonZeroU64,
}

fn a_mebibyte() -> NonZeroU64 {
    NonZeroU64::new(1 << 20).expect("a mebibyte is not zero")
}

/// Keeps bad lines.
#[derive(Debug)]
pub(crate) struct BadInputs {
    config: BadInputsConfig,
    newest: Mutex<Newest>,
    failed: Seldom,
}

#[derive(Debug)]
struct Newest {
    file: File,
    size_bytes: u64,
    second: Instant,
    kept: u32,
}

impl BadInputs {
    pub(crate) fn open(config: &BadInputsConfig) -> anyhow::Result<Self> {
        let newest = open(config)
            .with_context(|| format!("bad_inputs.dir: cannot use {}", config.dir.display()))?;
        let failed = Seldom::every(Duration::from_secs(60));
        Ok(Self { config: config.clone(), newest: Mutex::new(newest), failed })
    }

    /// `beginning` is as much of the line as was read, `len` how long it was.
    pub(crate) fn keep(
        &self,
        input: Input,
        reason: &str,
        beginning: &[u8],
        len: usize,
        redactor: &Redactor,
    ) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if !newest.has_time() {
            return;
        }
        let beginning = beginning.get(..BEGINNING_BYTES).unwrap_or(beginning);
        let beginning = String::from_utf8_lossy(beginning);
        let line = serde_json::json!({
            "time": Timestamp::now().to_string(),
            "input": input.to_string(),
            "reason": redactor.redact_text(reason),
            "bytes": len,
            "beginning": redactor.redact_text(&beginning),
        });
        if let Err(error) = self.write(&mut newest, &format!("{line}\n"))
            && self.failed.now()
        {
            warn!(dir = %self.config.dir.display(), %error, "cannot keep a bad line aside");
        }
    }

    fn write(&self, newest: &mut Newest, line: &str) -> io::Result<()> {
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if newest.size_bytes.saturating_add(len) > self.config.size_bytes_max.get() / 2 {
            fs::rename(self.config.dir.join(NEWEST), self.config.dir.join(BEFORE))?;
            *newest = open(&self.config)?;
        }
        newest.file.write_all(line.as_bytes())?;
        newest.size_bytes += len;
        Ok(())
    }
}

impl Newest {
    fn has_time(&mut self) -> bool {
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.kept) = (Instant::now(), 0);
        }
        self.kept += 1;
        self.kept <= KEPT_PER_SECOND
    }
}

fn open(config: &BadInputsConfig) -> io::Result<Newest> {
    DirBuilder::new().recursive(true).mode(0o700).create(&config.dir)?;
    let path = config.dir.join(NEWEST);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok(Newest { file, size_bytes, second: Instant::now(), kept: 0 })
}
