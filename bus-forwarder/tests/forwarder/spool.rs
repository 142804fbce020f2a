//! The spool by itself: restarts, damage, bounds, full disks.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU64,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use lanner_alert::Priority;
use lanner_bus::{Message, headers::Headers};
use lanner_bus_forwarder::{
    Counters, Durability, Outgoing, Spool, SpoolConfig, TagCopy,
    spool::{
        SpoolError,
        record::{self, Found},
        segment::{self, Header},
    },
};
use lanner_service::CancellationToken;
use lanner_testkit::not_run;
use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;

fn config(dir: &Path) -> SpoolConfig {
    SpoolConfig {
        dir: dir.join("spool"),
        size_bytes_max: NonZeroU64::new(1 << 20).unwrap(),
        ..SpoolConfig::default()
    }
}

fn open(dir: &Path) -> (Spool, Arc<Counters>) {
    let counters = Arc::<Counters>::default();
    (Spool::open(&config(dir), counters.clone()).unwrap(), counters)
}

fn outgoing(priority: Priority, id: &str, size: usize) -> Outgoing {
    let mut headers = Headers::default();
    headers.set("Lanner-Rule", "a rule");
    let message = Message {
        subject: format!("lanner.alerts.{}.shell.rule.n1", priority.as_token()),
        id: id.to_owned(),
        headers,
        payload: Bytes::from(vec![b'x'; size]),
    };
    let copies = vec![
        TagCopy { subject: "lanner.tags.shell".to_owned(), stored: None },
        TagCopy { subject: "lanner.tags.pci".to_owned(), stored: Some("pci".to_owned()) },
    ];
    Outgoing { priority, message, copies }
}

async fn append(spool: &Spool, alerts: &[Outgoing]) {
    assert_eq!(spool.append(alerts).await.unwrap().dropped, 0);
}

/// The ids of all that is given out now, acknowledged if `acknowledge`.
fn drain(spool: &Spool, acknowledge: bool) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(taken) = spool.try_next() {
        ids.push(taken.outgoing.message.id.clone());
        if acknowledge {
            spool.acknowledge(taken.ticket);
        }
    }
    ids
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("spool")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    paths
}

/// Ends as `kill -9` does: nothing is written down any more.
fn kill(spool: Spool) {
    drop(spool);
}

#[tokio::test]
async fn what_was_taken_comes_back_whole_after_a_kill_and_what_was_acknowledged_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let all: Vec<_> = (0..10).map(|n| outgoing(Priority::Notice, &n.to_string(), n)).collect();
    append(&spool, &all).await;
    for _ in 0..4 {
        let taken = spool.try_next().unwrap();
        spool.acknowledge(taken.ticket);
    }
    // Given out, and not acknowledged.
    assert_eq!(spool.try_next().unwrap().outgoing, all[4]);
    let stop = CancellationToken::new();
    stop.cancel();
    spool.keep(stop).await;
    kill(spool);

    let (spool, _) = open(dir.path());
    assert_eq!(spool.standing().alerts(), 6);
    append(&spool, &[outgoing(Priority::Notice, "new", 1)]).await;
    for expected in &all[4..] {
        assert_eq!(&spool.try_next().unwrap().outgoing, expected);
    }
    assert_eq!(drain(&spool, true), ["new"]);
    assert!(spool.standing().oldest_age.is_some());
}

#[tokio::test]
async fn without_the_file_of_what_is_acknowledged_all_that_is_left_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &[outgoing(Priority::Notice, "1", 5), outgoing(Priority::Alert, "2", 5)]).await;
    assert_eq!(drain(&spool, true), ["2", "1"]);
    kill(spool);
    fs::write(dir.path().join("spool/acked"), "damaged").unwrap();
    let (spool, _) = open(dir.path());
    assert_eq!(drain(&spool, true), ["2", "1"]);
    assert!(spool.is_empty());
}

#[tokio::test]
async fn a_torn_write_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &["1", "2", "3"].map(|id| outgoing(Priority::Error, id, 100))).await;
    kill(spool);
    let path = segments(dir.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let each = (whole.len() - segment::HEADER_BYTES) / 3;
    for torn in 1..each {
        fs::write(&path, &whole[..whole.len() - torn]).unwrap();
        let (spool, counters) = open(dir.path());
        append(&spool, &[outgoing(Priority::Error, "4", 1)]).await;
        assert_eq!(drain(&spool, false), ["1", "2", "4"], "{torn} bytes are missing");
        assert_eq!(counters.summary().damaged, 1);
        kill(spool);
        fs::remove_file(segments(dir.path()).pop().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_byte_costs_one_alert_which_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &["1", "2", "3"].map(|id| outgoing(Priority::Error, id, 40))).await;
    kill(spool);
    let path = segments(dir.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let each = (whole.len() - segment::HEADER_BYTES) / 3;
    for at in segment::HEADER_BYTES..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, bytes).unwrap();
        let (spool, counters) = open(dir.path());
        let mut expected = vec!["1", "2", "3"];
        expected.remove((at - segment::HEADER_BYTES) / each);
        assert_eq!(drain(&spool, false), expected, "byte {at} is damaged");
        assert_eq!(counters.summary().damaged, 1);
        kill(spool);
    }
    let aside: Vec<_> = fs::read_dir(dir.path().join("spool/aside")).unwrap().collect();
    // Bounded, and what is there is what was damaged.
    assert_eq!(aside.len(), (whole.len() - segment::HEADER_BYTES).min(256));
    assert!(aside.into_iter().all(|file| file.unwrap().metadata().unwrap().len() == each as u64));
}

