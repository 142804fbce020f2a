//! Calls about names of files whose names do not show what they are about, done for real. Needs root
//! (or CAP_BPF and CAP_PERFMON) and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    cell::Cell,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use lanner_engine::{Event as _, Field, Options, RuleSet, SourceFile, load};
use lanner_sensor::{decode::Call, event::SyscallEvent};
use lanner_testkit::not_run::not_run;
use tempfile::TempDir;

use crate::watch::{Watch, field, has, run, show};

in_each_mode!(
    a_directory_that_is_a_link,
    what_a_call_follows,
    another_name_of_the_root,
    a_namespace_and_a_root_of_its_own,
    a_link_that_is_gone,
    the_filter_lets_links_pass,
);

/// A directory with `secrets/passwd`, and `link` that leads to `secrets`.
fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(real.join("secrets")).unwrap();
    fs::create_dir(real.join("other")).unwrap();
    fs::write(real.join("secrets/passwd"), "x").unwrap();
    symlink(real.join("secrets"), real.join("link")).unwrap();
    (directory, real)
}

fn python(directory: &Path, script: &str) {
    run("python3", &["-c", &format!("import os, time\n{script}")], directory);
}

/// The next such call of a program in that directory.
async fn find(watch: &mut Watch, directory: &Path, kind: &str, raw: &str) -> SyscallEvent {
    let cwd = format!("{}/", directory.display());
    watch
        .find(&format!("{kind} of {raw}"), |event| {
            has(event, Field::EvtType, kind)
                && has(event, Field::ProcCwd, &cwd)
                && [Field::FsPathNameraw, Field::FsPathSourceraw, Field::FsPathTargetraw]
                    .iter()
                    .any(|name| has(event, *name, raw))
        })
        .await
}

/// What the rules see in the second run.
fn truth(event: &SyscallEvent, name: Field) -> String {
    show(event.get_with_other_path(name, None))
}

#[track_caller]
fn check(event: &SyscallEvent, name: Field, expected: &Path) {
    assert!(event.has_other_path(), "{name}: {}", field(event, name, None));
    assert_eq!(truth(event, name), expected.display().to_string());
    assert_eq!(field(event, Field::FdNameUnseen, None), "false");
}

async fn a_directory_that_is_a_link(mut watch: Watch) {
    watch.only(&[Call::Unlink, Call::Unlinkat, Call::Rename, Call::Renameat2, Call::Mkdir]);
    let (_directory, real) = directory();
    fs::create_dir_all(real.join("a/b")).unwrap();
    fs::write(real.join("a/x"), "x").unwrap();
    symlink("a/b", real.join("deep")).unwrap();
    fs::write(real.join("plain"), "x").unwrap();
    let absolute = format!("{}/link/passwd", real.display());
    python(
        &real,
        &format!(
            "os.unlink('{absolute}')
os.mkdir('link/made')
os.rename('link/made', 'link/../other/moved')
os.unlink('deep/../x')
os.unlink('plain')"
        ),
    );
    let event = find(&mut watch, &real, "unlink", &absolute).await;
    check(&event, Field::FsPathName, &real.join("secrets/passwd"));
    // The text is there, too, and what it means beside it.
    assert_eq!(field(&event, Field::FsPathName, None), absolute);
    assert_eq!(
        truth(&event, Field::EvtArgs),
        format!("res=0 path={absolute}({})", real.join("secrets/passwd").display())
    );
    let event = find(&mut watch, &real, "mkdir", "link/made").await;
    check(&event, Field::FsPathName, &real.join("secrets/made"));
    let event = find(&mut watch, &real, "rename", "link/made").await;
    check(&event, Field::FsPathSource, &real.join("secrets/made"));
    check(&event, Field::FsPathTarget, &real.join("other/moved"));
    // The text would say that it is beside the link.
    let event = find(&mut watch, &real, "unlink", "deep/../x").await;
    assert_eq!(field(&event, Field::FsPathName, None), real.join("x").display().to_string());
    check(&event, Field::FsPathName, &real.join("a/x"));
    let event = find(&mut watch, &real, "unlink", "plain").await;
    assert!(!event.has_other_path());
    assert_eq!(field(&event, Field::FdNameUnseen, None), "false");
    // A program that is gone before anybody looks.
    fs::write(real.join("secrets/passwd"), "x").unwrap();
    run("/bin/sh", &["-c", "rm link/passwd; true"], &real);
    let event = find(&mut watch, &real, "unlinkat", "link/passwd").await;
    check(&event, Field::FsPathName, &real.join("secrets/passwd"));
}

