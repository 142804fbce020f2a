//! The log of one priority: its segments, what of them was read, and what of
//! that is acknowledged.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_alert::Priority;

use super::{
    acked::Place,
    record,
    segment::{self, BEGIN, Item, Reader, u64_of},
};

/// After a segment could not be opened or read.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// Reads that fail one after the other until what they were for is passed over.
const FAILED_READS_MAX: u32 = 10;
/// Alerts deferred one after the other until those of other priorities go before them.
const DEFERRED_IN_A_ROW_MAX: u32 = 16;
/// What is passed over first; twice as much each time until a read works.
const UNREADABLE_BYTES: u64 = 4096;

/// The segments of one priority, the oldest first.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    priority: Priority,
    segments: VecDeque<Segment>,
    next_id: u64,
    /// The segment that is read, or the lowest number that the next one has.
    cursor: u64,
    reader: Option<Reader>,
    /// A segment could not be opened or read; not before that it is tried again.
    read_again: Option<Instant>,
    /// Reads that failed since the last one that did not.
    failed_reads: u32,
    /// What was read and is not acknowledged, in the order of reading.
    under_way: VecDeque<UnderWay>,
    /// All before it is acknowledged, damaged or gone.
    acked: Place,
    /// Written again behind all others; done once that is synced, for a power
    /// cut must not take both.
    deferred: Vec<Place>,
    /// As many were deferred since the last one that was acknowledged.
    deferred_in_a_row: u32,
    /// As many of `deferred` as the sync that is under way is for.
    syncing: usize,
    /// Sealed before they were synced.
    to_sync: Vec<(u64, Arc<File>)>,
    /// Where the log ended when it was last looked at for syncing.
    seen: Place,
}

#[derive(Debug)]
struct Segment {
    id: u64,
    len: u64,
    /// Records that were not read yet.
    unread: u64,
    /// Open as long as it is written to.
    file: Option<Arc<File>>,
    is_synced: bool,
}

impl Segment {
    /// Whether there is more in it than its header: removing that makes no room.
    fn holds_something(&self) -> bool {
        self.len > BEGIN
    }
}

#[derive(Debug)]
struct UnderWay {
    place: Place,
    taken_ms: u64,
    is_done: bool,
}

/// What came next in a log.
#[derive(Debug)]
pub(super) enum Read {
    Record { place: Place, outgoing: Box<crate::Outgoing> },
    Damaged { segment: PathBuf, bytes: Range<u64> },
}

impl Log {
    /// The log of the segments with these numbers.
    pub(super) fn open(
        dir: &Path,
        priority: Priority,
        mut ids: Vec<u64>,
        acked: Place,
    ) -> io::Result<Self> {
        ids.sort_unstable();
        let next_id = ids.last().copied().unwrap_or_default().max(acked.segment) + 1;
        let mut log = Self {
            dir: dir.to_owned(),
            priority,
            segments: VecDeque::new(),
            next_id,
            cursor: 0,
            reader: None,
            read_again: None,
            failed_reads: 0,
            under_way: VecDeque::new(),
            acked,
            deferred: Vec::new(),
            deferred_in_a_row: 0,
            syncing: 0,
            to_sync: Vec::new(),
            seen: acked,
        };
        for id in ids {
            let path = log.path(id);
            if id < acked.segment {
                fs::remove_file(path)?;
                continue;
            }
            let file = Arc::new(File::open(&path)?);
            let len = file.metadata()?.len();
            let unread = count(&mut Reader::new(File::open(path)?, start_of(id, acked)), len);
            log.segments.push_back(Segment { id, len, unread, file: None, is_synced: true });
            // It may be whole only in the kernel's memory.
            log.to_sync.push((id, file));
        }
        Ok(log)
    }