#[tokio::test]
async fn what_is_cut_off_a_segment_while_it_is_used_is_counted_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, counters) = open(dir.path());
    append(&spool, &["1", "2", "3"].map(|id| outgoing(Priority::Error, id, 40))).await;
    let path = segments(dir.path()).remove(0);
    let whole = fs::metadata(&path).unwrap().len();
    let header = u64::try_from(segment::HEADER_BYTES).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(header + (whole - header) / 3).unwrap();
    assert_eq!(drain(&spool, true), ["1"]);
    assert_eq!(counters.summary().damaged, 1);
    append(&spool, &[outgoing(Priority::Error, "4", 40)]).await;
    assert_eq!(drain(&spool, true), ["4"]);
    assert!(spool.is_empty());
}

#[tokio::test]
async fn a_damaged_header_costs_no_alert_and_what_holds_none_is_moved_aside_and_a_newer_one_stays()
{
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &[outgoing(Priority::Debug, "1", 1)]).await;
    kill(spool);
    let path = segments(dir.path()).remove(0);
    let mut whole = fs::read(&path).unwrap();
    whole[0] ^= 1;
    fs::write(&path, &whole).unwrap();
    let (spool, counters) = open(dir.path());
    assert_eq!((drain(&spool, true), counters.summary().damaged), (vec!["1".to_owned()], 1));
    assert!(segments(dir.path()).is_empty());
    kill(spool);

    let no_segment = vec![b'x'; whole.len()];
    fs::write(&path, no_segment).unwrap();
    let (spool, counters) = open(dir.path());
    assert_eq!((drain(&spool, true).len(), counters.summary().damaged), (0, 1));
    assert!(segments(dir.path()).is_empty());
    kill(spool);

    let mut newer = segment::header();
    newer[8] += 1;
    let sum = crc32fast::hash(&newer[..12]).to_le_bytes();
    newer[12..].copy_from_slice(&sum);
    fs::write(&path, newer).unwrap();
    let error = Spool::open(&config(dir.path()), Arc::default()).unwrap_err();
    assert!(matches!(error, SpoolError::Newer { version: 2, .. }), "{error}");
    assert!(path.exists());
}

#[tokio::test]
async fn two_forwarders_on_one_folder_are_one_too_many_and_nobody_else_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &[outgoing(Priority::Debug, "1", 1)]).await;
    let error = Spool::open(&config(dir.path()), Arc::default()).unwrap_err();
    assert!(error.to_string().starts_with("spool.dir: another forwarder uses "), "{error}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("spool")), 0o700);
    assert_eq!(mode(&dir.path().join("spool/aside")), 0o700);
    assert_eq!(mode(&segments(dir.path())[0]), 0o600);
    assert_eq!(mode(&dir.path().join("spool/acked")), 0o600);
    drop(spool);
    open(dir.path());
}

#[tokio::test]
async fn the_most_urgent_comes_first_and_the_least_urgent_comes_too() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for n in 0..40 {
        let of = |priority: Priority| outgoing(priority, &format!("{priority} {n}"), 10);
        append(&spool, &[of(Priority::Debug), of(Priority::Critical), of(Priority::Notice)]).await;
    }
    let given = drain(&spool, true);
    let mut of = BTreeMap::<&str, Vec<usize>>::new();
    for (turn, id) in given.iter().enumerate() {
        let (priority, n) = id.split_once(' ').unwrap();
        let turns = of.entry(priority).or_default();
        assert_eq!(turns.len(), n.parse::<usize>().unwrap(), "{priority} is out of order");
        turns.push(turn);
    }
    assert!(of["Critical"][39] < 48, "{of:?}");
    assert!(of["Debug"][0] < 16 && of["Debug"][1] < 32, "{of:?}");
    assert!(of["Notice"][39] < of["Debug"][20], "{of:?}");
}

