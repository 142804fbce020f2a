//! Real calls about files and their names, seen through the real kernel programs. Needs root (or
//! CAP_BPF and CAP_PERFMON) and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
};

use lanner_engine::{Event as _, Field};
use lanner_sensor::event::SyscallEvent;
use tempfile::TempDir;

use crate::watch::{Watch, field, has, run, show};

in_each_mode!(
    names_are_made_moved_and_removed,
    calls_beside_a_descriptor,
    modes_are_changed,
    links_are_made,
    failures_are_seen,
    openat2_tells_how_it_resolves,
    a_file_opened_by_its_handle,
    a_path_alone_and_a_file_without_a_name,
);

/// A directory without links in its own path.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    (directory, real)
}

fn python(script: &str, directory: &Path) {
    run("python3", &["-c", script], directory);
}

/// `evt.args` of the next event of that type whose arguments hold `text`, without the directory.
async fn arguments(watch: &mut Watch, kind: &str, text: &str, directory: &Path) -> String {
    let event = find(watch, kind, text, directory).await;
    field(&event, Field::EvtArgs, None).replace(directory.to_str().unwrap(), "DIR")
}

/// The next event of that type, of a program in that directory, whose arguments hold `text`.
async fn find(watch: &mut Watch, kind: &str, text: &str, directory: &Path) -> SyscallEvent {
    let cwd = format!("{}/", directory.display());
    watch
        .find(&format!("{kind} of {text}"), |event| {
            has(event, Field::EvtType, kind)
                && has(event, Field::ProcCwd, &cwd)
                && show(event.get(Field::EvtArgs, None)).contains(text)
        })
        .await
}

async fn names_are_made_moved_and_removed(mut watch: Watch) {
    let (_directory, real) = directory();
    python(
        "import os
os.mkdir('made', 0o750)
os.rename('made', './moved')
os.rmdir('x/../moved' if os.path.exists('x') else 'moved')
open('file', 'w').close()
os.unlink(os.getcwd() + '/file')
",
        &real,
    );
    let mut next = async |kind, text| arguments(&mut watch, kind, text, &real).await;
    assert_eq!(next("mkdir", "made").await, "res=0 path=made(DIR/made) mode=1E8");
    assert_eq!(
        next("rename", "made").await,
        "res=0 oldpath=made(DIR/made) newpath=./moved(DIR/moved)"
    );
    assert_eq!(next("rmdir", "moved").await, "res=0 path=moved(DIR/moved)");
    assert_eq!(next("unlink", "file").await, "res=0 path=DIR/file");
}

async fn calls_beside_a_descriptor(mut watch: Watch) {
    let (_directory, real) = directory();
    fs::create_dir(real.join("in")).unwrap();
    python(
        "import os, ctypes
d = os.open('in', os.O_RDONLY | os.O_DIRECTORY)
os.mkdir('made', 0o700, dir_fd=d)
os.rename('made', 'moved', src_dir_fd=d)
os.rename('moved', 'back', dst_dir_fd=d)
os.rmdir('back', dir_fd=d)
libc = ctypes.CDLL(None)
open('one', 'w').close()
libc.syscall(316, -100, b'one', d, b'two', 1)
os.unlink('two', dir_fd=d)
",
        &real,
    );
    let mut next = async |kind, text| arguments(&mut watch, kind, text, &real).await;
    assert_eq!(
        next("mkdirat", "made").await,
        "res=0 dirfd=3(<d>DIR/in) path=made(DIR/in/made) mode=1C0"
    );
    assert_eq!(
        next("renameat", "made").await,
        "res=0 olddirfd=3(<d>DIR/in) oldpath=made(DIR/in/made) newdirfd=-100(AT_FDCWD) newpath=moved(DIR/moved)"
    );
    assert_eq!(
        next("renameat", "moved").await,
        "res=0 olddirfd=-100(AT_FDCWD) oldpath=moved(DIR/moved) newdirfd=3(<d>DIR/in) newpath=back(DIR/in/back)"
    );
    assert_eq!(
        next("unlinkat", "back").await,
        "res=0 dirfd=3(<d>DIR/in) name=back(DIR/in/back) flags=512(AT_REMOVEDIR)"
    );
    if cfg!(target_arch = "x86_64") {
        assert_eq!(
            next("renameat2", "two").await,
            "res=0 olddirfd=-100(AT_FDCWD) oldpath=one(DIR/one) newdirfd=3(<d>DIR/in) newpath=two(DIR/in/two) flags=1(RENAME_NOREPLACE)"
        );
    }
    let event = find(&mut watch, "unlinkat", "two", &real).await;
    assert_eq!(field(&event, Field::FdName, None), real.join("in").display().to_string());
    assert_eq!(field(&event, Field::FdTypechar, None), "d");
    let path = real.join("in/two").display().to_string();
    assert_eq!(field(&event, Field::FsPathName, None), path);
    assert_eq!(field(&event, Field::FsPathNameraw, None), "two");
}