    /// Appends whole records; all of them or, with an error, none.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        records: u64,
        segment_bytes: u64,
    ) -> io::Result<()> {
        if self.segments.back().is_some_and(|last| last.len >= segment_bytes) {
            self.seal();
        }
        if self.segments.back().is_none_or(|last| last.file.is_none()) {
            let id = self.next_id;
            let file = Arc::new(segment::create(&self.path(id))?);
            self.next_id += 1;
            let (len, unread) = (BEGIN, 0);
            self.segments.push_back(Segment { id, len, unread, file: Some(file), is_synced: true });
        }
        let Some(Segment { len, unread, file: Some(file), is_synced, .. }) =
            self.segments.back_mut()
        else {
            return Err(io::Error::other("there is no segment"));
        };
        let mut to: &File = file;
        if let Err(error) = to.write_all(bytes) {
            // What a part of it left behind must not stand in front of the next.
            if to.set_len(*len).is_err() {
                self.seal();
            }
            return Err(error);
        }
        *len += u64_of(bytes.len());
        *unread += records;
        *is_synced = false;
        Ok(())
    }

    /// The next append begins a new segment.
    pub(super) fn seal(&mut self) {
        if let Some(last) = self.segments.back_mut()
            && let (Some(file), false) = (last.file.take(), last.is_synced)
        {
            self.to_sync.push((last.id, file));
        }
    }

    /// Whether something was not read yet, be it only the end of a segment.
    pub(super) fn has_more(&self) -> bool {
        let is_pause = self.read_again.is_some_and(|again| Instant::now() < again);
        !is_pause && self.holds_more()
    }

    fn holds_more(&self) -> bool {
        self.segments.iter().rev().any(|segment| {
            segment.id >= self.cursor
                && match &self.reader {
                    Some(reader) if segment.id == self.cursor => {
                        reader.offset() < segment.len || segment.file.is_none()
                    }
                    _ => true,
                }
        })
    }

    /// Whether what comes next is likely to be deferred, as what came before it was.
    pub(super) fn turns_in_place(&self) -> bool {
        self.deferred_in_a_row >= DEFERRED_IN_A_ROW_MAX
    }

    /// Reads on. `None` when there is nothing more, or only the end of a segment was.
    pub(super) fn read(&mut self) -> Option<Read> {
        let segment = self.segments.iter_mut().find(|segment| segment.id >= self.cursor)?;
        let (id, len, is_open) = (segment.id, segment.len, segment.file.is_some());
        let path = segment::path(&self.dir, self.priority, id);
        if id > self.cursor {
            (self.cursor, self.reader) = (id, None);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let from = start_of(id, self.acked);
                match File::open(&path) {
                    Ok(file) => none.insert(Reader::new(file, from)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Some(self.give_up(id, from..len));
                    }
                    // Too many open files, for one: no reason to lose what is in it.
                    Err(_error) => {
                        self.read_again = Some(Instant::now() + READ_PAUSE);
                        return None;
                    }
                }
            }
        };
        let from = reader.offset();
        let read = reader.next(len);
        if read.is_ok() {
            self.failed_reads = 0;
        }
        match read {
            Ok(Item::Record { body, end }) => {
                segment.unread = segment.unread.saturating_sub(1);
                let place = Place { segment: id, offset: end };
                let Some((outgoing, taken_ms)) = record::decode(body, self.priority) else {
                    return Some(Read::Damaged { segment: path, bytes: from..end });
                };
                self.under_way.push_back(UnderWay { place, taken_ms, is_done: false });
                Some(Read::Record { place, outgoing: Box::new(outgoing) })
            }
            Ok(Item::Damaged(bytes)) => Some(Read::Damaged { segment: path, bytes }),
            // Somebody made it shorter than we wrote it: nothing more comes of it.
            Ok(Item::End) if from < len => Some(self.give_up(id, from..len)),
            Ok(Item::End) if is_open => None,
            Ok(Item::End) => {
                self.leave(id, len);
                None
            }
            Err(_error) => {
                self.failed_reads += 1;
                let Some(passes) = self.failed_reads.checked_sub(FAILED_READS_MAX) else {
                    self.read_again = Some(Instant::now() + READ_PAUSE);
                    return None;
                };
                reader.pass_over(UNREADABLE_BYTES << passes.min(20), len);
                let bytes = from..reader.offset();
                // Nothing more is written next to it.
                if is_open {
                    self.seal();
                }
                Some(Read::Damaged { segment: path, bytes })
            }
        }
    }

    /// The rest of a segment cannot be read.
    fn give_up(&mut self, id: u64, bytes: Range<u64>) -> Read {
        if self.segments.back().is_some_and(|last| last.id == id) {
            self.seal();
        }
        let segment = self.path(id);
        self.leave(id, bytes.end);
        Read::Damaged { segment, bytes }
    }

    /// All of a segment is read: it goes once what was read of it is acknowledged.
    fn leave(&mut self, id: u64, len: u64) {
        if let Some(segment) = self.segments.iter_mut().find(|segment| segment.id == id) {
            // Damaged since they were counted.
            segment.unread = 0;
        }
        let place = Place { segment: id, offset: len };
        self.under_way.push_back(UnderWay { place, taken_ms: u64::MAX, is_done: true });
        (self.cursor, self.reader) = (id + 1, None);
        self.settle();
    }

    /// What stood before `place` needs no second reading.
    pub(super) fn acknowledge(&mut self, place: Place) {
        self.deferred_in_a_row = 0;
        self.done(place);
    }

    fn done(&mut self, place: Place) {
        if let Some(found) = self.under_way.iter_mut().find(|under_way| under_way.place == place) {
            found.is_done = true;
        }
        self.settle();
    }

    /// As [`acknowledge`](Self::acknowledge), once what is written is synced.
    pub(super) fn acknowledge_once_synced(&mut self, place: Place) {
        self.deferred.push(place);
        self.deferred_in_a_row = self.deferred_in_a_row.saturating_add(1);
    }

    /// The files that [`unsynced`](Self::unsynced) gave are synced.
    pub(super) fn synced(&mut self) {
        let places: Vec<_> = self.deferred.drain(..self.syncing).collect();
        self.syncing = 0;
        for place in places {
            self.done(place);
        }
    }

    fn settle(&mut self) {
        while self.under_way.front().is_some_and(|first| first.is_done) {
            let Some(first) = self.under_way.pop_front() else { break };
            self.acked = self.acked.max(first.place);
        }
        while let Some(first) = self.segments.front() {
            let all = Place { segment: first.id, offset: first.len };
            if first.file.is_some() || first.unread > 0 || self.acked < all {
                break;
            }
            self.remove(0);
        }
    }

    fn remove(&mut self, index: usize) -> Option<Segment> {
        let segment = self.segments.remove(index)?;
        self.to_sync.retain(|(id, _)| *id != segment.id);
        if segment.id == self.cursor {
            (self.cursor, self.reader) = (segment.id + 1, None);
        }
        // One that cannot be removed is read again after a restart, and its
        // alerts are known by their ids.
        let _ = fs::remove_file(self.path(segment.id));
        Some(segment)
    }

    /// Removes the segments of which nothing is needed, the one in use too;
    /// whether there were some.
    pub(super) fn reclaim(&mut self) -> bool {
        let is_idle = self.under_way.is_empty() && !self.holds_more();
        if !is_idle || !self.segments.iter().any(Segment::holds_something) {
            return false;
        }
        self.acked = self.acked.max(self.end());
        while self.remove(0).is_some() {}
        true
    }

    /// Removes the oldest segment, or rather the oldest of which nothing is
    /// under way if there is one. Gives the number of records that are gone
    /// with it: not those under way, which live on in memory.
    pub(super) fn evict(&mut self) -> Option<u64> {
        let is_used = |id: u64| self.under_way.iter().any(|record| record.place.segment == id);
        let mut full = self.segments.iter().enumerate().filter(|(_, it)| it.holds_something());
        let (first, _) = full.clone().next()?;
        let free = full.find(|(_, segment)| !is_used(segment.id));
        let segment = self.remove(free.map_or(first, |(index, _)| index))?;
        Some(segment.unread)
    }

    /// Whether [`evict`](Self::evict) would make room.
    pub(super) fn could_go(&self) -> bool {
        self.segments.iter().any(Segment::holds_something)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Records that are not acknowledged.
    pub(super) fn waiting(&self) -> u64 {
        let under_way = self.under_way.iter().filter(|record| !record.is_done).count();
        // Those that are there twice wait once.
        let under_way = under_way.saturating_sub(self.deferred.len());
        self.segments.iter().map(|segment| segment.unread).sum::<u64>() + u64_of(under_way)
    }

    /// When the oldest record that is not acknowledged was taken on.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        if let Some(record) = self.under_way.iter().find(|record| !record.is_done) {
            return Some(record.taken_ms);
        }
        let is_next = |segment: &&Segment| segment.id >= self.cursor && segment.unread > 0;
        let first = self.segments.iter().find(is_next)?;
        let from = match &self.reader {
            Some(reader) if first.id == self.cursor => reader.offset(),
            _ => start_of(first.id, self.acked),
        };
        let mut reader = Reader::new(File::open(self.path(first.id)).ok()?, from);
        loop {
            match reader.next(first.len).ok()? {
                Item::Record { body, .. } => return record::taken_ms(body),
                Item::Damaged(_) => {}
                Item::End => return None,
            }
        }
    }

    pub(super) fn acked(&self) -> Place {
        self.acked
    }

    /// The files that a power cut could still take something from, to be
    /// synced now. With `only_old`, only if something that was there at the
    /// last call is not acknowledged yet: what the bus has needs no syncing.
    pub(super) fn unsynced(&mut self, only_old: bool) -> Vec<Arc<File>> {
        let (seen, end) = (self.seen, self.end());
        self.seen = end;
        self.syncing = 0;
        if only_old && self.acked >= seen {
            return Vec::new();
        }
        self.syncing = self.deferred.len();
        let mut files: Vec<_> = self.to_sync.drain(..).map(|(_, file)| file).collect();
        if let Some(last) = self.segments.back_mut()
            && let (Some(file), false) = (&last.file, last.is_synced)
        {
            files.push(file.clone());
            last.is_synced = true;
        }
        files
    }

    fn end(&self) -> Place {
        let last = self.segments.back();
        last.map_or(self.acked, |last| Place { segment: last.id, offset: last.len })
    }

    fn path(&self, id: u64) -> PathBuf {
        segment::path(&self.dir, self.priority, id)
    }
}

/// Where reading a segment begins.
fn start_of(id: u64, acked: Place) -> u64 {
    if id == acked.segment { acked.offset } else { BEGIN }
}

fn count(reader: &mut Reader, len: u64) -> u64 {
    let mut records = 0;
    // What cannot be read is told when its turn to be sent comes.
    while let Ok(item) = reader.next(len) {
        match item {
            Item::Record { .. } => records += 1,
            Item::Damaged(_) => {}
            Item::End => break,
        }
    }
    records
}
