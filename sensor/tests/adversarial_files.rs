//! What an attacker does so that a file's name does not show, done for real. Needs root (or
//! CAP_BPF and CAP_PERFMON) and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
};

use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::event::SyscallEvent;
use lanner_testkit::not_run::not_run;
use tempfile::TempDir;

use crate::watch::{Watch, field, has, run, show};

in_each_mode!(
    another_name_of_the_root,
    a_bind_mount_and_a_root_of_its_own,
    a_hard_link,
    a_name_that_is_no_text,
    a_deleted_file_and_one_in_memory,
    a_path_longer_than_any_path,
);

/// A directory with a file `secret`, without links in its own path.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::write(real.join("secret"), "x").unwrap();
    (directory, real)
}

fn python(script: &str, directory: &Path) {
    run("python3", &["-c", script], directory);
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

/// Whether it is the open of a file that really is `path`.
fn opens(event: &SyscallEvent, path: &Path) -> bool {
    let is_open = matches!(field(event, Field::EvtType, None).as_str(), "open" | "openat");
    is_open && truth(event) == path.display().to_string()
}

/// The path that rules see in the second run, or else in the only one.
fn truth(event: &SyscallEvent) -> String {
    match event.has_other_path() {
        true => show(event.get_with_other_path(Field::FdName, None)),
        false => field(event, Field::FdName, None),
    }
}

async fn another_name_of_the_root(mut watch: Watch) {
    let (_directory, real) = directory();
    let secret = real.join("secret");
    symlink("/proc/self/root", real.join("root")).unwrap();
    let names = [
        format!("/proc/self/root{}", secret.display()),
        format!("/proc/self/cwd/../{}/secret", real.file_name().unwrap().display()),
        format!("/proc/self/root/proc/self/root/../../..{}", secret.display()),
        format!("{}/root/{}", real.display(), secret.display()),
        "/dev/fd/../cwd/secret".to_owned(),
    ];
    for name in names {
        run("/bin/cat", &[&name], &real);
        let event =
            find(&mut watch, &real, &name, |event| has(event, Field::FdNameraw, &name)).await;
        assert!(opens(&event, &secret), "{name}: {}", truth(&event));
    }
}

async fn a_bind_mount_and_a_root_of_its_own(mut watch: Watch) {
    let (_directory, real) = directory();
    for folder in ["bound", "jail/etc", "over/lower", "over/upper", "over/work", "over/merged"] {
        fs::create_dir_all(real.join(folder)).unwrap();
    }
    fs::write(real.join("jail/etc/shadow"), "x").unwrap();
    fs::write(real.join("over/lower/image"), "x").unwrap();
    fs::copy("/bin/busybox", real.join("jail/busybox")).ok();
    let script = "set -e
mount --make-rprivate /
mount --bind . bound && cat bound/secret && umount bound
mount -t overlay overlay -o lowerdir=over/lower,upperdir=over/upper,workdir=over/work over/merged
echo x > over/merged/new; cat over/merged/image
touch mounts-worked
python3 -c 'import os
os.chroot(\"jail\"); os.chdir(\"/\"); open(\"etc/../etc/shadow\").read()'
touch chroot-worked";
    run("unshare", &["-m", "/bin/sh", "-c", script], &real);
    if !real.join("mounts-worked").exists() {
        not_run("a_bind_mount_and_a_root_of_its_own", "mounts are refused here");
        return;
    }
    assert!(real.join("chroot-worked").exists());
    let bound = real.join("bound/secret");
    let event = find(&mut watch, &real, "the bound file", |event| opens(event, &bound)).await;
    // One file, whatever the mount.
    let ino = fs::metadata(real.join("secret")).unwrap();
    let ino = std::os::unix::fs::MetadataExt::ino(&ino).to_string();
    assert_eq!(field(&event, Field::FdIno, None), ino);

    let new = real.join("over/merged/new");
    let event = find(&mut watch, &real, "the upper layer's file", |event| opens(event, &new)).await;
    assert_eq!(field(&event, Field::FdIsUpperLayer, None), "true");
    let flags = field(&event, Field::EvtArg, Some("flags"));
    assert!(flags.ends_with("O_F_CREATED|FD_UPPER_LAYER"), "{flags}");
    let image = real.join("over/merged/image");
    let event =
        find(&mut watch, &real, "the lower layer's file", |event| opens(event, &image)).await;
    assert_eq!(field(&event, Field::FdIsLowerLayer, None), "true");

    // Falco and the program itself see it so.
    let event = find(&mut watch, &real, "the file in the jail", |event| {
        opens(event, Path::new("/etc/shadow"))
    })
    .await;
    assert_eq!(field(&event, Field::FdNameraw, None), "etc/../etc/shadow");
}

/// A second name of a file is its name: the number of the file tells that it is the same one.
async fn a_hard_link(mut watch: Watch) {
    let (_directory, real) = directory();
    run("/bin/ln", &["secret", "other"], &real);
    run("/bin/cat", &["other"], &real);
    let event = find(&mut watch, &real, "the link", |event| {
        ["link", "linkat"].contains(&field(event, Field::EvtType, None).as_str())
    })
    .await;
    let secret = real.join("secret").display().to_string();
    assert_eq!(field(&event, Field::EvtArg, Some("oldpath")), secret);
    let other = real.join("other");
    let event = find(&mut watch, &real, "the open", |event| opens(event, &other)).await;
    let metadata = fs::metadata(real.join("secret")).unwrap();
    let ino = std::os::unix::fs::MetadataExt::ino(&metadata).to_string();
    assert_eq!(field(&event, Field::FdIno, None), ino);
    let device = std::os::unix::fs::MetadataExt::dev(&metadata).to_string();
    assert_eq!(field(&event, Field::FdDev, None), device);
}

async fn a_name_that_is_no_text(mut watch: Watch) {
    let (_directory, real) = directory();
    let name = b"\xff\xfe\x1b[2J\r\n\x01";
    python(
        "open(b'\\xff\\xfe\\x1b[2J\\r\\n\\x01', 'w'); import os; os.unlink(b'\\xff\\xfe\\x1b[2J\\r\\n\\x01')",
        &real,
    );
    let whole = [real.as_os_str().as_bytes(), b"/", name].concat();
    let is_it = |event: &SyscallEvent, field, argument| {
        event.get(field, argument) == Some(Value::text(whole.as_slice()))
    };
    let event =
        find(&mut watch, &real, "the open", |event| is_it(event, Field::FdName, None)).await;
    assert_eq!(event.get(Field::FdFilename, None), Some(Value::text(name.as_slice())));
    find(&mut watch, &real, "the unlink", |event| {
        has(event, Field::EvtType, "unlink") && is_it(event, Field::EvtArg, Some("path"))
    })
    .await;
}

async fn a_deleted_file_and_one_in_memory(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "import os
f = os.open('secret', os.O_RDONLY)
os.unlink('secret')
os.open('/proc/self/fd/%d' % f, os.O_RDONLY)
m = os.memfd_create('hidden')
os.open('/proc/self/fd/%d' % m, os.O_RDWR)
";
    python(script, &real);
    let secret = real.join("secret").display().to_string();
    let event = find(&mut watch, &real, "the deleted file", |event| {
        show(event.get(Field::FdNameraw, None)).starts_with("/proc/self/fd/")
    })
    .await;
    assert_eq!(truth(&event), secret);
    let event = find(&mut watch, &real, "the file in memory", |event| {
        show(event.get(Field::FdNameraw, None)).starts_with("/proc/self/fd/")
    })
    .await;
    assert_eq!(truth(&event), "memfd:hidden");
}

async fn a_path_longer_than_any_path(mut watch: Watch) {
    let (_directory, real) = directory();
    let script = "import os, shutil
top = os.getcwd()
for turn in range(30):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
open('deep', 'w').close()
try:
    open('./' * 2045 + 'deep')
    open('/' * 4096 + 'x')
except OSError:
    pass
os.chdir(top)
shutil.rmtree('d' * 200)
";
    python(script, &real);
    let event =
        find(&mut watch, &real, "the deep file", |event| has(event, Field::FdNameraw, "deep"))
            .await;
    // Of a path of 6000 bytes the root is not reached.
    assert_eq!(field(&event, Field::FdNameUnseen, None), "true");
    assert!(!event.has_other_path());
    find(&mut watch, &real, "the long argument", |event| {
        show(event.get(Field::FdNameraw, None)).starts_with("./././")
    })
    .await;
    let event = find(&mut watch, &real, "more than a path", |event| {
        show(event.get(Field::FdNameraw, None)).starts_with("////")
    })
    .await;
    assert_eq!(field(&event, Field::EvtRes, None), "ENAMETOOLONG");
}

/// A program of 64 bits that makes 32-bit calls: `open("./secret")`, by `int 0x80`.
#[cfg(target_arch = "x86_64")]
mod calls_of_32_bits {
    use super::*;
    use crate::watch::Mode;

    const SOURCE: &str = r#"
        .globl _start
        _start:
            mov $5, %eax
            lea path(%rip), %rbx
            xor %ecx, %ecx
            xor %edx, %edx
            int $0x80
            mov $39, %eax
            lea folder(%rip), %rbx
            mov $0x1c0, %ecx
            int $0x80
            # The end, seen in each mode: mkdir of 64 bits.
            mov $83, %eax
            lea end(%rip), %rdi
            mov $0x1c0, %esi
            syscall
            mov $60, %eax
            xor %edi, %edi
            syscall
        path: .asciz "./secret"
        folder: .asciz "by-int-0x80"
        end: .asciz "by-syscall"
    "#;

    /// Runs it in a directory of its own; `None`, and a loud word, without a compiler.
    fn run_it(test: &str) -> Option<(TempDir, PathBuf)> {
        let (directory, real) = directory();
        fs::write(real.join("calls.s"), SOURCE).unwrap();
        // Addresses must fit into 32 bits.
        let built = Command::new("gcc")
            .args(["-nostdlib", "-static", "-no-pie", "-o", "calls", "calls.s"])
            .current_dir(&real)
            .status();
        if !built.is_ok_and(|status| status.success()) {
            not_run(test, "gcc is needed to build a program that makes 32-bit calls");
            return None;
        }
        run(real.join("calls").to_str().unwrap(), &[], &real);
        if !real.join("by-int-0x80").exists() {
            not_run(test, "this kernel makes no 32-bit calls");
            return None;
        }
        Some((directory, real))
    }

    async fn are_seen(test: &str, mode: Mode) {
        let Some(mut watch) = Watch::start(test, mode) else { return };
        let Some((_directory, real)) = run_it(test) else { return };
        let secret = real.join("secret");
        find(&mut watch, &real, "the open", |event| {
            has(event, Field::EvtType, "open") && opens(event, &secret)
        })
        .await;
        let made = real.join("by-int-0x80").display().to_string();
        find(&mut watch, &real, "the mkdir", |event| {
            show(event.get(Field::EvtArg, Some("path"))) == made
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn full() {
        are_seen("calls_of_32_bits::full", Mode::Full).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn base() {
        are_seen("calls_of_32_bits::base", Mode::Base).await;
    }

    /// What the documentation says of this mode.
    #[tokio::test(flavor = "multi_thread")]
    async fn tracepoints_do_not_see_them() {
        let test = "calls_of_32_bits::tracepoints";
        let Some(mut watch) = Watch::start(test, Mode::Tracepoints) else { return };
        let Some((_directory, real)) = run_it(test) else { return };
        let end = real.join("by-syscall").display().to_string();
        let secret = real.join("secret");
        let saw_open = std::cell::Cell::new(false);
        find(&mut watch, &real, "the call of 64 bits", |event| {
            saw_open.set(saw_open.get() || opens(event, &secret));
            show(event.get(Field::EvtArg, Some("path"))) == end
        })
        .await;
        assert!(!saw_open.get());
    }
}
