//! What `/proc` says of processes that were there before us.
//!
//! Everything here is written by other processes: each read is bounded.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    entry::Entry,
    process::{CommandLine, Image, ParentSeen, Process, ProcessKey, charge::Charge},
};
use crate::decode::{ProcessFacts, Texts};

/// Of the arguments and of the environment.
const AREA_BYTES_MAX: u64 = 32 << 10;

/// `status`, `stat` and `cgroup` are far shorter.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Ticks of a hundredth of a second, on every Linux that eBPF runs on.
const TICK_NS: u64 = 10_000_000;

/// A `/proc`, ours or one mounted elsewhere.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self { root: PathBuf::from("/proc") }
    }
}

impl Procfs {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// All process ids.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let entries = std::fs::read_dir(&self.root)?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// The root directory of a process, as itself sees it.
    pub fn root_of(&self, pid: u32) -> PathBuf {
        self.file(pid, "root")
    }

    /// The folder of a process.
    pub fn folder_of(&self, pid: u32) -> PathBuf {
        self.root.join(pid.to_string())
    }

    /// The lines of `/proc/PID/cgroup`, as text.
    pub fn cgroup_of(&self, pid: u32) -> Option<String> {
        Some(String::from_utf8_lossy(&self.read(pid, "cgroup", FILE_BYTES_MAX)?).into_owned())
    }

    /// When the process that has this id now started.
    pub fn start_ticks(&self, pid: u32) -> Option<u64> {
        Some(parse_stat(&self.read(pid, "stat", FILE_BYTES_MAX)?)?.start_ticks)
    }

    /// Whether one of the groups in the lines of `/proc/PID/cgroup` has the number that events bear:
    /// that of its directory, and on v1 of its hierarchy. Where we do not see the directory, this is
    /// not known either.
    pub fn has_group(&self, lines: &str, number: u64) -> bool {
        // Of the host, and ours.
        let mounts = [self.root.join("1/root/sys/fs/cgroup"), PathBuf::from("/sys/fs/cgroup")];
        let is_it = |line: &str| {
            let mut parts = line.splitn(3, ':');
            let hierarchy: u64 = parts.next()?.parse().ok()?;
            let folders = match parts.next()? {
                "" => ["", "unified"],
                controllers => [controllers, ""],
            };
            // In a namespace of control groups, those outside of ours begin with `/..`.
            let path = parts.next()?.trim_start_matches("/..").trim_start_matches('/');
            let places = mounts.iter().flat_map(|mount| folders.map(|folder| mount.join(folder)));
            let mut numbers = places.filter_map(|place| {
                let ino = std::fs::metadata(place.join(path)).ok()?.ino();
                Some(ino ^ (hierarchy << 56))
            });
            numbers.any(|found| found == number).then_some(())
        };
        lines.lines().any(|line| is_it(line).is_some())
    }

    /// One process, unless it is gone or another user's and hidden from us.
    pub fn process(&self, pid: u32) -> Option<Process> {
        self.read_process(pid, true)
    }

    /// The same without arguments and environment, whose reading the process itself can make last
    /// for ever.
    pub(super) fn process_without_texts(&self, pid: u32) -> Option<Process> {
        self.read_process(pid, false)
    }

    fn read_process(&self, pid: u32, has_texts: bool) -> Option<Process> {
        let stat = parse_stat(&self.read(pid, "stat", FILE_BYTES_MAX)?)?;
        let status = self.read(pid, "status", FILE_BYTES_MAX)?;
        let status = parse_status(&String::from_utf8_lossy(&status));
        let parent_ticks = (stat.ppid != 0)
            .then(|| parse_stat(&self.read(stat.ppid, "stat", FILE_BYTES_MAX)?))
            .flatten()
            .map_or(0, |parent| parent.start_ticks);
        let area = |name| if has_texts { self.area(pid, name) } else { Texts::NONE };
        Some(Process {
            key: ProcessKey { pid, start_ticks: stat.start_ticks },
            start_ns: stat.start_ticks.saturating_mul(TICK_NS),
            parent: ProcessKey { pid: stat.ppid, start_ticks: parent_ticks },
            comm: stat.comm,
            image: Arc::new(Image {
                args: area("cmdline"),
                env: area("environ"),
                exe_path: self.exe_path(pid),
                file: None,
                charge: Charge::default(),
            }),
            cwd: self.link(pid, "cwd"),
            facts: ProcessFacts {
                cap_permitted: status.cap_permitted,
                cap_effective: status.cap_effective,
                tty: stat.tty,
                sid: stat.sid,
                pgid: stat.pgid,
                vpid: status.vpid.unwrap_or(pid),
                vpgid: status.vpgid.unwrap_or(stat.pgid),
                pid_namespace: self.pid_namespace(pid),
            },
            uid: status.uid,
            gid: status.gid,
            loginuid: self.loginuid(pid),
            exec_id: None,
            parent_seen: ParentSeen::default(),
            line: CommandLine::default(),
            entry: Entry::default(),
            place: None,
        })
    }

