//! Calls through rings of io_uring, which no system call of their name ever tells of. Needs root
//! (or CAP_BPF and CAP_PERFMON), kernel BTF, Linux 6.4 and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use lanner_engine::{Event as _, Field};
use lanner_sensor::{decode::Call, event::SyscallEvent};
use lanner_testkit::not_run::not_run;
use tempfile::TempDir;

use crate::watch::{Watch, field, has, show};

in_each_mode!(calls_through_io_uring, opens_follow_links,);

/// A directory with a file `secret`, without links in its own path.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::write(real.join("secret"), "x").unwrap();
    (directory, real)
}

/// The next event of a program in that directory that `is_it` says yes to.
async fn find(
    watch: &mut Watch,
    directory: &Path,
    what: &str,
    is_it: impl Fn(&SyscallEvent) -> bool,
) -> SyscallEvent {
    let cwd = format!("{}/", directory.display());
    watch.find(what, |event| has(event, Field::ProcCwd, &cwd) && is_it(event)).await
}

/// Runs a program that has a ring; says loudly why not.
fn with_ring(test: &str, watch: &Watch, script: &str, directory: &Path) -> bool {
    if let Some(why) = watch.misses_queued_calls() {
        not_run(test, why);
        return false;
    }
    let script = format!("{RING}{script}");
    let done = Command::new("python3").args(["-c", &script]).current_dir(directory).status();
    match done.unwrap().code() {
        Some(0) => true,
        Some(3) => {
            not_run(test, "io_uring_setup is refused here");
            false
        }
        other => panic!("the program ended with {other:?}"),
    }
}

/// `io_uring` by hand: a ring of its own, one operation after another.
const RING: &str = "import ctypes, mmap, os, struct
libc = ctypes.CDLL(None, use_errno=True)
class Ring:
    def __init__(self):
        params = bytearray(120)
        self.fd = libc.syscall(425, 8, (ctypes.c_char * 120).from_buffer(params))
        if self.fd < 0:
            raise SystemExit(3)
        sq_entries, cq_entries = struct.unpack_from('II', params)
        self.sq = struct.unpack_from('IIIIIII', params, 40)
        self.cq = struct.unpack_from('IIIIIII', params, 80)
        size = max(self.sq[6] + sq_entries * 4, self.cq[5] + cq_entries * 16)
        self.ring = mmap.mmap(self.fd, size)
        self.sqes = mmap.mmap(self.fd, sq_entries * 64, offset=0x10000000)
    def call(self, operation, fd, address, length=0, other=0, flags=0, refused=False, more=0):
        self.sqes[0:64] = struct.pack(
            'BBHiQQIIQQQQ', operation, 0, 0, fd, other, address, length, flags, 7, more, 0, 0)
        tail, mask = (struct.unpack_from('I', self.ring, self.sq[n])[0] for n in (1, 2))
        struct.pack_into('I', self.ring, self.sq[6] + 4 * (tail & mask), 0)
        struct.pack_into('I', self.ring, self.sq[1], tail + 1)
        assert libc.syscall(426, self.fd, 1, 1, 1, 0, 0) == 1
        head, mask = (struct.unpack_from('I', self.ring, self.cq[n])[0] for n in (0, 2))
        result = struct.unpack_from('QiI', self.ring, self.cq[5] + 16 * (head & mask))[1]
        struct.pack_into('I', self.ring, self.cq[0], head + 1)
        assert result >= 0 or refused, result
kept = []
def text(path):
    kept.append(ctypes.create_string_buffer(path))
    return ctypes.addressof(kept[-1])
ring = Ring()
";

