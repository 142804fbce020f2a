//! Who did it, and who started them: every process of the machine, kept up to
//! date by exec, fork and exit.
//!
//! Keyed by process id and start time, so that a reused id is another process.
//! A process that ended stays for a while, for the sake of its children's
//! ancestry. All partitions share them: see `shard.rs` for the locks.

pub(super) mod charge;
mod shard;

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use self::{charge::Charge, shard::Shards};
use super::{container::ContainerId, entry::Entry};
use crate::decode::{
    Ancestor, Control, EventHead, Exec, Fork, ProcessFacts, Texts, exe_bits, joined,
};

/// Most ancestors that are looked at.
pub(super) const ANCESTORS_MAX: usize = 32;

/// The kernel shows start times in `/proc` in hundredths of a second.
const TICK_NS: u64 = 10_000_000;

/// Inode number of the machine's first pid namespace (`PROC_PID_INIT_INO`, `linux/proc_ns.h`).
const HOST_PID_NAMESPACE: u32 = 0xefff_fffc;

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
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// `argv`, the program first.
    pub args: Texts,
    /// `NAME=value`.
    pub env: Texts,
    /// Empty when not known.
    pub exe_path: Vec<u8>,
    /// What is known of the file; `None` for processes that were there before us.
    pub file: Option<ExeFile>,
    pub charge: Charge,
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

/// One process, as it was from one exec to the next.
#[derive(Clone, Debug)]
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
    /// As [`EventHead::exec_id`], at its last exec; `None` when only `/proc` was asked.
    pub exec_id: Option<u32>,
    pub parent_seen: ParentSeen,
    pub line: CommandLine,
    /// How it came into its container.
    pub entry: Entry,
    /// Where it was at its last exec, or whoever made it; `None` when not known.
    pub place: Option<Place>,
}

/// A control group.
#[derive(Clone, Debug)]
pub struct Place {
    /// As [`EventHead::cgroup_id`]; 0 when not known.
    pub cgroup_id: u64,
    /// The container that it is, or seems to be: see [`ContainerId::is_certain`]. `None` is the
    /// host.
    pub container: Option<Arc<ContainerId>>,
}

/// [`EventHead::parent_exec_id`] of the newest event that did not have to wait for the parent:
/// the next one with the same need not look.
#[derive(Debug, Default)]
pub struct ParentSeen(AtomicU32);

impl ParentSeen {
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub fn set(&self, exec_id: u32) {
        self.0.store(exec_id, Relaxed);
    }
}

impl Clone for ParentSeen {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.get()))
    }
}

/// A command line in one piece, made when it is first asked for.
#[derive(Clone, Debug, Default)]
pub struct CommandLine(OnceLock<Box<[u8]>>);

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
            exec_id: Some(head.exec_id),
            parent_seen: ParentSeen(AtomicU32::new(head.parent_exec_id)),
            line: CommandLine::default(),
            entry: Entry::default(),
            place: None,
        }
    }

    /// What the kernel says of another process's ancestor, for one we never heard of.
    pub fn from_ancestor(ancestor: &Ancestor, parent: ProcessKey) -> Self {
        Self {
            key: ProcessKey::new(ancestor.tgid, ancestor.start_ns),
            start_ns: ancestor.start_ns,
            parent,
            comm: ancestor.comm.clone(),
            image: Arc::default(),
            cwd: Vec::new(),
            facts: ProcessFacts::default(),
            uid: u32::MAX,
            gid: u32::MAX,
            loginuid: u32::MAX,
            exec_id: None,
            parent_seen: ParentSeen::default(),
            entry: Entry::default(),
            place: None,
            line: CommandLine::default(),
        }
    }

    /// Without environment, and without any text that is longer than this; of the arguments the
    /// beginning. An image that another process has costs nothing more.
    fn cut(&self, text_bytes_max: usize) -> Self {
        let is_shared = Arc::strong_count(&self.image) > 1;
        let mut cut = Self { line: CommandLine::default(), ..self.clone() };
        let shorten = |text: &mut Vec<u8>| {
            if text.len() > text_bytes_max {
                *text = Vec::new();
            }
        };
        shorten(&mut cut.cwd);
        if !is_shared {
            let Image { args, exe_path, file, .. } = &*self.image;
            let mut exe_path = exe_path.clone();
            shorten(&mut exe_path);
            cut.image = Arc::new(Image {
                args: args.cut(text_bytes_max),
                env: Texts::NONE,
                exe_path,
                file: file.clone(),
                charge: Charge::default(),
            });
        }
        cut
    }

    /// Whether this is what a process was before an exec.
    fn is_before(&self, exec_id: u32) -> bool {
        self.exec_id.is_some_and(|known| known < exec_id)
    }

    /// Falco's `proc.cmdline`: the name (not `argv[0]`) and the arguments.
    pub fn cmdline(&self) -> &[u8] {
        let words = std::iter::once(&*self.comm).chain(self.image.args.behind_first());
        let make = || joined(words).into();
        self.line.0.get_or_init(make)
    }

    /// Falco's `proc.args`: the arguments behind `argv[0]`, separated by blanks.
    pub fn arguments(&self) -> &[u8] {
        self.cmdline().get(self.comm.len() + 1..).unwrap_or_default()
    }

    /// `argv[0]`.
    pub fn exe(&self) -> Option<&[u8]> {
        self.image.args.first()
    }
}