async fn modes_are_changed(mut watch: Watch) {
    let (_directory, real) = directory();
    python(
        "import os, ctypes
f = os.open('tool', os.O_CREAT | os.O_WRONLY, 0o600)
os.chmod('tool', 0o4755)
os.fchmod(f, 0o2711)
d = os.open('.', os.O_RDONLY)
os.chmod('tool', 0o111, dir_fd=d)
ctypes.CDLL(None).syscall(452, d, b'tool', 0o600, 0x100)
",
        &real,
    );
    let mut next = async |kind, text| arguments(&mut watch, kind, text, &real).await;
    assert_eq!(
        next("chmod", "tool").await,
        "res=0 filename=tool(DIR/tool) mode=04755(S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID)"
    );
    assert_eq!(
        next("fchmod", "tool").await,
        "res=0 fd=3(<f>DIR/tool) mode=02711(S_IXOTH|S_IXGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISGID)"
    );
    assert_eq!(
        next("fchmodat", "tool").await,
        "res=0 dirfd=4(<d>DIR) filename=tool(DIR/tool) mode=0111(S_IXOTH|S_IXGRP|S_IXUSR)"
    );
    // A kernel that does not know the call (before Linux 6.6) tells of it, too.
    let line = next("fchmodat2", "tool").await;
    assert!(
        line.ends_with(
            "dirfd=4(<d>DIR) filename=tool(DIR/tool) mode=0600(S_IWUSR|S_IRUSR) flags=256(AT_SYMLINK_NOFOLLOW)"
        ),
        "{line}"
    );
}

async fn links_are_made(mut watch: Watch) {
    let (_directory, real) = directory();
    python(
        "import os
open('file', 'w').close()
os.link('file', 'hard')
os.symlink('/etc/shadow', 'absolute')
os.symlink('../../../../../../etc/shadow', 'relative')
d = os.open('.', os.O_RDONLY)
os.symlink('file', 'beside', dir_fd=d)
os.link('file', 'hard2', src_dir_fd=d, dst_dir_fd=d)
",
        &real,
    );
    let line = arguments(&mut watch, "link", "hard", &real).await;
    assert_eq!(line, "res=0 oldpath=file(DIR/file) newpath=hard(DIR/hard)");
    let line = arguments(&mut watch, "symlink", "absolute", &real).await;
    assert_eq!(line, "res=0 target=/etc/shadow linkpath=absolute(DIR/absolute)");
    let event = find(&mut watch, "symlink", "relative", &real).await;
    assert_eq!(field(&event, Field::EvtArg, Some("target")), "../../../../../../etc/shadow");
    let plain = event.get_with_other_path(Field::EvtArg, Some("target"));
    assert_eq!(show(plain), "/etc/shadow");
    let mut next = async |kind, text| arguments(&mut watch, kind, text, &real).await;
    assert_eq!(
        next("symlinkat", "beside").await,
        "res=0 target=file linkdirfd=3(<d>DIR) linkpath=beside(DIR/beside)"
    );
    assert_eq!(
        next("linkat", "hard2").await,
        "res=0 olddir=3(<d>DIR) oldpath=file(DIR/file) newdir=3(<d>DIR) newpath=hard2(DIR/hard2) flags=1024(AT_SYMLINK_FOLLOW)"
    );
}

async fn failures_are_seen(mut watch: Watch) {
    let (_directory, real) = directory();
    run("/bin/rmdir", &["missing"], &real);
    let line = arguments(&mut watch, "rmdir", "missing", &real).await;
    assert_eq!(line, "res=-2(ENOENT) path=missing(DIR/missing)");
    python("import os; os.unlink('missing2', dir_fd=77)", &real);
    let line = arguments(&mut watch, "unlinkat", "missing2", &real).await;
    assert_eq!(line, "res=-9(EBADF) dirfd=77 name=missing2 flags=0");
}