async fn what_a_call_follows(mut watch: Watch) {
    watch.only(&[Call::Chmod, Call::Link, Call::Linkat, Call::Symlink, Call::Unlink]);
    let (_directory, real) = directory();
    symlink("secrets/passwd", real.join("file")).unwrap();
    python(
        &real,
        "os.chmod('file', 0o600)
os.link('file', 'hard', src_dir_fd=os.open('.', os.O_RDONLY))
os.symlink('/nowhere', 'link/made')",
    );
    let event = find(&mut watch, &real, "chmod", "file").await;
    check(&event, Field::FsPathName, &real.join("secrets/passwd"));
    let event = find(&mut watch, &real, "linkat", "file").await;
    check(&event, Field::FsPathTarget, &real.join("secrets/passwd"));
    let event = find(&mut watch, &real, "symlink", "link/made").await;
    assert_eq!(
        show(event.get_with_other_path(Field::EvtArg, Some("linkpath"))),
        real.join("secrets/made").display().to_string()
    );
    // A link is removed itself.
    python(&real, "os.unlink('file')");
    let event = find(&mut watch, &real, "unlink", "file").await;
    assert_eq!(field(&event, Field::FsPathName, None), real.join("file").display().to_string());
    assert!(!event.has_other_path());
}

async fn another_name_of_the_root(mut watch: Watch) {
    watch.only(&[Call::Unlink, Call::Unlinkat, Call::Chmod]);
    let (_directory, real) = directory();
    symlink("/proc/self/root", real.join("root")).unwrap();
    let passwd = real.join("secrets/passwd");
    for name in [
        format!("/proc/self/root{}", passwd.display()),
        format!("{}/root{}/link/passwd", real.display(), real.display()),
        format!("/proc/thread-self/root/proc/self/root/../..{}", passwd.display()),
    ] {
        fs::write(&passwd, "x").unwrap();
        // Gone before anybody looks, as above.
        run("/bin/sh", &["-c", "rm \"$1\"; true", "sh", &name], &real);
        let event = find(&mut watch, &real, "unlinkat", &name).await;
        check(&event, Field::FsPathName, &passwd);
    }
    // These two are what the process has open, as long as it is there.
    fs::write(&passwd, "x").unwrap();
    let script = "f = os.open('secrets/passwd', os.O_RDONLY)
os.chmod(f'/proc/self/fd/{f}', 0o640)
os.unlink('/proc/self/cwd/link/passwd')
while not os.path.exists('done'): time.sleep(0.01)";
    let directory = real.clone();
    let program = std::thread::spawn(move || python(&directory, script));
    let cwd = format!("{}/", real.display());
    let event = watch
        .find("chmod of the descriptor", |event| {
            has(event, Field::EvtType, "chmod") && has(event, Field::ProcCwd, &cwd)
        })
        .await;
    // It may be removed by now.
    let seen = truth(&event, Field::FsPathName);
    let is_unseen = field(&event, Field::FdNameUnseen, None) == "true";
    assert!(is_unseen || seen == passwd.display().to_string(), "{seen}");
    let event = find(&mut watch, &real, "unlink", "/proc/self/cwd/link/passwd").await;
    check(&event, Field::FsPathName, &passwd);
    fs::write(real.join("done"), "").unwrap();
    program.join().unwrap();
}