/// All processes that are known.
#[derive(Debug, Default)]
pub struct ProcessCache {
    known: Shards,
}

impl ProcessCache {
    /// A process as `/proc` shows it; what an event told before stands.
    pub fn add_running(&self, process: Process) {
        self.known.put_if(Arc::new(process), |known| known.is_none());
    }

    /// What is known of a process, instead of what was known.
    pub(super) fn replace(&self, process: Process) {
        self.known.put(Arc::new(process));
    }

    /// Corrects what a call says of capabilities: who enters a user namespace has all of them in
    /// there, which says nothing of what he may do outside. Those from before are shown: of the
    /// last exec or fork, and none for who was root then and is not any more (capabilities(7), "Effect of
    /// user ID changes on capabilities"). What `capset` and `prctl` changed since is not seen; of
    /// other namespaces the kernel's word stands.
    pub fn on_control(&self, head: &EventHead, control: &mut Control) {
        if control.result < 0 || !control.enters_user_namespace(head.call) {
            return;
        }
        let Some(known) = self.get(ProcessKey::new(head.tgid, head.start_ns)) else { return };
        let (permitted, effective) = match (known.uid, head.uid) {
            (0, 1..) => (0, 0),
            _ => (known.facts.cap_permitted, known.facts.cap_effective),
        };
        (control.cap_permitted, control.cap_effective) = (permitted, effective);
    }

    /// A new process runs the program of whoever made it. Where we did not hear yet that this
    /// one became another program, the new one's is looked up when it does something.
    pub fn on_fork(&self, head: &EventHead, fork: &Fork) {
        let mut child = Process::from_head(head);
        if !self.is_behind(child.key, head.exec_id) {
            // `/proc` was asked meanwhile, and what that said is newer.
            return;
        }
        child.facts = fork.process.clone();
        let maker = ProcessKey::new(fork.maker_tgid, fork.maker_start_ns);
        match self.at_exec(maker, head.exec_id) {
            Some(maker) => {
                child.image = Arc::clone(&maker.image);
                child.cwd.clone_from(&maker.cwd);
                child.entry.clone_from(&maker.entry);
                child.place.clone_from(&maker.place);
                // Where we did not hear what the maker became, this one is looked up in its time.
                // One that was there before us is what it was.
                let known = maker.exec_id.map_or(head.exec_id, |known| known.min(head.exec_id));
                child.exec_id = Some(known);
            }
            None => child.exec_id = head.exec_id.checked_sub(1),
        }
        self.known.put(Arc::new(child));
    }

