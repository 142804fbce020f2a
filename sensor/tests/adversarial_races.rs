//! Programs that change between a call and its end what the call was about, done for real and so
//! that each race is won. Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lanner_engine::{Event as _, Field, Options, RuleSet, SourceFile, load};
use lanner_sensor::{decode::Call, event::SyscallEvent};
use lanner_testkit::not_run::not_run;
use tempfile::TempDir;

use crate::watch::{Watch, field, has, show};

in_each_mode!(
    a_path_that_is_changed_during_the_call,
    what_openat2_asked_for_is_changed_during_the_call,
    a_descriptor_of_another_file,
    openat2_and_a_descriptor_of_another_file,
    a_text_that_is_gone,
);

/// A directory with a file `secret`, without links in its own path.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::write(real.join("secret"), "x").unwrap();
    (directory, real)
}

/// The exit code of a program of these parts.
fn python(parts: &[&str], directory: &Path) -> Option<i32> {
    let done =
        Command::new("python3").args(["-c", &parts.concat()]).current_dir(directory).status();
    done.unwrap().code()
}

/// The next such call of a program in that directory, by the text that was read as it returned.
async fn find(watch: &mut Watch, directory: &Path, call: Call, raw: &str) -> SyscallEvent {
    let cwd = format!("{}/", directory.display());
    watch
        .find(&format!("{} of {raw}", call.name()), |event| {
            event.head.call == call
                && has(event, Field::ProcCwd, &cwd)
                && has(event, Field::FdNameraw, raw)
        })
        .await
}

/// The path that rules see in the second run, or else in the only one.
fn truth(event: &SyscallEvent) -> String {
    match event.has_other_path() {
        true => show(event.get_with_other_path(Field::FdName, None)),
        false => field(event, Field::FdName, None),
    }
}

#[track_caller]
fn check(event: &SyscallEvent, expected: &[(Field, &str)]) {
    for (name, text) in expected {
        assert_eq!(field(event, *name, None), *text, "{name}");
    }
}

fn rule(condition: &str) -> RuleSet {
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    let file = SourceFile { name: "r".to_owned(), text };
    let (rules, diagnostics) = load(&[file], &Options::default());
    assert_eq!(diagnostics, []);
    rules
}

/// A call that opens a pipe waits until the other end is opened: it has read its arguments by then.
const WAITS: &str = "import ctypes, os, platform, struct, threading, time
libc = ctypes.CDLL(None)
OPENAT, OPENAT2 = 257 if platform.machine() == 'x86_64' else 56, 437
os.mkfifo('pipe')
def begin(number, *arguments):
    ids = []
    def run():
        ids.append(threading.get_native_id())
        libc.syscall(number, *arguments)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not ids or not open('/proc/self/task/%d/syscall' % ids[0]).read().startswith('%d ' % number):
        assert time.monotonic() < until, 'the call does not wait'
        time.sleep(0.001)
    return thread
def end(thread):
    os.close(os.open('pipe', os.O_WRONLY))
    thread.join()
";

/// The text that is read as the call returns is not what the kernel used: the file is the truth.
async fn a_path_that_is_changed_during_the_call(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "path = ctypes.create_string_buffer(b'./pipe')
call = begin(OPENAT, -100, path, os.O_RDONLY, 0)
path.value = b'./decoy'
end(call)
";
    assert_eq!(python(&[WAITS, script], &real), Some(0));
    let event = find(&mut watch, &real, Call::Openat, "./decoy").await;
    assert_eq!(field(&event, Field::FdName, None), real.join("decoy").display().to_string());
    assert_eq!(truth(&event), real.join("pipe").display().to_string());
    check(&event, &[(Field::FdNameUnseen, "false"), (Field::FdTypechar, "p")]);
}

