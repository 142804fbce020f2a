//! Falco's lines on standard input: `falco | lanner-forwarder run`.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use lanner_alert::FALCO_BYTES_MAX;
use lanner_service::CancellationToken;
use tokio::{sync::mpsc, time::timeout};

use crate::{Outgoing, counters::Input, intake::Intake, lines::LineSplitter};

const READ_BYTES: usize = 64 << 10;
/// Reads that the thread may be ahead.
const AHEAD: usize = 2;
/// For what the thread has read and not handed over when it is time to stop.
const LAST_READ_MAX: Duration = Duration::from_millis(100);

/// Reads lines until standard input ends or `stop`.
pub(crate) async fn run(intake: Arc<Intake>, stop: CancellationToken) -> anyhow::Result<()> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    let mut chunks = start_reading(is_stopping.clone())?;
    let mut splitter = LineSplitter::new(FALCO_BYTES_MAX);
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.cancelled() => {
                // What was read is gone from the pipe. The thread reads once
                // more at most, or waits for a line that may never come.
                is_stopping.store(true, Ordering::Relaxed);
                timeout(LAST_READ_MAX, chunks.recv()).await.unwrap_or_default()
            }
            chunk = chunks.recv() => chunk,
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.context("cannot read standard input")?;
        let mut batch = Vec::new();
        splitter.push(&chunk, |line| batch.extend(intake.falco_line(Input::Stdin, &line)));
        take_on(&intake, batch, &stop).await?;
    }
    let last = splitter.finish().and_then(|last| intake.falco_line(Input::Stdin, &last));
    take_on(&intake, last.into_iter().collect(), &stop).await
}

async fn take_on(
    intake: &Intake,
    batch: Vec<Outgoing>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let len = batch.len();
    if intake.take_on(batch, stop).await.is_err() {
        anyhow::bail!("{len} alerts are lost: they were read, and the disk is full");
    }
    Ok(())
}

/// A thread of its own, and not the runtime's: a read that waits for a line
/// that never comes would keep the runtime from ending.
fn start_reading(
    is_stopping: Arc<AtomicBool>,
) -> anyhow::Result<mpsc::Receiver<std::io::Result<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let read = move || {
        let mut bytes = vec![0; READ_BYTES];
        while !is_stopping.load(Ordering::Relaxed) {
            let chunk = match std::io::stdin().lock().read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => Ok(bytes.get(..read).unwrap_or_default().to_vec()),
                Err(error) => Err(error),
            };
            let failed = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .context("cannot start the thread that reads standard input")?;
    Ok(receiver)
}