#[tokio::test]
async fn an_alert_that_is_deferred_keeps_its_place_until_the_other_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    append(&spool, &["1", "2"].map(|id| outgoing(Priority::Error, id, 10))).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let taken = spool.try_next().unwrap();
    assert!(spool.defer(taken.ticket, &taken.outgoing));
    assert_eq!(spool.standing().alerts(), 2);
    // As a power cut would: nothing was synced since.
    kill(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(drain(&spool, false), ["1", "2", "1"]);
    kill(spool);

    let (spool, _) = open(dir.path());
    let taken = spool.try_next().unwrap();
    assert!(spool.defer(taken.ticket, &taken.outgoing));
    spool.keep(stop).await;
    assert_eq!(spool.standing().alerts(), 3);
    kill(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(drain(&spool, true), ["2", "1", "1"]);
}

#[tokio::test]
async fn alerts_that_are_deferred_again_and_again_do_not_take_the_turns_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for n in 0..20 {
        let of = |priority: Priority| outgoing(priority, &n.to_string(), 10);
        append(&spool, &[of(Priority::Critical), of(Priority::Debug)]).await;
    }
    let (mut deferred, mut sent) = (0, 0);
    while sent < 20 {
        let taken = spool.try_next().unwrap();
        if taken.outgoing.priority == Priority::Critical {
            assert!(spool.defer(taken.ticket, &taken.outgoing));
            deferred += 1;
        } else {
            spool.acknowledge(taken.ticket);
            sent += 1;
        }
    }
    assert!(deferred < 30, "{deferred} were in front of them");
    assert_eq!(spool.try_next().unwrap().outgoing.priority, Priority::Critical);
}

#[tokio::test]
async fn with_power_safe_an_append_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = SpoolConfig { durability: Durability::PowerSafe, ..config(dir.path()) };
    let spool = Arc::new(Spool::open(&config, Arc::default()).unwrap());
    let appending = {
        let spool = spool.clone();
        tokio::spawn(async move { spool.append(&[outgoing(Priority::Debug, "1", 1)]).await })
    };
    // It can be read, and yet is not taken on: nobody syncs.
    while spool.standing().alerts() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!appending.is_finished());
    let stop = CancellationToken::new();
    let (keeper, end) = (spool.clone(), stop.clone());
    let keeper = tokio::spawn(async move { keeper.keep(end).await });
    appending.await.unwrap().unwrap();
    stop.cancel();
    keeper.await.unwrap();
}

/// A file system of that size, gone on drop.
pub(crate) struct SmallDisk(pub(crate) TempDir);

