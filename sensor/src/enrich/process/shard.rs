//! Where processes are kept: in parts by process id, each behind a lock of its own,
//! so that partitions rarely wait for one another and never for long.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use foldhash::fast::RandomState;

use super::{Image, Process, ProcessKey};
use crate::decode::Texts;

/// Far more than partitions. Ids are given in order, so they spread evenly.
const SHARDS: usize = 32;

/// Most processes that are remembered, ended ones included.
const PROCESSES_MAX: usize = 65_536;

/// Most bytes that they take while any of them has ended: who starts programs by the
/// hundred, each with thousands of arguments, must not fill our memory with them.
const BYTES_MAX: usize = 128 << 20;

/// Where those that run take more, newcomers are remembered without environment and with as many
/// bytes of each text as the kernel tells of it.
const CROWDED_TEXT_BYTES_MAX: usize = 4 << 10;

/// Above this it is as good as nothing: then as many processes as there may be fit in 128 MiB.
const CROWDED_BYTES_MAX: usize = 192 << 20;
const FULL_TEXT_BYTES_MAX: usize = 256;

/// How long one that ended is remembered.
const GRACE_NS: u64 = 300 * 1_000_000_000;

/// How long all of one that ended is. No event of it comes later: then it is an ancestor at most,
/// of which nobody asks for the environment.
const WHOLE_NS: u64 = 5 * 1_000_000_000;

/// Ids and times are no text that somebody chooses: a quick hash will do.
type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

#[derive(Debug)]
struct Remembered {
    process: Arc<Process>,
    /// What it was before its last exec: a child's event of that time may be read later, in
    /// another partition.
    before: Option<Arc<Process>>,
    /// Of both, but for their images.
    size_bytes: usize,
    has_ended: bool,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<ProcessKey, Remembered>,
    /// The newest process of each id.
    newest: HashMap<u32, ProcessKey>,
    /// Those that ended, the oldest first, and when.
    ended: VecDeque<(u64, ProcessKey)>,
    /// How many of them, from the oldest on, are not whole any more.
    lightened: usize,
}

/// What a process is called in a pid namespace: the namespace's inode number and its id there.
type Name = (u32, u32);

#[derive(Debug, Default)]
pub(super) struct Shards {
    shards: [Mutex<Shard>; SHARDS],
    /// Those that are known by another id somewhere.
    names: Mutex<HashMap<Name, ProcessKey>>,
    /// Of all shards together, as are the bounds.
    len: AtomicUsize,
    /// About, and with images.
    size_bytes: Arc<AtomicUsize>,
    refused: AtomicU64,
    cut: AtomicU64,
}

impl Shard {
    fn end(&mut self, key: ProcessKey, time_ns: u64) {
        if let Some(remembered) = self.known.get_mut(&key)
            && !remembered.has_ended
        {
            remembered.has_ended = true;
            self.ended.push_back((time_ns, key));
        }
    }

    /// Forgets what nobody will ask for of those that ended some time ago; gives the bytes.
    fn lighten(&mut self, now_ns: u64, total: &Arc<AtomicUsize>) -> usize {
        let mut freed = 0;
        while let Some((when, key)) = self.ended.get(self.lightened)
            && when.saturating_add(WHOLE_NS) < now_ns
        {
            self.lightened += 1;
            let Some(remembered) = self.known.get_mut(key) else { continue };
            remembered.before = None;
            // Of a program that others run too, the last one has the environment.
            if Arc::strong_count(&remembered.process.image) == 1 {
                let image = Image { env: Texts::NONE, ..(*remembered.process.image).clone() };
                charge(&image, total);
                let process = (*remembered.process).clone();
                remembered.process = Arc::new(Process { image: Arc::new(image), ..process });
            }
            let size_bytes = size_bytes(&remembered.process).min(remembered.size_bytes);
            freed += remembered.size_bytes - size_bytes;
            remembered.size_bytes = size_bytes;
        }
        freed
    }
}