    /// `enter` says how the process came into its container, given how it, as it was before,
    /// and its parent did. Returns all that the exec told, which may be more than is remembered.
    pub fn on_exec(
        &self,
        head: &EventHead,
        exec: &Exec,
        place: Option<Place>,
        enter: impl FnOnce(&Entry, Option<&Entry>) -> Entry,
    ) -> Arc<Process> {
        let mut process = Process::from_head(head);
        let mut env = exec.env.clone();
        if let Some(before) = self.get(process.key) {
            process.parent = before.parent;
            process.entry.clone_from(&before.entry);
            process.place.clone_from(&before.place);
            env = env.shared_with(&before.image.env);
        }
        let parent = self.get(process.parent);
        process.entry = enter(&process.entry, parent.as_ref().map(|parent| &parent.entry));
        if place.is_some() {
            process.place = place;
        }
        process.facts = exec.process.clone();
        process.cwd = bytes_of(exec.cwd.as_ref());
        process.image = Arc::new(Image {
            args: exec.args.clone(),
            env,
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
            charge: Charge::default(),
        });
        let process = Arc::new(process);
        self.known.put(Arc::clone(&process));
        process
    }

    pub fn on_exit(&self, head: &EventHead) {
        self.known.end(ProcessKey::new(head.tgid, head.start_ns), head.time_ns);
    }

    pub fn get(&self, key: ProcessKey) -> Option<Arc<Process>> {
        self.known.get(key)
    }

    pub fn has(&self, key: ProcessKey) -> bool {
        self.known.has(key)
    }

    /// The process as it was when its count of execs was `exec_id`, if that is not long ago.
    pub fn at_exec(&self, key: ProcessKey, exec_id: u32) -> Option<Arc<Process>> {
        self.known.at_exec(key, exec_id)
    }

    /// Whether nothing is known of a process, or only what it was before its last exec.
    pub fn is_behind(&self, key: ProcessKey, exec_id: u32) -> bool {
        self.get(key).is_none_or(|process| process.is_before(exec_id))
    }

    /// A process as something else than its exec tells it, unless its exec was told meanwhile.
    pub fn add_if_behind(&self, process: impl Into<Arc<Process>>) {
        let process = process.into();
        let exec_id = process.exec_id.unwrap_or_default();
        self.known.put_if(process, |known| known.is_none_or(|known| known.is_before(exec_id)));
    }

    /// Whether a process was there before us and did not become another program since, which the
    /// caller knows: `exec_id` is of what it was all the time.
    pub fn is_from_before(&self, key: ProcessKey, exec_id: u32) -> bool {
        self.known.mark(key, exec_id)
    }

    /// The process that has, or last had, this id.
    pub fn newest_of(&self, pid: u32) -> Option<Arc<Process>> {
        self.known.newest_of(pid)
    }

    /// The process that has, or last had, this id among those of a pid namespace (the inode number
    /// of that; 0 is the host's).
    pub fn called(&self, pid: u32, namespace: u32) -> Option<Arc<Process>> {
        match namespace {
            0 | HOST_PID_NAMESPACE => self.newest_of(pid),
            _ => self.known.called(pid, namespace),
        }
    }

    /// Takes those that are not in `running` for ended: the kernel's word of it was lost.
    /// `known` are the ids that were known before `running` was listed.
    pub fn end_missing(&self, known: &[ProcessKey], running: &HashSet<u32>, now_ns: u64) -> usize {
        let missing = known.iter().filter(|key| !running.contains(&key.pid));
        missing.map(|key| self.known.end(*key, now_ns)).count()
    }

    /// All that did not end, as far as we know.
    pub fn running(&self) -> Vec<ProcessKey> {
        self.known.running()
    }

    /// The parent, the parent's parent and so on, as far as they are known.
    pub fn ancestors(&self, process: &Process) -> Vec<Arc<Process>> {
        let mut ancestors: Vec<Arc<Process>> = Vec::new();
        let mut key = process.parent;
        while ancestors.len() < ANCESTORS_MAX
            && let Some(ancestor) = self.get(key)
            && ancestor.parent != key
        {
            key = ancestor.parent;
            ancestors.push(ancestor);
        }
        ancestors
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About the bytes that they take.
    pub fn size_bytes(&self) -> usize {
        self.known.size_bytes()
    }

    /// Processes of which less is remembered because those that run take too much.
    pub fn cut(&self) -> u64 {
        self.known.cut()
    }

    /// Processes not remembered because there were too many.
    pub fn refused(&self) -> u64 {
        self.known.refused()
    }
}

fn bytes_of(path: Option<&crate::decode::KernelPath>) -> Vec<u8> {
    path.and_then(|path| path.as_bytes()).unwrap_or_default().to_vec()
}