/// `openat2` by its number, which is the same on every machine.
const OPENAT2: &str = "import os, ctypes, struct, sys
def openat2(dirfd, path, flags, mode, resolve):
    how = struct.pack('QQQ', flags, mode, resolve)
    return ctypes.CDLL(None).syscall(437, dirfd, path, how, len(how))
";

async fn openat2_tells_how_it_resolves(mut watch: Watch) {
    let (_directory, real) = directory();
    fs::create_dir_all(real.join("root/etc")).unwrap();
    fs::write(real.join("root/etc/shadow"), "x").unwrap();
    let script = format!(
        "{OPENAT2}
d = os.open('root', os.O_PATH | os.O_DIRECTORY)
openat2(d, b'/../etc/./shadow', os.O_RDONLY, 0, 0x10)
openat2(d, b'/etc/missing', os.O_RDWR | os.O_CREAT, 0o640, 0x08)
"
    );
    python(&script, &real);
    let event = find(&mut watch, "openat2", "shadow", &real).await;
    // Its directory is its root: the real file is not the host's.
    let inside = real.join("root/etc/shadow").display().to_string();
    assert_eq!(field(&event, Field::FdName, None), inside);
    assert_eq!(field(&event, Field::FdNameraw, None), "/../etc/./shadow");
    assert_eq!(field(&event, Field::EvtArg, Some("resolve")), "RESOLVE_IN_ROOT");
    assert!(!event.has_other_path());
    let event = find(&mut watch, "openat2", "missing", &real).await;
    assert_eq!(field(&event, Field::EvtRes, None), "EXDEV");
    assert_eq!(field(&event, Field::EvtArg, Some("resolve")), "RESOLVE_BENEATH");
    assert_eq!(field(&event, Field::EvtArg, Some("mode")), "0640");
}

async fn a_file_opened_by_its_handle(mut watch: Watch) {
    // Not on every file system: it must be able to find a file by its number.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::write(real.join("secret"), "x").unwrap();
    let script = "import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 8 + 128)
mount = ctypes.c_int()
assert libc.name_to_handle_at(-100, b'secret', handle, ctypes.byref(mount), 0) == 0
d = os.open('.', os.O_RDONLY)
assert libc.open_by_handle_at(d, handle, os.O_RDONLY) >= 0
os.open('handle-worked', os.O_CREAT | os.O_WRONLY)
";
    python(script, &real);
    assert!(real.join("handle-worked").exists(), "the file system gives no handles");
    let secret = real.join("secret").display().to_string();
    let event = find(&mut watch, "open_by_handle_at", "secret", &real).await;
    assert_eq!(field(&event, Field::FdName, None), secret);
    assert_eq!(field(&event, Field::EvtArg, Some("path")), secret);
    assert_eq!(field(&event, Field::EvtIsOpenRead, None), "true");
    assert_eq!(field(&event, Field::EvtIsOpenExec, None), "false");
}

async fn a_path_alone_and_a_file_without_a_name(mut watch: Watch) {
    // Not every file system can make a file without a name.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::write(real.join("file"), "x").unwrap();
    std::os::unix::fs::symlink("file", real.join("link")).unwrap();
    python(
        "import os
os.open('link', os.O_PATH | os.O_RDWR)
os.open('.', os.O_TMPFILE | os.O_RDWR, 0o700)
os.open('link', os.O_PATH | os.O_NOFOLLOW)
",
        &real,
    );
    let link = real.join("link").display().to_string();
    let event = watch.find("the path", |event| has(event, Field::FdName, &link)).await;
    let file = real.join("file").display().to_string();
    assert_eq!(field(&event, Field::FdNameResolved, None), file);
    assert_eq!(field(&event, Field::FdNameUnseen, None), "false");
    let own = real.display().to_string();
    let event = watch
        .find("the nameless file", |event| {
            has(event, Field::FdName, &own) && has(event, Field::EvtIsOpenCreate, "true")
        })
        .await;
    assert_eq!(field(&event, Field::EvtIsOpenExec, None), "true");
    assert_eq!(field(&event, Field::EvtArg, Some("mode")), "0700");
    assert_eq!(field(&event, Field::FdNameUnseen, None), "false");
    let event = watch.find("the link itself", |event| has(event, Field::FdName, &link)).await;
    assert!(!event.has_other_path());
    assert_eq!(field(&event, Field::FdNameUnseen, None), "false");
}
