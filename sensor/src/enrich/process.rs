//! Who did it, and who started them: every process of the machine, kept up to
//! date by exec, fork and exit.
//!
//! Keyed by process id and start time, so that a reused id is another process.
//! A process that ended stays for a while, for the sake of its children's
//! ancestry.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::decode::{EventHead, Exec, ProcessFacts, exe_bits};

/// Most processes that are remembered, ended ones included.
const PROCESSES_MAX: usize = 65_536;

/// Most bytes that they take while any of them has ended: who starts programs by the
/// hundred, each with thousands of arguments, must not fill our memory with them.
const BYTES_MAX: usize = 128 << 20;

/// What an argument takes beside its bytes: the vector and the allocator's own.
const ARGUMENT_OVERHEAD: usize = 56;

/// How long one that ended is remembered.
const GRACE_NS: u64 = 300 * 1_000_000_000;

/// Most ancestors that are looked at.
const ANCESTORS_MAX: usize = 32;

/// The kernel shows start times in `/proc` in hundredths of a second.
const TICK_NS: u64 = 10_000_000;

/// Names one process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessKey {
    pub pid: u32,
    pub start_ticks: u64,
}

impl ProcessKey {
    pub fn new(pid: u32, start_ns: u64) -> Self {
        Self { pid, start_ticks: start_ns / TICK_NS }
    }
}

/// The program that a process runs. Shared by all that were forked from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// `argv`, the program first.
    pub args: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Empty when not known.
    pub exe_path: Vec<u8>,
    /// What is known of the file; `None` for processes that were there before us.
    pub file: Option<ExeFile>,
}

/// The executable's file at the time of the exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExeFile {
    pub ino: u64,
    pub ctime_ns: u64,
    pub mtime_ns: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub upper_layer: bool,
    pub lower_layer: bool,
    pub read_only: bool,
    /// It is in memory only.
    pub memfd: bool,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub key: ProcessKey,
    /// Nanoseconds since boot.
    pub start_ns: u64,
    /// The one that started it, even if that ended since.
    pub parent: ProcessKey,
    pub comm: Vec<u8>,
    pub image: Arc<Image>,
    /// Working directory at the exec; without the trailing slash.
    pub cwd: Vec<u8>,
    pub facts: ProcessFacts,
    pub uid: u32,
    pub gid: u32,
    pub loginuid: u32,
}

impl Process {
    /// What one event alone says, for a process we never heard of.
    pub fn from_head(head: &EventHead) -> Self {
        Self {
            key: ProcessKey::new(head.tgid, head.start_ns),
            start_ns: head.start_ns,
            parent: ProcessKey::new(head.ppid, head.parent_start_ns),
            comm: head.comm.clone(),
            image: Arc::default(),
            cwd: Vec::new(),
            facts: ProcessFacts::default(),
            uid: head.uid,
            gid: head.gid,
            loginuid: head.loginuid,
        }
    }

    /// Falco's `proc.cmdline`: the name (not `argv[0]`) and the arguments.
    pub fn cmdline(&self) -> Vec<u8> {
        joined(&self.comm, self.image.args.get(1..).unwrap_or_default())
    }

    /// `argv[0]`.
    pub fn exe(&self) -> Option<&[u8]> {
        self.image.args.first().map(Vec::as_slice)
    }
}

/// `first` and the others, separated by blanks.
pub fn joined(first: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut line = first.to_vec();
    for other in others {
        line.push(b' ');
        line.extend_from_slice(other);
    }
    line
}

#[derive(Debug)]
struct Remembered {
    process: Arc<Process>,
    size_bytes: usize,
}

/// All processes that are known.
#[derive(Debug, Default)]
pub struct ProcessCache {
    known: HashMap<ProcessKey, Remembered>,
    /// Of all that are known, about.
    size_bytes: usize,
    /// The newest process of each id.
    newest: HashMap<u32, ProcessKey>,
    /// Those that ended, the oldest first, and when.
    ended: VecDeque<(u64, ProcessKey)>,
    refused: u64,
}

impl ProcessCache {
    /// A process as `/proc` shows it; what an event told before stands.
    pub fn add_running(&mut self, process: Process) {
        if !self.known.contains_key(&process.key) {
            self.put(process);
        }
    }

    pub fn on_fork(&mut self, head: &EventHead, facts: &ProcessFacts) {
        let mut child = Process::from_head(head);
        child.facts = facts.clone();
        if let Some(parent) = self.get(child.parent) {
            child.image = Arc::clone(&parent.image);
            child.cwd.clone_from(&parent.cwd);
        }
        self.put(child);
    }