impl Shards {
    pub(super) fn get(&self, key: ProcessKey) -> Option<Arc<Process>> {
        let shard = self.shard(key.pid);
        shard.known.get(&key).map(|remembered| Arc::clone(&remembered.process))
    }

    pub(super) fn has(&self, key: ProcessKey) -> bool {
        self.shard(key.pid).known.contains_key(&key)
    }

    /// The process as it was at an exec; as it is now where that is not known.
    pub(super) fn at_exec(&self, key: ProcessKey, exec_id: u32) -> Option<Arc<Process>> {
        let shard = self.shard(key.pid);
        let Remembered { process, before, .. } = shard.known.get(&key)?;
        if process.exec_id == Some(exec_id) {
            return Some(Arc::clone(process));
        }
        let was = |before: &&Arc<Process>| before.exec_id.is_none_or(|then| then == exec_id);
        Some(Arc::clone(before.as_ref().filter(was).unwrap_or(process)))
    }

    pub(super) fn newest_of(&self, pid: u32) -> Option<Arc<Process>> {
        let shard = self.shard(pid);
        let key = shard.newest.get(&pid)?;
        shard.known.get(key).map(|remembered| Arc::clone(&remembered.process))
    }

    pub(super) fn called(&self, pid: u32, namespace: u32) -> Option<Arc<Process>> {
        let key = *locked(&self.names).get(&(namespace, pid))?;
        self.get(key)
    }

