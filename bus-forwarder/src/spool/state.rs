//! All that the spool's lock guards.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _},
    iter,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use lanner_alert::Priority;
use tracing::warn;

use super::{
    SpoolConfig, SpoolError, Standing, Taken, Ticket,
    acked::{AckedFile, Places},
    aside::Aside,
    log::{Log, Read},
    record,
    segment::{self, Header, u64_of},
};
use crate::{Outgoing, counters::Counters};

/// Of as many turns one is that of the priority that waited longest.
const TURNS: u64 = 8;

#[derive(Debug)]
pub(super) struct State {
    /// One for each priority, in the order of [`Priority::ALL`].
    logs: Vec<Log>,
    /// When each of them had its last turn.
    served: Vec<u64>,
    turns: u64,
    acked: AckedFile,
    saved: Places,
    aside: Aside,
    size_bytes_max: u64,
    segment_bytes: u64,
    /// Counts the appends.
    appends: u64,
}

/// What became of alerts that were offered.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// Of the offered ones.
    pub(super) dropped: u64,
    /// Of those before.
    pub(super) evicted: u64,
    /// Indices, ascending, with what the disk said.
    pub(super) not_kept: Vec<usize>,
    pub(super) disk: Option<io::Error>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Given {
    Alert(Box<Taken>),
    Damaged { segment: PathBuf, bytes: Range<u64> },
}

/// The records of one priority in what was offered.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    indices: Vec<usize>,
}

impl State {
    pub(super) fn open(config: &SpoolConfig, counters: &Counters) -> Result<Self, SpoolError> {
        let dir = &config.dir;
        let aside = dir.join("aside");
        let mut aside =
            Aside::open(aside.clone()).map_err(SpoolError::file("make the folder", &aside))?;
        let path = dir.join("acked");
        let (acked, places) =
            AckedFile::open(&path).map_err(SpoolError::file("read and write", &path))?;
        let mut found = BTreeMap::<Priority, Vec<u64>>::new();
        let entries = fs::read_dir(dir).map_err(SpoolError::file("list", dir))?;
        for entry in entries {
            let name = entry.map_err(SpoolError::file("list", dir))?.file_name();
            if let Some((priority, id)) = segment_of(dir, &name, &mut aside, counters)? {
                found.entry(priority).or_default().push(id);
            }
        }
        let logs = Priority::ALL.into_iter().zip(places).map(|(priority, acked)| {
            let ids = found.remove(&priority).unwrap_or_default();
            Log::open(dir, priority, ids, acked)
                .map_err(SpoolError::file("read the segments in", dir))
        });
        let size_bytes_max = config.size_bytes_max.get();
        Ok(Self {
            logs: logs.collect::<Result<_, _>>()?,
            served: vec![0; Priority::ALL.len()],
            turns: 0,
            acked,
            saved: places,
            aside,
            size_bytes_max,
            segment_bytes: config.segment_bytes(),
            appends: 0,
        })
    }

    pub(super) fn append(&mut self, alerts: &[Outgoing], counters: &Counters) -> Offered {
        let taken_ms = now_ms();
        let mut batches: [Batch; Priority::ALL.len()] = Default::default();
        let mut offered = Offered::default();
        for (index, outgoing) in alerts.iter().enumerate() {
            let log = log_of(outgoing.priority);
            let Some(batch) = batches.get_mut(log) else { continue };
            match record::encode(outgoing, taken_ms, &mut batch.bytes) {
                Ok(()) => batch.indices.push(index),
                // No input lets one through that is as long as that.
                Err(record::TooLong) => {
                    counters.accepted(outgoing.priority, 1);
                    counters.evicted(outgoing.priority, 1);
                    offered.dropped += 1;
                }
            }
        }
        for (log, batch) in batches.iter().enumerate() {
            if !batch.indices.is_empty() {
                self.append_batch(log, batch, &mut offered, counters);
            }
        }
        offered.not_kept.sort_unstable();
        self.appends += 1;
        offered
    }

    fn append_batch(
        &mut self,
        log: usize,
        batch: &Batch,
        offered: &mut Offered,
        counters: &Counters,
    ) {
        let Some(priority) = Priority::ALL.get(log).copied() else { return };
        let records = u64_of(batch.indices.len());
        let needed = u64_of(batch.bytes.len()) + segment::BEGIN;
        let drop = |offered: &mut Offered| {
            counters.accepted(priority, records);
            counters.evicted(priority, records);
            offered.dropped += records;
        };
        while self.size_bytes() + needed > self.size_bytes_max {
            if !self.make_room(log, offered, counters) {
                return drop(offered);
            }
        }
        loop {
            let Some(to) = self.logs.get_mut(log) else { return };
            let error = match to.append(&batch.bytes, records, self.segment_bytes) {
                Ok(()) => return counters.accepted(priority, records),
                Err(error) => error,
            };
            if is_full(&error) {
                if self.make_room(log, offered, counters) {
                    continue;
                }
                // As with our own bound: who waited for room would keep those
                // behind him waiting that could take the place of what is here.
                if self.logs.iter().take(log).any(Log::could_go) {
                    return drop(offered);
                }
            }
            offered.not_kept.extend(&batch.indices);
            offered.disk = Some(error);
            return;
        }
    }

