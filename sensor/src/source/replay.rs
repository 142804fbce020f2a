//! A recording, read line by line.
//!
//! ```text
//! file, .gz or `-` ─▶ chunks of lines ─┬▶ parse ─┬▶ events, in the order of the lines
//!        (a thread)                    └▶ parse ─┘
//! ```
//!
//! Parsing takes many times as long as evaluating, so threads share it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;
use lanner_alert::Entity;
use lanner_engine::{Event, Field, RecordedEvent, Value};

const LINE_BYTES_MAX: u64 = 4 << 20;

/// Lines that a thread parses at a time.
const CHUNK_LINES: usize = 128;

/// Chunks that wait for each thread, and behind it.
const CHUNKS_WAITING: usize = 2;

/// More threads than that wait for the one that reads lines.
const PARSERS_MAX: usize = 8;

/// The first bytes of a file that gzip made.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How long the parts of a replay took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Of all threads together.
    pub parse: Duration,
    /// What was done with the events.
    pub evaluate: Duration,
}

/// Lines, and the number of the first.
struct Chunk {
    first: u64,
    lines: Vec<String>,
}

/// The events of a chunk up to the line that is none.
struct Parsed {
    events: Vec<RecordedEvent>,
    problem: Option<anyhow::Error>,
    spent: Duration,
}

/// Gives each event of the recording at `path` to `take`; `-` is standard input.
///
/// # Errors
/// When the file cannot be read or a line is no event; names the line. Events before it
/// have been given.
pub fn read(path: &Path, mut take: impl FnMut(RecordedEvent)) -> anyhow::Result<Spent> {
    let name = path.display().to_string();
    let lines = open(path).with_context(|| format!("cannot read recording {name}"))?;
    let parsers = thread::available_parallelism().map_or(1, usize::from).min(PARSERS_MAX);
    thread::scope(|scope| {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..parsers {
            let (input, chunks) = sync_channel::<Chunk>(CHUNKS_WAITING);
            let (parsed, output) = sync_channel(CHUNKS_WAITING);
            let name = &name;
            scope.spawn(move || parse(name, &chunks, &parsed));
            inputs.push(input);
            outputs.push(output);
        }
        let reader = scope.spawn(|| split(lines, inputs));
        let mut spent = Spent::default();
        // Each in its turn, as the chunks were given out.
        for output in outputs.iter().cycle() {
            let Ok(Parsed { events, problem, spent: parse }) = output.recv() else { break };
            spent.parse += parse;
            let started = Instant::now();
            events.into_iter().for_each(&mut take);
            spent.evaluate += started.elapsed();
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        // Where nobody takes what they give, the threads end.
        drop(outputs);
        match reader.join() {
            Ok(read) => read.map_err(|(line, error)| {
                anyhow::Error::new(error).context(format!("{name}:{line}"))
            })?,
            Err(_panicked) => anyhow::bail!("the reader of {name} died"),
        }
        Ok(spent)
    })
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut plain: Box<dyn BufRead + Send> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::with_capacity(1 << 16, File::open(path)?))
    };
    let is_gzip = plain.fill_buf()?.starts_with(&GZIP);
    if is_gzip { Ok(Box::new(BufReader::new(MultiGzDecoder::new(plain)))) } else { Ok(plain) }
}

/// Gives chunks to the parsers in turn. The error is that of a line.
fn split(
    mut from: Box<dyn BufRead + Send>,
    parsers: Vec<SyncSender<Chunk>>,
) -> Result<(), (u64, io::Error)> {
    let mut number = 0;
    for parser in parsers.iter().cycle() {
        let mut chunk = Chunk { first: number + 1, lines: Vec::with_capacity(CHUNK_LINES) };
        let mut ended = None;
        while chunk.lines.len() < CHUNK_LINES && ended.is_none() {
            let mut line = String::new();
            match from.by_ref().take(LINE_BYTES_MAX).read_line(&mut line) {
                Ok(0) => ended = Some(Ok(())),
                Ok(_) => {
                    number += 1;
                    chunk.lines.push(line);
                }
                Err(error) => ended = Some(Err((number + 1, error))),
            }
        }
        // A parser that is gone found a line that is no event.
        let is_gone = parser.send(chunk).is_err();
        if let Some(ended) = ended {
            return ended;
        }
        if is_gone {
            break;
        }
    }
    Ok(())
}

fn parse(name: &str, chunks: &Receiver<Chunk>, parsed: &SyncSender<Parsed>) {
    for Chunk { first, lines } in chunks {
        let started = Instant::now();
        let mut events = Vec::with_capacity(lines.len());
        let mut problem = None;
        for (number, line) in (first..).zip(&lines) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match RecordedEvent::from_json(line) {
                Ok(event) => events.push(event),
                Err(error) => {
                    problem = Some(anyhow::Error::new(error).context(format!("{name}:{number}")));
                    break;
                }
            }
        }
        let is_bad = problem.is_some();
        let spent = started.elapsed();
        if parsed.send(Parsed { events, problem, spent }).is_err() || is_bad {
            return;
        }
    }
}

/// Who and what it is about, as far as a recording tells: start time and
/// boot are not in it, as they mean nothing on another machine.
pub fn entity(event: &RecordedEvent) -> Entity {
    let text = |field: Field| match event.get(field, None)? {
        Value::Text(bytes) => {
            Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    Entity {
        boot_id: None,
        container_id: text(Field::ContainerFullId)
            .or_else(|| text(Field::ContainerId).filter(|id| id != "host")),
        pod_namespace: text(Field::K8sNsName),
        pod_name: text(Field::K8sPodName),
        pod_uid: text(Field::K8sPodUid),
        pid: match event.get(Field::ProcPid, None) {
            Some(Value::Int(pid)) => Some(pid),
            _ => None,
        },
        start_time: None,
        exe_path: text(Field::ProcExepath),
        uid: match event.get(Field::UserUid, None) {
            Some(Value::Uint(uid)) => u32::try_from(uid).ok(),
            _ => None,
        },
    }
}