    pub fn on_exec(&mut self, head: &EventHead, exec: &Exec) {
        let mut process = Process::from_head(head);
        if let Some(before) = self.get(process.key) {
            process.parent = before.parent;
        }
        process.facts = exec.process.clone();
        process.cwd = bytes_of(exec.cwd.as_ref());
        process.image = Arc::new(Image {
            args: exec.args.clone(),
            env: exec.env.clone(),
            exe_path: bytes_of(exec.exe_path.as_ref()),
            file: Some(ExeFile {
                ino: exec.exe_ino,
                ctime_ns: exec.exe_ctime_ns,
                mtime_ns: exec.exe_mtime_ns,
                mode: exec.exe_mode,
                uid: exec.exe_uid,
                gid: exec.exe_gid,
                upper_layer: exec.exe_bits & exe_bits::UPPER_LAYER != 0,
                lower_layer: exec.exe_bits & exe_bits::LOWER_LAYER != 0,
                read_only: exec.exe_bits & exe_bits::READ_ONLY != 0,
                memfd: matches!(
                    &exec.exe_path,
                    Some(crate::decode::KernelPath::Detached(path)) if path.starts_with(b"memfd:")
                ),
            }),
        });
        self.put(process);
    }

    pub fn on_exit(&mut self, head: &EventHead) {
        let key = ProcessKey::new(head.tgid, head.start_ns);
        if self.known.contains_key(&key) {
            self.ended.push_back((head.time_ns, key));
        }
        while let Some((when, _)) = self.ended.front()
            && when.saturating_add(GRACE_NS) < head.time_ns
        {
            self.forget_oldest_ended();
        }
    }

    pub fn get(&self, key: ProcessKey) -> Option<&Arc<Process>> {
        self.known.get(&key).map(|remembered| &remembered.process)
    }

    /// The process that has, or last had, this id.
    pub fn newest_of(&self, pid: u32) -> Option<&Arc<Process>> {
        self.get(*self.newest.get(&pid)?)
    }

    /// The parent, the parent's parent and so on, as far as they are known.
    pub fn ancestors(&self, process: &Process) -> Vec<Arc<Process>> {
        let mut ancestors: Vec<Arc<Process>> = Vec::new();
        let mut key = process.parent;
        while ancestors.len() < ANCESTORS_MAX
            && let Some(ancestor) = self.get(key)
            && ancestor.parent != key
        {
            ancestors.push(Arc::clone(ancestor));
            key = ancestor.parent;
        }
        ancestors
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// About the bytes that they take.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Processes not remembered because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn put(&mut self, process: Process) {
        let key = process.key;
        while self.known.len() >= PROCESSES_MAX && !self.known.contains_key(&key) {
            if !self.forget_oldest_ended() {
                self.refused += 1;
                return;
            }
        }
        self.newest.insert(key.pid, key);
        let size_bytes = size_bytes(&process);
        let remembered = Remembered { process: Arc::new(process), size_bytes };
        self.size_bytes += size_bytes;
        if let Some(before) = self.known.insert(key, remembered) {
            self.size_bytes -= before.size_bytes;
        }
        while self.size_bytes > BYTES_MAX && self.forget_oldest_ended() {}
    }

    fn forget_oldest_ended(&mut self) -> bool {
        let Some((_, key)) = self.ended.pop_front() else { return false };
        if let Some(forgotten) = self.known.remove(&key) {
            self.size_bytes -= forgotten.size_bytes;
        }
        if self.newest.get(&key.pid) == Some(&key) {
            self.newest.remove(&key.pid);
        }
        true
    }
}

/// About what a process takes. An image is its first owner's: who was forked from it
/// has it for nothing.
fn size_bytes(process: &Process) -> usize {
    let own = size_of::<Process>() + process.comm.len() + process.cwd.len();
    if Arc::strong_count(&process.image) > 1 {
        return own;
    }
    let Image { args, env, exe_path, .. } = &*process.image;
    let arguments = args.iter().chain(env);
    own + exe_path.len() + arguments.map(|text| text.len() + ARGUMENT_OVERHEAD).sum::<usize>()
}

fn bytes_of(path: Option<&crate::decode::KernelPath>) -> Vec<u8> {
    path.and_then(|path| path.as_bytes()).unwrap_or_default().to_vec()
}