async fn a_namespace_and_a_root_of_its_own(mut watch: Watch) {
    watch.only(&[Call::Unlink, Call::Unlinkat, Call::Rmdir]);
    let (_directory, real) = directory();
    for folder in ["bound", "jail/etc", "over/lower", "over/upper", "over/work", "over/merged"] {
        fs::create_dir_all(real.join(folder)).unwrap();
    }
    fs::write(real.join("jail/etc/shadow"), "x").unwrap();
    symlink("/etc", real.join("jail/link")).unwrap();
    fs::create_dir(real.join("over/lower/folder")).unwrap();
    fs::write(real.join("over/lower/folder/image"), "x").unwrap();
    symlink("folder", real.join("over/lower/link")).unwrap();
    let script = "set -e
mount --make-rprivate /
mount --bind secrets bound
mount -t overlay overlay -o lowerdir=over/lower,upperdir=over/upper,workdir=over/work over/merged
touch mounts-worked
rm bound/passwd
rm over/merged/link/image
python3 -c 'import os, time
os.chroot(\"jail\")
os.chdir(\"/\")
os.unlink(\"/link/shadow\")
while not os.path.exists(\"/done\"): time.sleep(0.01)'";
    let directory = real.clone();
    let program = std::thread::spawn(move || {
        run("unshare", &["-m", "/bin/sh", "-c", script], &directory);
    });
    while !real.join("mounts-worked").exists() {
        if program.is_finished() {
            not_run("a_namespace_and_a_root_of_its_own", "mounts are refused here");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // A mount of its own is shown where it is, as for files that are opened.
    let event = find(&mut watch, &real, "unlinkat", "bound/passwd").await;
    let bound = real.join("bound/passwd").display().to_string();
    assert_eq!(field(&event, Field::FsPathName, None), bound);
    assert!(!event.has_other_path(), "{}", truth(&event, Field::FsPathName));
    let event = find(&mut watch, &real, "unlinkat", "over/merged/link/image").await;
    check(&event, Field::FsPathName, &real.join("over/merged/folder/image"));
    let event = find(&mut watch, &real, "unlink", "/link/shadow").await;
    check(&event, Field::FsPathName, Path::new("/etc/shadow"));
    fs::write(real.join("jail/done"), "").unwrap();
    program.join().unwrap();
}

/// Nobody can tell any more: the text is all there is, and the event says so.
async fn a_link_that_is_gone(mut watch: Watch) {
    watch.only(&[Call::Unlink]);
    let (_directory, real) = directory();
    python(&real, "os.unlink('link/passwd')\nos.unlink('link')");
    let event = find(&mut watch, &real, "unlink", "link/passwd").await;
    assert_eq!(
        field(&event, Field::FsPathName, None),
        real.join("link/passwd").display().to_string()
    );
    assert_eq!(field(&event, Field::FdNameUnseen, None), "true");
}

fn rules(condition: &str) -> RuleSet {
    let text =
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n");
    let (rules, diagnostics) =
        load(&[SourceFile { name: "r".to_owned(), text }], &Options::default());
    assert_eq!(diagnostics, []);
    rules
}

async fn the_filter_lets_links_pass(mut watch: Watch) {
    watch.only(&[Call::Unlink]);
    let (_directory, real) = directory();
    for number in 0..100 {
        fs::write(real.join(format!("other/{number}")), "x").unwrap();
    }
    let rules = rules(&format!(
        "evt.type = unlink and evt.arg.path startswith {}/secrets/",
        real.display()
    ));
    watch.filter_for(&rules);
    python(
        &real,
        "os.chdir('other')
for number in range(100): os.unlink(str(number))
os.chdir('..')
os.unlink('link/passwd')",
    );
    // A name in the program's own directory is what it seems.
    let others = Cell::new(0);
    let inside = format!("{}/other", real.display());
    let linked = real.join("link/passwd").display().to_string();
    let event = watch
        .find("unlink behind the link", |event| {
            let path = field(event, Field::FsPathName, None);
            others.set(others.get() + u32::from(path.starts_with(&inside)));
            path == linked
        })
        .await;
    check(&event, Field::FsPathName, &real.join("secrets/passwd"));
    assert_eq!(rules.evaluate("syscall", &event).len(), 1);
    assert_eq!(others.get(), 0, "not withheld");
}