    pub(super) fn running(&self) -> Vec<ProcessKey> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let shard = locked(shard);
            let running = shard.known.iter().filter(|(_, remembered)| !remembered.has_ended);
            keys.extend(running.map(|(key, _)| *key));
        }
        keys
    }

    pub(super) fn put(&self, process: Arc<Process>) {
        self.put_if(process, |_| true);
    }

    /// The process without a count of execs has this one. Returns whether there is one without.
    pub(super) fn mark(&self, key: ProcessKey, exec_id: u32) -> bool {
        let mut shard = self.shard(key.pid);
        let Some(Remembered { process, .. }) = shard.known.get_mut(&key) else { return false };
        if process.exec_id.is_some() {
            return false;
        }
        *process = Arc::new(Process { exec_id: Some(exec_id), ..Process::clone(process) });
        true
    }

    /// Remembers a process if that is right in view of what is known of it.
    pub(super) fn put_if(
        &self,
        process: Arc<Process>,
        is_right: impl FnOnce(Option<&Process>) -> bool,
    ) {
        let (process, is_cut) = self.fitted(process);
        let key = process.key;
        let start_ns = process.start_ns;
        let name = name_of(&process);
        let is_too_much = {
            let mut shard = self.shard(key.pid);
            if !is_right(shard.known.get(&key).map(|known| &*known.process)) {
                return;
            }
            let is_full = self.len.load(Relaxed) >= PROCESSES_MAX;
            if is_full && !shard.known.contains_key(&key) {
                drop(shard);
                if !self.forget_one(key.pid) {
                    self.refused.fetch_add(1, Relaxed);
                    return;
                }
                shard = self.shard(key.pid);
            }
            let mut has_ended = false;
            // One id has one process at a time: the older one's end was lost.
            match shard.newest.insert(key.pid, key) {
                Some(other) if other.start_ticks < key.start_ticks => shard.end(other, start_ns),
                Some(other) if other.start_ticks > key.start_ticks => {
                    shard.newest.insert(key.pid, other);
                    has_ended = true;
                }
                _ => {}
            }
            let had_ended = shard.known.get(&key).is_some_and(|known| known.has_ended);
            if has_ended && !had_ended {
                shard.ended.push_back((start_ns, key));
            }
            has_ended |= had_ended;
            if let Some(name) = name {
                locked(&self.names).insert(name, key);
            }
            let before = shard.known.get(&key).filter(|_| !is_cut).and_then(|known| {
                // The same program told again is no other one.
                let is_same = known.process.exec_id == process.exec_id;
                if is_same { known.before.clone() } else { Some(Arc::clone(&known.process)) }
            });
            let size_bytes =
                size_bytes(&process) + before.as_ref().map_or(0, |before| size_bytes(before));
            charge(&process.image, &self.size_bytes);
            self.size_bytes.fetch_add(size_bytes, Relaxed);
            match shard.known.insert(key, Remembered { process, before, size_bytes, has_ended }) {
                Some(forgotten) => self.size_bytes.fetch_sub(forgotten.size_bytes, Relaxed),
                None => self.len.fetch_add(1, Relaxed),
            };
            self.size_bytes.load(Relaxed) > BYTES_MAX
        };
        if is_too_much {
            while self.size_bytes.load(Relaxed) > BYTES_MAX && self.forget_one(key.pid) {}
        }
    }

    /// A process ended at `time_ns`; those that ended long before are forgotten.
    pub(super) fn end(&self, key: ProcessKey, time_ns: u64) {
        let mut shard = self.shard(key.pid);
        shard.end(key, time_ns);
        self.size_bytes.fetch_sub(shard.lighten(time_ns, &self.size_bytes), Relaxed);
        while let Some((when, _)) = shard.ended.front()
            && when.saturating_add(GRACE_NS) < time_ns
        {
            self.forget_oldest(&mut shard);
        }
    }

    /// The process, or less of it where those that run take too much, and whether it is less.
    fn fitted(&self, process: Arc<Process>) -> (Arc<Process>, bool) {
        let size_bytes = self.size_bytes.load(Relaxed);
        if size_bytes <= BYTES_MAX {
            return (process, false);
        }
        let is_full = size_bytes > CROWDED_BYTES_MAX;
        let text_bytes_max = if is_full { FULL_TEXT_BYTES_MAX } else { CROWDED_TEXT_BYTES_MAX };
        self.cut.fetch_add(1, Relaxed);
        (Arc::new(process.cut(text_bytes_max)), true)
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Relaxed)
    }

    /// Forgets one that ended: of the shard of `pid`, or else of any other.
    fn forget_one(&self, pid: u32) -> bool {
        let first = pid as usize % SHARDS;
        let shards = self.shards.iter().cycle().skip(first).take(SHARDS);
        shards.into_iter().any(|shard| self.forget_oldest(&mut locked(shard)))
    }

    fn forget_oldest(&self, shard: &mut Shard) -> bool {
        let Some((_, key)) = shard.ended.pop_front() else { return false };
        shard.lightened = shard.lightened.saturating_sub(1);
        if let Some(forgotten) = shard.known.remove(&key) {
            self.size_bytes.fetch_sub(forgotten.size_bytes, Relaxed);
            self.len.fetch_sub(1, Relaxed);
            if let Some(name) = name_of(&forgotten.process) {
                let mut names = locked(&self.names);
                if names.get(&name) == Some(&key) {
                    names.remove(&name);
                }
            }
        }
        if shard.newest.get(&key.pid) == Some(&key) {
            shard.newest.remove(&key.pid);
        }
        true
    }

    fn shard(&self, pid: u32) -> MutexGuard<'_, Shard> {
        #[expect(clippy::indexing_slicing, reason = "a remainder is in range")]
        locked(&self.shards[pid as usize % SHARDS])
    }
}

/// A thread that died left a map that is whole: nothing here stops half way.
fn locked<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None` where the id is the host's.
fn name_of(process: &Process) -> Option<Name> {
    let facts = &process.facts;
    let is_inside = facts.pid_namespace != 0 && facts.vpid != process.key.pid;
    is_inside.then_some((facts.pid_namespace, facts.vpid))
}

/// About what a process takes, with its command line in one piece and without its image.
fn size_bytes(process: &Process) -> usize {
    let line = process.image.args.size_bytes();
    size_of::<Remembered>() + size_of::<Process>() + process.comm.len() + process.cwd.len() + line
}

/// Counts an image, with an environment that others may have, too.
fn charge(image: &Image, total: &Arc<AtomicUsize>) {
    let Image { args, env, exe_path, .. } = image;
    let texts = args.size_bytes() + env.size_bytes() + exe_path.len();
    image.charge.count(size_of::<Image>() + texts, total);
}
