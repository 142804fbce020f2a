//! Calls about names of files, from their records to what rules see of them.

#[path = "support/record.rs"]
mod record;

use std::{fmt::Write as _, sync::Arc};

use expect_test::{Expect, expect};
use lanner_engine::{Event as _, Field, Value};
use lanner_sensor::{
    decode::{Call, Family, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::SyscallEvent,
};

use crate::record::{Head, PathCallFacts, path_call_payload, record};

const HERE: i32 = -100;
const NOWHERE: i32 = -1;
const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;

fn event(call: Call, facts: &PathCallFacts) -> SyscallEvent {
    let bytes =
        record(&Head::default(), Family::PathCall as u16, call.id(), &path_call_payload(facts));
    let proc = tempfile::tempdir().unwrap();
    let node = Node::new("n", Procfs::new(proc.path()), Containers::new(None));
    Enricher::new(Arc::new(node)).take(decode(&bytes).unwrap(), |_| true).unwrap()
}

fn show(value: Option<Value<'_>>) -> String {
    match value {
        Some(Value::Text(bytes)) => bytes.escape_ascii().to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => "none".to_owned(),
    }
}

/// The arguments, what `fd.*` and `fs.path.*` say, and the arguments with the plain paths.
#[track_caller]
fn check(call: Call, facts: &PathCallFacts, expected: Expect) {
    let event = event(call, facts);
    let mut text = format!("{}\n", show(event.get(Field::EvtArgs, None)));
    for field in [
        Field::FdNum,
        Field::FdName,
        Field::FdTypechar,
        Field::FsPathName,
        Field::FsPathSource,
        Field::FsPathTarget,
        Field::FsPathTargetraw,
        Field::EvtAbspath,
        Field::EvtAbspathDst,
    ] {
        if let Some(value) = event.get(field, None) {
            writeln!(text, "{field} {}", show(Some(value))).unwrap();
        }
    }
    if event.has_other_path() {
        let other = event.get_with_other_path(Field::EvtArgs, None);
        writeln!(text, "plain: {}", show(other)).unwrap();
    }
    expected.assert_eq(&text);
}

fn facts(path: &'static [u8]) -> PathCallFacts {
    PathCallFacts { dirfds: [HERE, NOWHERE], path, ..PathCallFacts::default() }
}

#[test]
fn one_path() {
    let home = PathCallFacts { base: b"\x01root\0", ..facts(b"x/../.bash_history\0") };
    check(
        Call::Unlink,
        &home,
        expect![[r#"
            res=0 path=x/../.bash_history(/root/.bash_history)
            fs.path.name /root/.bash_history
        "#]],
    );
    check(
        Call::Rmdir,
        &facts(b"/tmp/a\0"),
        expect![[r#"
        res=0 path=/tmp/a
        fs.path.name /tmp/a
    "#]],
    );
    let mode = PathCallFacts { mode: 0o755, ..facts(b"/usr/bin/x\0") };
    check(
        Call::Mkdir,
        &mode,
        expect![[r#"
            res=0 path=/usr/bin/x mode=1ED
            fs.path.name /usr/bin/x
        "#]],
    );
    let setuid = PathCallFacts { mode: 0o4711, ..facts(b"/tmp/x\0") };
    check(
        Call::Chmod,
        &setuid,
        expect![[r#"
            res=0 filename=/tmp/x mode=04711(S_IXOTH|S_IXGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID)
            fs.path.name /tmp/x
        "#]],
    );
    check(
        Call::Chmod,
        &facts(b"/tmp/x\0"),
        expect![[r#"
        res=0 filename=/tmp/x mode=0
        fs.path.name /tmp/x
    "#]],
    );
}

#[test]
fn a_path_beside_a_descriptor() {
    let beside = PathCallFacts {
        dirfds: [5, NOWHERE],
        base: b"\x01log\0var\0",
        inode_mode: DIRECTORY,
        ..facts(b"syslog\0")
    };
    check(
        Call::Unlinkat,
        &PathCallFacts { flags: 0x200, ..beside.clone() },
        expect![[r#"
            res=0 dirfd=5(<d>/var/log) name=syslog(/var/log/syslog) flags=512(AT_REMOVEDIR)
            fd.num 5
            fd.name /var/log
            fd.typechar d
            fs.path.name /var/log/syslog
            evt.abspath /var/log/syslog
        "#]],
    );
    check(
        Call::Mkdirat,
        &PathCallFacts { mode: 0o700, ..beside.clone() },
        expect![[r#"
            res=0 dirfd=5(<d>/var/log) path=syslog(/var/log/syslog) mode=1C0
            fd.num 5
            fd.name /var/log
            fd.typechar d
            fs.path.name /var/log/syslog
            evt.abspath /var/log/syslog
        "#]],
    );
    check(
        Call::Fchmodat,
        &PathCallFacts { mode: 0o111, ..beside.clone() },
        expect![[r#"
            res=0 dirfd=5(<d>/var/log) filename=syslog(/var/log/syslog) mode=0111(S_IXOTH|S_IXGRP|S_IXUSR)
            fd.num 5
            fd.name /var/log
            fd.typechar d
            fs.path.name /var/log/syslog
            evt.abspath /var/log/syslog
        "#]],
    );
    let whole = PathCallFacts { path: b"\0", flags: 0x1000, mode: 0o644, ..beside };
    check(
        Call::Fchmodat2,
        &whole,
        expect![[r#"
            res=0 dirfd=5(<d>/var/log) filename=/var/log mode=0644(S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR) flags=4096(AT_EMPTY_PATH)
            fd.num 5
            fd.name /var/log
            fd.typechar d
            fs.path.name /var/log
            evt.abspath /var/log
        "#]],
    );
    let closed = PathCallFacts { dirfds: [77, NOWHERE], ..facts(b"x\0") };
    check(
        Call::Unlinkat,
        &closed,
        expect![[r#"
        res=0 dirfd=77 name=x flags=0
        fd.num 77
        fs.path.name x
        evt.abspath x
    "#]],
    );
}

#[test]
fn fchmod_is_about_its_descriptor() {
    let file = PathCallFacts {
        dirfds: [3, NOWHERE],
        base: b"\x01su\0bin\0",
        inode_mode: FILE,
        mode: 0o2755,
        ..facts(b"")
    };
    check(
        Call::Fchmod,
        &file,
        expect![[r#"
            res=0 fd=3(<f>/bin/su) mode=02755(S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISGID)
            fd.num 3
            fd.name /bin/su
            fd.typechar f
            fs.path.name /bin/su
        "#]],
    );
}

#[test]
fn two_paths() {
    let both = PathCallFacts {
        dirfds: [HERE, HERE],
        path: b"a\0",
        other: b"/usr/bin/../bin/ls\0",
        base: b"\x01tmp\0",
        ..PathCallFacts::default()
    };
    check(
        Call::Rename,
        &both,
        expect![[r#"
            res=0 oldpath=a(/tmp/a) newpath=/usr/bin/../bin/ls
            fs.path.source /tmp/a
            fs.path.target /usr/bin/../bin/ls
            fs.path.targetraw /usr/bin/../bin/ls
            plain: res=0 oldpath=a(/tmp/a) newpath=/usr/bin/../bin/ls(/usr/bin/ls)
        "#]],
    );
    check(
        Call::Link,
        &both,
        expect![[r#"
            res=0 oldpath=a(/tmp/a) newpath=/usr/bin/../bin/ls
            fs.path.source /usr/bin/../bin/ls
            fs.path.target /tmp/a
            fs.path.targetraw a
            plain: res=0 oldpath=a(/tmp/a) newpath=/usr/bin/../bin/ls(/usr/bin/ls)
        "#]],
    );
    let at = PathCallFacts {
        dirfds: [4, 5],
        flags: 3,
        path: b"a\0",
        other: b"b\0",
        base: b"\x01one\0",
        other_base: b"\x01two\0",
        inode_mode: DIRECTORY,
        ..PathCallFacts::default()
    };
    check(
        Call::Renameat,
        &at,
        expect![[r#"
            res=0 olddirfd=4(<d>/one) oldpath=a(/one/a) newdirfd=5(<d>/two) newpath=b(/two/b)
            fs.path.source /one/a
            fs.path.target /two/b
            fs.path.targetraw b
            evt.abspath /one/a
            evt.abspath.dst /two/b
        "#]],
    );
    check(
        Call::Renameat2,
        &at,
        expect![[r#"
            res=0 olddirfd=4(<d>/one) oldpath=a(/one/a) newdirfd=5(<d>/two) newpath=b(/two/b) flags=3(RENAME_NOREPLACE|RENAME_EXCHANGE)
            fs.path.source /one/a
            fs.path.target /two/b
            fs.path.targetraw b
            evt.abspath /one/a
            evt.abspath.dst /two/b
        "#]],
    );
    check(
        Call::Linkat,
        &PathCallFacts { flags: 0x400, ..at },
        expect![[r#"
            res=0 olddir=4(<d>/one) oldpath=a(/one/a) newdir=5(<d>/two) newpath=b(/two/b) flags=1024(AT_SYMLINK_FOLLOW)
            fs.path.source /two/b
            fs.path.target /one/a
            fs.path.targetraw a
            evt.abspath /one/a
            evt.abspath.dst /two/b
        "#]],
    );
}

#[test]
fn a_link_to_a_text() {
    let link = |target, path| PathCallFacts { other: target, base: b"\x01x\0tmp\0", ..facts(path) };
    check(
        Call::Symlink,
        &link(b"/etc/shadow\0", b"/tmp/x/y\0"),
        expect![[r#"
        res=0 target=/etc/shadow linkpath=/tmp/x/y
        fs.path.source /tmp/x/y
        fs.path.target /etc/shadow
        fs.path.targetraw /etc/shadow
    "#]],
    );
    // What it leads to starts from where the link is, not from where the program is.
    check(
        Call::Symlink,
        &link(b"../../etc/shadow\0", b"y\0"),
        expect![[r#"
            res=0 target=../../etc/shadow linkpath=y(/tmp/x/y)
            fs.path.source /tmp/x/y
            fs.path.target ../../etc/shadow
            fs.path.targetraw ../../etc/shadow
            plain: res=0 target=../../etc/shadow(/etc/shadow) linkpath=y(/tmp/x/y)
        "#]],
    );
    let beside = PathCallFacts {
        dirfds: [5, NOWHERE],
        inode_mode: DIRECTORY,
        ..link(b"/etc//shadow\0", b"y\0")
    };
    check(
        Call::Symlinkat,
        &beside,
        expect![[r#"
            res=0 target=/etc//shadow linkdirfd=5(<d>/tmp/x) linkpath=y(/tmp/x/y)
            fd.num 5
            fd.name /tmp/x
            fd.typechar d
            fs.path.source /tmp/x/y
            fs.path.target /etc//shadow
            fs.path.targetraw /etc//shadow
            evt.abspath /tmp/x/y
            plain: res=0 target=/etc//shadow(/etc/shadow) linkdirfd=5(<d>/tmp/x) linkpath=y(/tmp/x/y)
        "#]],
    );
}

#[test]
fn bytes_that_are_no_text_stay_what_they_are() {
    check(
        Call::Unlink,
        &facts(b"/tmp/\xff\x1b[31m\n\0"),
        expect![[r#"
        res=0 path=/tmp/\xff\x1b[31m\n
        fs.path.name /tmp/\xff\x1b[31m\n
    "#]],
    );
}