    /// The path that the kernel shows; a deleted file has a remark behind it.
    fn exe_path(&self, pid: u32) -> Vec<u8> {
        let mut path = self.link(pid, "exe");
        if let Some(kept) = path.strip_suffix(b" (deleted)") {
            path.truncate(kept.len());
        }
        if let Some(name) = path.strip_prefix(b"/memfd:") {
            path = [b"memfd:", name].concat();
        }
        path
    }

    /// The number in `pid:[4026531836]`; 0 where we may not see it.
    fn pid_namespace(&self, pid: u32) -> u32 {
        let link = self.link(pid, "ns/pid");
        let number = link.strip_prefix(b"pid:[").and_then(|rest| rest.strip_suffix(b"]"));
        let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
        number.unwrap_or(0)
    }

    fn loginuid(&self, pid: u32) -> u32 {
        let text = self.read(pid, "loginuid", 32).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().parse().unwrap_or(u32::MAX)
    }

    fn area(&self, pid: u32, name: &str) -> Texts {
        Texts::separated_by_nul(&self.read(pid, name, AREA_BYTES_MAX).unwrap_or_default())
    }

    fn link(&self, pid: u32, name: &str) -> Vec<u8> {
        std::fs::read_link(self.file(pid, name))
            .map(|path| path.into_os_string().into_vec())
            .unwrap_or_default()
    }

    fn read(&self, pid: u32, name: &str, bytes_max: u64) -> Option<Vec<u8>> {
        read_bounded(&self.file(pid, name), bytes_max).ok()
    }

    fn file(&self, pid: u32, name: &str) -> PathBuf {
        self.folder_of(pid).join(name)
    }
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    comm: Vec<u8>,
    ppid: u32,
    pgid: u32,
    sid: u32,
    tty: u32,
    start_ticks: u64,
}

/// `PID (name) S ppid pgid sid tty ...`. The name may hold anything, brackets
/// too, so its end is the last bracket.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let comm = bytes.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(Stat {
        comm,
        ppid: number(1)?,
        pgid: number(2).unwrap_or(0),
        sid: number(3).unwrap_or(0),
        tty: number(4).unwrap_or(0),
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    uid: u32,
    gid: u32,
    vpid: Option<u32>,
    vpgid: Option<u32>,
    cap_permitted: u64,
    cap_effective: u64,
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let mut words = value.split_ascii_whitespace();
        match key {
            // real, effective, saved, file system
            "Uid" => status.uid = number(words.nth(1)).unwrap_or(0),
            "Gid" => status.gid = number(words.nth(1)).unwrap_or(0),
            // one for each namespace, the innermost last
            "NStgid" => status.vpid = number(words.last()),
            "NSpgid" => status.vpgid = number(words.last()),
            "CapPrm" => status.cap_permitted = hexadecimal(words.next()),
            "CapEff" => status.cap_effective = hexadecimal(words.next()),
            _ => {}
        }
    }
    status
}

fn number(word: Option<&str>) -> Option<u32> {
    word?.parse().ok()
}

fn hexadecimal(word: Option<&str>) -> u64 {
    word.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Stat, parse_stat, parse_status};

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let line = b"42 (a) S (b) R 1 40 39 34816 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0";
        let expected = Stat {
            comm: b"a) S (b".to_vec(),
            ppid: 1,
            pgid: 40,
            sid: 39,
            tty: 34816,
            start_ticks: 777,
        };
        assert_eq!(parse_stat(line), Some(expected));
        assert_eq!(parse_stat(b")("), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn the_innermost_namespace_is_the_last_number() {
        let status = parse_status(
            "Name:\tx\nUid:\t1\t2\t3\t4\nNStgid:\t900\t7\nNSpgid:\t900\t1\nCapEff:\t000001ffffffffff\n",
        );
        assert_eq!((status.uid, status.vpid, status.vpgid), (2, Some(7), Some(1)));
        assert_eq!(status.cap_effective, 0x1ff_ffff_ffff);
    }
}