async fn calls_through_io_uring(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "here = -100
d = os.open('.', os.O_RDONLY)
how = struct.pack('QQQ', os.O_RDWR, 0, 8)
ring.call(18, here, text(b'./x/../secret'[0:2] + b'secret'), 0, 0, os.O_RDONLY)
ring.call(28, d, text(b'secret'), len(how), text(how))
ring.call(37, d, text(b'made'), 0o700)
ring.call(35, here, text(b'made'), d & 0xffffffff, text(b'moved'), 1)
ring.call(36, here, text(b'moved'), 0, 0, 0x200)
ring.call(38, here, text(b'/etc/shadow'), 0, text(b'symbolic'))
ring.call(39, here, text(b'secret'), here & 0xffffffff, text(b'hard'))
import socket
peer = socket.socket()
address = struct.pack('=H', 2) + struct.pack('!H', 9) + bytes([127, 0, 0, 1]) + bytes(8)
ring.call(16, peer.fileno(), text(address), other=16, refused=True)
ring.call(45, 17, 0, 3, 3)
open('directory', 'w').write(str(d & 0xffffffff))
";
    if !with_ring("calls_through_io_uring", &watch, script, &real) {
        return;
    }
    let d = fs::read_to_string(real.join("directory")).unwrap();
    let prefix = format!("{}/", real.display());
    let mut next = async |kind: &str| {
        let event = find(&mut watch, &real, kind, |event| {
            has(event, Field::EvtIoUring, "true") && has(event, Field::EvtType, kind)
        })
        .await;
        let line = field(&event, Field::EvtArgs, None).replace(&prefix, "DIR/");
        assert_eq!(field(&event, Field::ProcName, None), "python3");
        assert_eq!(field(&event, Field::EvtFailed, None), "false");
        (event, line.replace(prefix.trim_end_matches('/'), "DIR"))
    };
    let (event, _) = next("openat").await;
    let secret = real.join("secret").display().to_string();
    assert_eq!(field(&event, Field::FdName, None), secret);
    assert_eq!(field(&event, Field::FdNum, None), "0");
    assert_eq!(field(&event, Field::FdNameUnseen, None), "true");
    assert_eq!(field(&event, Field::EvtIsOpenRead, None), "true");
    assert_eq!(field(&event, Field::EvtIsOpenWrite, None), "false");
    let (event, _) = next("openat2").await;
    assert_eq!(field(&event, Field::FdName, None), secret);
    assert_eq!(field(&event, Field::EvtIsOpenWrite, None), "true");
    assert_eq!(field(&event, Field::EvtArg, Some("resolve")), "RESOLVE_BENEATH");
    assert_eq!(
        next("mkdirat").await.1,
        format!("res=0 dirfd={d}(<d>DIR) path=made(DIR/made) mode=1C0")
    );
    assert_eq!(
        next("renameat2").await.1,
        format!(
            "res=0 olddirfd=-100(AT_FDCWD) oldpath=made(DIR/made) newdirfd={d}(<d>DIR) newpath=moved(DIR/moved) flags=1(RENAME_NOREPLACE)"
        )
    );
    assert_eq!(
        next("unlinkat").await.1,
        "res=0 dirfd=-100(AT_FDCWD) name=moved(DIR/moved) flags=512(AT_REMOVEDIR)"
    );
    assert_eq!(
        next("symlinkat").await.1,
        "res=0 target=/etc/shadow linkdirfd=-100(AT_FDCWD) linkpath=symbolic(DIR/symbolic)"
    );
    assert_eq!(
        next("linkat").await.1,
        "res=0 olddir=-100(AT_FDCWD) oldpath=secret(DIR/secret) newdir=-100(AT_FDCWD) newpath=hard(DIR/hard) flags=0"
    );
    let (event, _) = next("connect").await;
    assert!(field(&event, Field::FdName, None).ends_with("->127.0.0.1:9"));
    assert_eq!(field(&event, Field::FdL4proto, None), "tcp");
    let (_, line) = next("socket").await;
    assert!(line.contains("AF_PACKET") || line.contains("domain=17"), "{line}");
}

/// The last in a row is the file that the kernel opened in the end.
async fn opens_follow_links(mut watch: Watch) {
    watch.only(&[Call::Openat, Call::Openat2]);
    let (_directory, real) = directory();
    fs::create_dir_all(real.join("a/b")).unwrap();
    fs::create_dir_all(real.join("jail/etc")).unwrap();
    for file in ["a/secret", "jail/etc/shadow"] {
        fs::write(real.join(file), "x").unwrap();
    }
    symlink(&real, real.join("link")).unwrap();
    symlink("secret", real.join("last")).unwrap();
    symlink("a/b", real.join("deep")).unwrap();
    symlink("/etc/shadow", real.join("jail/l")).unwrap();
    symlink("/proc/self/root", real.join("root")).unwrap();
    let script = "here, whole = -100, os.getcwd().encode()
def opened(path, flags=os.O_RDONLY):
    ring.call(18, here, text(path), 0, 0, flags)
opened(b'link/secret')
opened(b'last')
opened(b'deep/../secret')
opened(b'/proc/self/root' + whole + b'/secret')
opened(b'root' + whole + b'/last')
opened(b'last', os.O_PATH | os.O_NOFOLLOW)
opened(b'link/new', os.O_CREAT | os.O_RDWR)
opened(b'/proc/self/comm')
jail = os.open('jail', os.O_PATH)
how = struct.pack('QQQ', os.O_RDONLY, 0, 0x10)
ring.call(28, jail, text(b'/l'), len(how), text(how))
";
    if !with_ring("opens_follow_links", &watch, script, &real) {
        return;
    }
    let inside = format!("{}/secret", real.display());
    let in_root = format!("root{}/last", real.display());
    let by_self = format!("/proc/self/root{inside}");
    for (raw, expected) in [
        ("link/secret", "secret"),
        ("last", "secret"),
        ("deep/../secret", "a/secret"),
        (&by_self, "secret"),
        (&in_root, "secret"),
        ("last", ""),
        ("link/new", "new"),
        ("/proc/self/comm", ""),
        ("/l", "jail/etc/shadow"),
    ] {
        let event = find(&mut watch, &real, raw, |event| {
            has(event, Field::EvtIoUring, "true") && has(event, Field::FdNameraw, raw)
        })
        .await;
        let resolved = field(&event, Field::FdNameResolved, None);
        match expected {
            // Of /proc it is the process's own, if it is still there.
            "" if raw.starts_with("/proc") => {
                let own = format!("/proc/{}/comm", event.head.tgid);
                assert!(["none", &own].contains(&&*resolved), "{raw}: {resolved}");
            }
            "" => assert_eq!(resolved, "none", "{raw}"),
            _ => {
                assert_eq!(resolved, real.join(expected).display().to_string(), "{raw}");
                assert_eq!(show(event.get_with_other_path(Field::FdName, None)), resolved);
            }
        }
        assert_eq!(field(&event, Field::FdNameUnseen, None), "true");
    }
}