impl SmallDisk {
    pub(crate) fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        match rustix::mount::mount("tmpfs", dir.path(), "tmpfs", flags, options.as_c_str()) {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                not_run("a full disk", &format!("a small file system takes a mount: {error}"));
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_is_a_bound_like_the_other_and_is_used_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(512 << 10) else { return };
    let dir = disk.0.path();
    let (spool, counters) = open(dir);
    for n in 0..200 {
        for priority in [Priority::Debug, Priority::Notice] {
            let alert = outgoing(priority, &format!("{priority} {n}"), 4000);
            spool.append(&[alert]).await.unwrap();
        }
    }
    let now = counters.summary();
    assert!(now.evicted_of(Priority::Debug) > 0 && now.evicted_of(Priority::Notice) > 0);
    let evicted: u64 = now.evicted.iter().sum();
    let accepted: u64 = now.accepted.iter().sum();
    assert_eq!(accepted, 400);
    let left = drain(&spool, true);
    assert_eq!(u64::try_from(left.len()).unwrap() + evicted, accepted);
    assert_eq!(left.last().unwrap(), "Notice 199");

    // Somebody else fills it, and there is nothing that could go.
    kill(spool);
    segments(dir).iter().for_each(|path| fs::remove_file(path).unwrap());
    let (spool, counters) = open(dir);
    let filler = dir.join("filler");
    let full = fs::write(&filler, vec![0; 512 << 10]);
    assert!(full.is_err(), "the disk has room");
    let offered =
        [outgoing(Priority::Emergency, "waits", 8000), outgoing(Priority::Debug, "", 8000)];
    let error = spool.append(&offered).await.unwrap_err();
    assert!(matches!(&error, SpoolError::Full { not_kept, .. } if *not_kept == [0, 1]), "{error}");
    assert_eq!(counters.summary().full, 1);
    let (appended, ()) = tokio::join!(spool.append_all(offered.to_vec()), async {
        fs::remove_file(&filler).unwrap();
    });
    assert_eq!(appended.dropped, 0);
    assert_eq!(drain(&spool, true), ["waits", ""]);
}

#[tokio::test]
async fn a_full_disk_refuses_the_urgent_alert_when_all_that_waits_is_in_memory() {
    let Some(disk) = SmallDisk::mount(512 << 10) else { return };
    let (spool, counters) = open(disk.0.path());
    append(&spool, &[outgoing(Priority::Debug, "under way", 10)]).await;
    let under_way = spool.try_next().unwrap();
    assert!(fs::write(disk.0.path().join("filler"), vec![0; 512 << 10]).is_err());
    let error = spool.append(&[outgoing(Priority::Emergency, "", 20_000)]).await.unwrap_err();
    assert!(matches!(&error, SpoolError::Full { not_kept, .. } if *not_kept == [0]), "{error}");
    assert_eq!(counters.summary().evicted_of(Priority::Emergency), 0);
    spool.acknowledge(under_way.ticket);
}

fn text() -> impl Strategy<Value = String> {
    "[ -~é]{0,60}"
}

prop_compose! {
    fn any_outgoing()(
        priority in 0..Priority::ALL.len(),
        subject in text(),
        id in text(),
        values in vec(text(), 0..4),
        copies in vec((text(), proptest::option::of(text())), 0..5),
        payload in vec(any::<u8>(), 0..2000),
    ) -> Outgoing {
        let mut headers = Headers::default();
        for (name, value) in ["Lanner-Rule", "Lanner-Tags", "Newer", "Other-2"].iter().zip(&values) {
            headers.restore(name, value).unwrap();
        }
        let message = Message { subject, id, headers, payload: Bytes::from(payload) };
        let copies = copies.into_iter().map(|(subject, stored)| TagCopy { subject, stored });
        Outgoing { priority: Priority::ALL[priority], message, copies: copies.collect() }
    }
}

proptest! {
    #[test]
    fn whatever_was_written_whole_is_read(outgoing in any_outgoing(), taken_ms: u64, tail in vec(any::<u8>(), 0..50)) {
        let mut bytes = Vec::new();
        record::encode(&outgoing, taken_ms, &mut bytes).unwrap();
        let len = bytes.len();
        bytes.extend(tail);
        let Found::Whole { body } = record::find(&bytes) else { panic!("not found") };
        prop_assert_eq!(body.len() + record::HEAD_BYTES, len);
        prop_assert_eq!(record::decode(body, outgoing.priority), Some((outgoing, taken_ms)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        record::find(&bytes);
        prop_assert!((1..=bytes.len().max(1)).contains(&record::skip(&bytes)));
        record::decode(&bytes, Priority::Debug);
        prop_assert_ne!(segment::read_header(&bytes), Header::Ours);
    }
}

proptest! {
    // Files are written for each.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_stands_between_the_whole_ones_is_read_all_the_same(
        parts in vec((any_outgoing(), vec(any::<u8>(), 0..40)), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("spool")).unwrap();
        let mut bytes = segment::header().to_vec();
        let mut expected = Vec::new();
        for (outgoing, garbage) in parts {
            bytes.extend(garbage);
            record::encode(&outgoing, 1, &mut bytes).unwrap();
            expected.push(outgoing.message);
        }
        fs::write(dir.path().join("spool/debug-0000000000000007.seg"), bytes).unwrap();
        let (spool, _) = open(dir.path());
        let mut read = Vec::new();
        while let Some(taken) = spool.try_next() {
            read.push(taken.outgoing.message);
            spool.acknowledge(taken.ticket);
        }
        prop_assert_eq!(read, expected);
        prop_assert!(spool.is_empty() && segments(dir.path()).is_empty());
    }

    #[test]
    fn nothing_disappears_without_being_counted_and_the_bound_holds(
        appends in vec((0..8_usize, 1..40_usize, 100..20_000_usize, proptest::bool::weighted(0.1)), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (mut spool, mut counters) = open(dir.path());
        let (mut accepted, mut evicted, mut sent) = (0, 0, 0);
        for (priority, count, size, restart) in appends {
            let batch: Vec<_> = (0..count).map(|n| outgoing(Priority::ALL[priority], &n.to_string(), size)).collect();
            // Longer than all that is allowed: as an input would never read at once.
            let batch = &batch[..count.min((200 << 10) / size)];
            runtime.block_on(spool.append(batch)).unwrap();
            prop_assert!(spool.standing().size_bytes <= 1 << 20);
            if size % 3 == 0 && let Some(taken) = spool.try_next() {
                spool.acknowledge(taken.ticket);
                sent += 1;
            }
            if restart {
                let stop = CancellationToken::new();
                stop.cancel();
                runtime.block_on(spool.keep(stop));
                accepted += counters.summary().accepted.iter().sum::<u64>();
                evicted += counters.summary().evicted.iter().sum::<u64>();
                kill(spool);
                (spool, counters) = open(dir.path());
            }
        }
        accepted += counters.summary().accepted.iter().sum::<u64>();
        evicted += counters.summary().evicted.iter().sum::<u64>();
        let left = spool.standing().alerts();
        prop_assert_eq!(u64::try_from(drain(&spool, true).len()).unwrap(), left);
        prop_assert_eq!(accepted, evicted + sent + left);
    }
}