/// `struct open_how` is memory of the program, as its path is.
async fn what_openat2_asked_for_is_changed_during_the_call(mut watch: Watch) {
    watch.only(&[Call::Openat2]);
    let (_directory, real) = directory();
    let pipe = real.join("pipe").display().to_string();
    let rules = rule(&format!("evt.type=openat2 and evt.is_open_read=true and fd.name={pipe}"));
    watch.filter_for(&rules);
    let script = "path, how = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(24)
def race(name, later, flags, resolve):
    path.value, how.raw = name, struct.pack('QQQ', os.O_RDONLY, 0, 0)
    call = begin(OPENAT2, -100, path, how, 24)
    path.value, how.raw = later, struct.pack('QQQ', flags, 0, resolve)
    end(call)
race(b'./pipe', b'./same', os.O_RDONLY, 0)
race(b'./pipe', b'./write', os.O_WRONLY, 0)
race(b'./pipe', b'./directory', os.O_DIRECTORY, 0)
race(b'./pipe', b'./path', os.O_PATH, 0)
whole = os.path.join(os.getcwd(), 'pipe').encode()
race(whole, whole, os.O_RDONLY, 0x10)
";
    assert_eq!(python(&[WAITS, script], &real), Some(0));
    // The filter lets each pass.
    for (raw, unseen, kind) in [
        ("./same", "false", "p"),
        ("./write", "true", "f"),
        ("./directory", "true", "f"),
        ("./path", "true", "f"),
        (&pipe, "false", "p"),
    ] {
        let event = find(&mut watch, &real, Call::Openat2, raw).await;
        assert_eq!(truth(&event), pipe, "{raw}");
        check(&event, &[(Field::EvtIsOpenRead, "true"), (Field::FdNameUnseen, unseen)]);
        check(&event, &[(Field::FdTypechar, kind)]);
        assert_eq!(rules.evaluate("syscall", &event).len(), 1, "{raw}");
    }
}

/// Another thread answers the calls whose sixth argument is `MARK` in the kernel's place: so
/// whatever it does has happened by the time that they return. Exits with 3 where it may not.
const ANSWERS: &str = "import ctypes, fcntl, mmap, os, platform, struct, threading
libc = ctypes.CDLL(None)
SECCOMP, OPENAT, UNLINKAT = (317, 257, 263) if platform.machine() == 'x86_64' else (277, 56, 35)
OPENAT2, MARK = 437, 0x51ec
def answer(*answers):
    code = [(0x20, 0, 0, 56), (0x15, 0, 1, MARK), (0x06, 0, 0, 0x7fc00000), (0x06, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in code))
    libc.prctl(38, 1, 0, 0, 0)
    listener = libc.syscall(SECCOMP, 1, 8, struct.pack('HxxxxxxQ', 4, ctypes.addressof(code)))
    if listener < 0:
        raise SystemExit(3)
    def run():
        for give in answers:
            request = bytearray(80)
            fcntl.ioctl(listener, 0xc0502100, request)
            fcntl.ioctl(listener, 0xc0182101, request[:8] + struct.pack('qiI', give(), 0, 0))
    threading.Thread(target=run, daemon=True).start()
";

/// Runs it; `false`, and a loud word, where no thread may answer calls.
fn answered(test: &str, script: &str, directory: &Path) -> bool {
    match python(&[ANSWERS, script], directory) {
        Some(0) => true,
        Some(3) => {
            not_run(test, "seccomp gives no listener here (Linux 5.0)");
            false
        }
        other => panic!("the program ended with {other:?}"),
    }
}

/// Another thread puts its own file under the number before we look. What cannot be the file is
/// not taken for it: then only the text is known, and the event says so.
async fn a_descriptor_of_another_file(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "decoy = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
answer(lambda: decoy, lambda: 999)
for turn in range(2):
    assert libc.syscall(OPENAT, -100, b'./secret', os.O_RDONLY, 0, 0, MARK) in (decoy, 999)
";
    if !answered("a_descriptor_of_another_file", script, &real) {
        return;
    }
    for _ in 0..2 {
        let event = find(&mut watch, &real, Call::Openat, "./secret").await;
        assert_eq!(truth(&event), real.join("secret").display().to_string());
        check(&event, &[(Field::FdNameUnseen, "true"), (Field::FdTypechar, "f")]);
        check(&event, &[(Field::EvtIsOpenRead, "true"), (Field::EvtFailed, "false")]);
    }
}