    /// Removes a segment for an alert of this log: one of which nothing is
    /// needed, or else the oldest of the least urgent that are not more urgent.
    fn make_room(&mut self, log: usize, offered: &mut Offered, counters: &Counters) -> bool {
        if self.logs.iter_mut().any(Log::reclaim) {
            return true;
        }
        for (index, from) in self.logs.iter_mut().enumerate().skip(log).rev() {
            if let (Some(gone), Some(priority)) = (from.evict(), Priority::ALL.get(index)) {
                counters.evicted(*priority, gone);
                offered.evicted += gone;
                return true;
            }
        }
        false
    }

    pub(super) fn next(&mut self) -> Option<Given> {
        loop {
            let index = self.choose()?;
            let log = self.logs.get_mut(index)?;
            match log.read() {
                Some(Read::Record { place, outgoing }) => {
                    self.turns += 1;
                    if let Some(served) = self.served.get_mut(index) {
                        *served = self.turns;
                    }
                    let ticket = Ticket { log: index, place };
                    return Some(Given::Alert(Box::new(Taken { outgoing: *outgoing, ticket })));
                }
                Some(Read::Damaged { segment, bytes }) => {
                    return Some(Given::Damaged { segment, bytes });
                }
                None => {}
            }
        }
    }

    fn choose(&self) -> Option<usize> {
        let mut waiting = self.logs.iter().enumerate().filter(|(_, log)| log.has_more());
        if (self.turns + 1).is_multiple_of(TURNS) {
            return waiting.map(|(index, _)| index).min_by_key(|index| self.served.get(*index));
        }
        // Alerts that nothing comes of must not take the turns of others. They
        // keep the one turn of eight, in which it is seen when that changes.
        let first = waiting.next()?;
        let urgent = iter::once(first).chain(waiting).find(|(_, log)| !log.turns_in_place());
        Some(urgent.unwrap_or(first).0)
    }

    pub(super) fn acknowledge(&mut self, ticket: Ticket) {
        if let Some(log) = self.logs.get_mut(ticket.log) {
            log.acknowledge(ticket.place);
        }
    }

    pub(super) fn acknowledge_once_synced(&mut self, ticket: Ticket) {
        if let Some(log) = self.logs.get_mut(ticket.log) {
            log.acknowledge_once_synced(ticket.place);
        }
    }

    pub(super) fn save_acked(&mut self) -> io::Result<()> {
        let mut places = Places::default();
        for (place, log) in places.iter_mut().zip(&self.logs) {
            *place = log.acked();
        }
        if places != self.saved {
            self.acked.save(&places)?;
            self.saved = places;
        }
        Ok(())
    }

    /// Writes again what is in that file, which is to be synced.
    pub(super) fn rewrite_acked(&mut self) -> io::Result<File> {
        self.acked.save(&self.saved)?;
        self.acked.file()
    }

    pub(super) fn unsynced(&mut self, only_old: bool) -> Vec<Arc<File>> {
        self.logs.iter_mut().flat_map(|log| log.unsynced(only_old)).collect()
    }

    /// What the last [`unsynced`](Self::unsynced) gave is synced.
    pub(super) fn synced(&mut self) {
        self.logs.iter_mut().for_each(Log::synced);
    }

    pub(super) fn seal(&mut self) {
        self.logs.iter_mut().for_each(Log::seal);
    }

    /// The number of the last append.
    pub(super) fn turn(&self) -> u64 {
        self.appends
    }

    pub(super) fn aside(&mut self) -> &mut Aside {
        &mut self.aside
    }

    pub(super) fn waiting(&self) -> [u64; Priority::ALL.len()] {
        let mut waiting = [0; Priority::ALL.len()];
        for (count, log) in waiting.iter_mut().zip(&self.logs) {
            *count = log.waiting();
        }
        waiting
    }

    pub(super) fn standing(&self) -> Standing {
        let oldest = self.logs.iter().filter_map(Log::oldest_ms).min();
        Standing {
            waiting: self.waiting(),
            size_bytes: self.size_bytes(),
            oldest_age: oldest.map(|ms| Duration::from_millis(now_ms().saturating_sub(ms))),
        }
    }

    fn size_bytes(&self) -> u64 {
        self.logs.iter().map(Log::size_bytes).sum()
    }
}

/// Whether a file of the spool's folder is a segment to be read.
fn segment_of(
    dir: &Path,
    name: &OsString,
    aside: &mut Aside,
    counters: &Counters,
) -> Result<Option<(Priority, u64)>, SpoolError> {
    let Some(found) = segment::of_name(name) else { return Ok(None) };
    let path = dir.join(name);
    let mut bytes = Vec::new();
    let header = File::open(&path)
        .and_then(|file| file.take(segment::BEGIN).read_to_end(&mut bytes))
        .map(|_read| segment::read_header(&bytes));
    match header {
        Ok(Header::Ours) => Ok(Some(found)),
        Ok(Header::Newer(version)) => Err(SpoolError::Newer { path, version }),
        // Each record has a sum of its own: a header is no reason to lose them.
        Ok(Header::Damaged) if segment::has_record(&path) => {
            counters.damaged();
            warn!(segment = %path.display(), "the header of this segment is damaged: counted, and its alerts are read");
            Ok(Some(found))
        }
        Ok(Header::Damaged) => {
            // Empty ones are what a full disk left.
            if !bytes.is_empty() {
                counters.damaged();
                warn!(segment = %path.display(), "this is no segment any more: counted, kept aside");
            }
            aside.take_in(&path).map_err(SpoolError::file("move aside", &path))?;
            Ok(None)
        }
        Err(source) => Err(SpoolError::File { deed: "read", path, source }),
    }
}

fn log_of(priority: Priority) -> usize {
    Priority::ALL.iter().position(|known| *known == priority).unwrap_or_default()
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn now_ms() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
