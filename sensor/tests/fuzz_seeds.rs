//! What the fuzz targets `kernel_record` and `recorded_event` begin with: real records, and the lines
//! of a recording of them. They are made again, as root, when the kernel side changes what it sends:
//!
//! ```text
//! cargo test -p lanner-sensor --test fuzz_seeds -- --ignored
//! ```

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_engine::RecordedEvent;
use lanner_sensor::{
    decode::{Family, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::recording,
    source::{
        Next, Wake,
        ebpf::{self, LoadOptions},
    },
};

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(30);

/// Calls of each kind by one process and its children, in the folder that is its first argument.
const DEEDS: &str = r"
import ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None)
def child(deed):
  if os.fork() == 0:
    try: deed()
    finally: os._exit(0)
  os.wait()
os.chdir(sys.argv[1])
child(lambda: os.execve('/bin/true', ['true', 'one', 'two'], {'HOME': '/root', 'TERM': 'xterm'}))
child(lambda: os.execve('/none', ['none'], {'A': 'b'}))
os.mkdir('sub')
os.close(os.open('./sub/../made', os.O_RDWR | os.O_CREAT, 0o600))
os.symlink('made', 'link')
os.close(os.open('link', os.O_RDONLY))
os.link('made', 'other')
os.chmod('made', 0o4755)
os.rename('other', 'sub/moved')
os.unlink('sub/moved')
os.rmdir('sub')
try: os.open('missing', os.O_RDONLY)
except OSError: pass
for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
  server = socket.socket(family)
  server.bind((address, 0))
  server.listen()
  client = socket.create_connection(server.getsockname()[:2])
  peer, _ = server.accept()
  client.sendall(b'hello')
  peer.recv(9)
  to = socket.socket(family, socket.SOCK_DGRAM)
  to.bind((address, 0))
  by = socket.socket(family, socket.SOCK_DGRAM)
  by.sendto(b'hello', to.getsockname())
  by.sendmsg([b'hello'], [], 0, to.getsockname())
  to.recvfrom(9)
  to.recvmsg(9)
server = socket.socket(socket.AF_UNIX)
server.bind('socket')
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect('socket')
server.accept()
os.dup2(client.fileno(), 99)
os.kill(os.getpid(), 0)
child(lambda: (os.setgid(65534), os.setuid(65534)))
child(lambda: libc.unshare(0x04000000))
child(lambda: libc.setns(os.open('/proc/self/ns/uts', os.O_RDONLY), 0))
child(lambda: libc.ptrace(0, 0, 0, 0))
";

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target)
}

fn seeds(target: &str) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap()))
}

#[test]
fn the_seeds_are_whole_records_of_each_kind() {
    let mut families = BTreeSet::new();
    for (path, record) in seeds("kernel_record") {
        let event = decode(&record).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        families.insert(event.head.family.name());
    }
    assert_eq!(families, Family::ALL.map(Family::name).into());
    for (path, line) in seeds("recorded_event") {
        let event = RecordedEvent::from_json(std::str::from_utf8(&line).unwrap());
        assert!(event.is_ok(), "{}: {:?}", path.display(), event.err());
    }
}

#[test]
#[ignore = "it writes the seeds"]
fn make_the_seeds() {
    if !can_watch("make_the_seeds") {
        return;
    }
    let mut enricher = {
        let containers = Containers::new(None);
        Enricher::new(Arc::new(Node::new("node-1", Procfs::new("/nowhere"), containers)))
    };
    // The longest tells most.
    let mut keep = BTreeMap::<PathBuf, Vec<u8>>::new();
    let mut offer = |target: &str, name: String, bytes: Vec<u8>| {
        let seed = keep.entry(folder(target).join(name)).or_default();
        if bytes.len() > seed.len() {
            *seed = bytes;
        }
    };
    for record in records_of_deeds() {
        let record = without_names(record);
        let event = decode(&record).unwrap();
        let (family, call) = (event.head.family.name(), event.head.call.name());
        offer("kernel_record", format!("{family}-{call}"), record);
        if let Some(event) = enricher.take(event, |_| true) {
            let line = serde_json::to_vec(&recording::record(&event, &[])).unwrap();
            offer("recorded_event", family.to_owned(), line);
        }
    }
    for target in ["kernel_record", "recorded_event"] {
        let _ = fs::remove_dir_all(folder(target));
        fs::create_dir_all(folder(target)).unwrap();
    }
    keep.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
}

/// All that the process of the deeds and its children bring.
fn records_of_deeds() -> Vec<Vec<u8>> {
    let mut loaded = ebpf::load(&LoadOptions::default()).unwrap();
    let mut sources = loaded.take_sources();
    let place = tempfile::Builder::new().prefix("seeds").tempdir_in("/dev/shm").unwrap();
    let mut deeds = Command::new("python3");
    deeds.args(["-c", DEEDS]).arg(place.path()).env_clear().current_dir("/");
    let mut deeds = deeds.spawn().unwrap();
    assert!(deeds.wait().unwrap().success());

    let mut records = Vec::new();
    let mut processes = BTreeSet::from([deeds.id()]);
    let (mut has_ended, until) = (false, Instant::now() + DEADLINE);
    let wake = Wake::new().unwrap();
    while !has_ended {
        assert!(Instant::now() < until, "no end of {} within {DEADLINE:?}", deeds.id());
        for source in &mut sources {
            let next = source.next(&mut |record| {
                let head = decode(record).unwrap().head;
                if processes.contains(&head.ppid) {
                    processes.insert(head.tgid);
                }
                if processes.contains(&head.tgid) {
                    records.push(record.to_vec());
                    has_ended |= head.family == Family::Exit && head.tgid == deeds.id();
                }
            });
            if next == Next::Empty {
                source.wait(&wake, Duration::from_millis(5)).unwrap();
            }
        }
    }
    records
}

/// The names of what started the test, and of its control groups, are nobody's business.
fn without_names(mut record: Vec<u8>) -> Vec<u8> {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        // As the kernel keeps it: zero bytes up to the end.
        let mut field = name.trim_end().as_bytes().to_vec();
        field.resize(16, 0);
        replace(&mut record, &field, b"somebody\0\0\0\0\0\0\0\0");
    }
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let paths = groups.lines().filter_map(|line| line.rsplit(':').next());
    for name in paths.flat_map(|path| path.split('/')).filter(|name| !name.is_empty()) {
        replace(&mut record, name.as_bytes(), &vec![b'g'; name.len()]);
    }
    record
}

/// With something of the same length.
fn replace(record: &mut [u8], name: &[u8], other: &[u8]) {
    while let Some(at) = record.windows(name.len()).position(|window| window == name) {
        record[at..at + name.len()].copy_from_slice(other);
    }
}