/// Either may be a lie, what the memory says now and the file: the event has both.
async fn openat2_and_a_descriptor_of_another_file(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "how = ctypes.create_string_buffer(struct.pack('QQQ', os.O_RDONLY, 0, 0), 24)
made = os.open('made', os.O_CREAT | os.O_RDWR, 0o755)
decoy = os.open('secret', os.O_WRONLY)
def call(path):
    assert libc.syscall(OPENAT2, -100, path, how, 24, 0, MARK) >= 0
answer(lambda: decoy, lambda: made, lambda: 999)
call(b'./read')
call(b'./making')
how.raw = struct.pack('QQQ', os.O_RDONLY, 0, 0x10)
call(os.path.join(os.getcwd(), 'secret').encode())
";
    if !answered("openat2_and_a_descriptor_of_another_file", script, &real) {
        return;
    }
    let event = find(&mut watch, &real, Call::Openat2, "./read").await;
    check(&event, &[(Field::FdName, &real.join("read").display().to_string())]);
    assert_eq!(truth(&event), real.join("secret").display().to_string());
    check(&event, &[(Field::EvtIsOpenRead, "true"), (Field::EvtIsOpenWrite, "true")]);
    check(&event, &[(Field::FdNameUnseen, "true")]);
    let event = find(&mut watch, &real, Call::Openat2, "./making").await;
    assert_eq!(truth(&event), real.join("made").display().to_string());
    check(&event, &[(Field::EvtIsOpenCreate, "true"), (Field::EvtIsOpenExec, "true")]);
    // Whether its directory was its root is in that memory, too.
    let secret = real.join("secret").display().to_string();
    let event = find(&mut watch, &real, Call::Openat2, &secret).await;
    check(&event, &[(Field::FdName, &format!("{}{secret}", real.display()))]);
    assert_eq!(truth(&event), secret);
    check(&event, &[(Field::FdNameUnseen, "true")]);
}

/// A path that can be read by nobody any more is no path, and the event says so.
async fn a_text_that_is_gone(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "page = libc.mmap
page.restype = ctypes.c_void_p
page = page(None, 4096, 3, 0x22, -1, 0)
ctypes.memmove(page, b'secret', 7)
def give():
    os.unlink('secret')
    return libc.mprotect(ctypes.c_void_p(page), 4096, 0)
answer(give)
os.mkdir('begun', 0o700)
assert libc.syscall(UNLINKAT, -100, ctypes.c_void_p(page), 0, 0, 0, MARK) == 0
assert libc.rename(b'begun', ctypes.c_void_p(8)) < 0
assert libc.mkdir(b'', 0o700) < 0
";
    if !answered("a_text_that_is_gone", script, &real) {
        return;
    }
    let cwd = format!("{}/", real.display());
    for (kind, arguments, unseen) in [
        ("mkdir", "res=0 path=begun(DIR/begun) mode=1C0", "false"),
        ("unlinkat", "res=0 dirfd=-100(AT_FDCWD) name= flags=0", "true"),
        ("rename", "res=-14(EFAULT) oldpath=begun(DIR/begun) newpath=", "true"),
        ("mkdir", "res=-2(ENOENT) path=DIR mode=1C0", "false"),
    ] {
        let event = watch
            .find(kind, |event| {
                has(event, Field::EvtType, kind) && has(event, Field::ProcCwd, &cwd)
            })
            .await;
        let line = field(&event, Field::EvtArgs, None);
        assert_eq!(line.replace(real.to_str().unwrap(), "DIR"), arguments);
        check(&event, &[(Field::FdNameUnseen, unseen)]);
    }
}
