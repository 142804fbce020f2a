//! Every way around the name of the file with the password hashes.

use std::{
    env,
    ffi::CString,
    fs::{self, File},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use compio_driver::{Proactor, PushEntry, op::OpenFile};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use super::secrets::CAT;
use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    system_calls::{self, Argument, Call, Gate},
    told::Doer,
};

const SHADOW: &str = "/etc/shadow";

/// Somebody reads the password hashes; what differs is the way.
const READ_SHADOW: Action = Action {
    harmless: "the file is opened and closed, and not one byte of it is read",
    rules: &["Read sensitive file untrusted"],
    falco: &["Read sensitive file untrusted"],
    mitre: "T1003.008",
    event: "openat",
    needs: &[Need::Root, Need::File(SHADOW)],
    processes: CAT,
    ..ACTION
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "read-shadow",
        does: "opens /etc/shadow",
        act: |doer| open_shadow(doer, Path::new(SHADOW)),
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-in-container",
        does: "opens /etc/shadow in a container",
        place: Place::Container,
        act: |doer| open_shadow(doer, Path::new(SHADOW)),
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-relative",
        does: "goes to /etc and opens shadow",
        act: |doer| {
            env::set_current_dir("/etc").context("cannot go to /etc")?;
            open_shadow(doer, Path::new("shadow"))
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-dotdot",
        does: "opens /usr/share/../../etc/shadow",
        falco: &["Read sensitive file untrusted", "Directory traversal monitored file read"],
        act: |doer| open_shadow(doer, Path::new("/usr/share/../../etc/shadow")),
        ..READ_SHADOW
    },
    Action {
        name: "traverse-directories",
        does: "opens ../../../../../../../../etc/shadow from a folder of its own",
        harmless: "the file is opened and closed, and not one byte of it is read",
        rules: &["Directory traversal monitored file read"],
        falco: &["Directory traversal monitored file read"],
        mitre: "T1555",
        processes: &[Process { program: "httpd", ..PROCESS }],
        act: |doer| {
            env::set_current_dir(doer.orders.dir()).context("cannot go to our folder")?;
            open_shadow(doer, Path::new("../../../../../../../../etc/shadow"))
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-symlink",
        does: "makes a symbolic link to /etc/shadow and opens that",
        falco: &[],
        act: |doer| {
            let link = doer.own("link");
            symlink(SHADOW, &link).context("cannot make a link")?;
            File::open(&link).context("cannot open the link")?;
            // The alert names the file that was really opened.
            doer.expect("fd.name", SHADOW);
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-proc-root",
        does: "opens /proc/self/root/etc/shadow",
        falco: &[],
        act: |doer| {
            File::open("/proc/self/root/etc/shadow").context("cannot open it")?;
            doer.expect("fd.name", SHADOW);
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-openat2",
        does: "opens etc/shadow below / by openat2 with RESOLVE_IN_ROOT",
        event: "openat2",
        falco: &[],
        act: |doer| {
            let root = File::open("/").context("cannot open /")?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let within = ResolveFlags::IN_ROOT;
            openat2(&root, "etc/shadow", flags, Mode::empty(), within).context("cannot openat2")?;
            doer.expect("fd.name", SHADOW);
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-32-bit",
        does: "opens /etc/shadow by a 32-bit system call (int 0x80)",
        event: "open",
        needs: &[Need::Root, Need::File(SHADOW), Need::Amd64],
        act: |doer| {
            const OPEN: u32 = 5;
            let path = Argument::Bytes(b"/etc/shadow\0".to_vec());
            let arguments = [path, Argument::Number(0), Argument::Number(0)];
            doer.expect("fd.name", SHADOW);
            let file = doer.own("reader32");
            system_calls::write(&file, &[Call { gate: Gate::Int80, number: OPEN, arguments }])?;
            become_calls(doer, &file)
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-io-uring",
        does: "opens /etc/shadow through an io_uring, without the system call for it",
        needs: &[Need::Root, Need::File(SHADOW)],
        falco: &[],
        act: |doer| {
            open_by_ring(SHADOW)?;
            doer.expect("fd.name", SHADOW);
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-late",
        does: "is a web server that opens /etc/shadow five seconds after its start",
        falco: &["Read sensitive file trusted after startup", "Read sensitive file untrusted"],
        processes: &[Process { program: "httpd", ..PROCESS }],
        act: |doer| {
            // No longer what a server does as it starts.
            thread::sleep(Duration::from_millis(5100));
            open_shadow(doer, Path::new(SHADOW))
        },
        ..READ_SHADOW
    },
    Action {
        name: "link-shadow",
        does: "makes a symbolic link to /etc/shadow",
        harmless: "the link lies in a folder that only root sees and goes with it",
        rules: &["Create Symlink Over Sensitive Files"],
        falco: &["Create Symlink Over Sensitive Files"],
        mitre: "T1555",
        event: "symlink",
        processes: &[Process { program: "ln", ..PROCESS }],
        act: |doer| {
            let link = doer.own("link");
            symlink(SHADOW, &link).context("cannot make a link")?;
            doer.expect("evt.arg.target", SHADOW);
            doer.expect_path("evt.arg.linkpath", &link);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "hard-link-shadow",
        does: "gives /etc/shadow a second name, as one does to read it unseen",
        harmless: "the name is in the container's memory and goes with it, or is removed at once",
        rules: &["Create Hardlink Over Sensitive Files"],
        falco: &["Create Hardlink Over Sensitive Files"],
        mitre: "T1555",
        event: "link",
        needs: &[Need::Root, Need::File(SHADOW)],
        place: Place::Container,
        processes: &[Process { program: "ln", ..PROCESS }],
        act: |doer| {
            let link = Path::new("/etc").join(format!("lanner-generate-{}", doer.token()));
            fs::hard_link(SHADOW, &link).context("cannot make a hard link")?;
            File::open(&link).context("cannot open the hard link")?;
            fs::remove_file(&link).context("cannot remove the hard link")?;
            doer.expect("evt.arg.oldpath", SHADOW);
            doer.expect_path("evt.arg.newpath", &link);
            Ok(())
        },
        leaves: &["/etc/lanner-generate-<token>"],
    },
];

fn open_shadow(doer: &mut Doer, path: &Path) -> anyhow::Result<()> {
    // By the name as it is, whatever the standard library would make of it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let bytes = path.as_os_str().as_bytes();
    rustix::fs::openat(CWD, bytes, flags, Mode::empty()).context("cannot open it")?;
    doer.expect("fd.name", SHADOW);
    Ok(())
}

fn open_by_ring(path: &str) -> anyhow::Result<()> {
    let mut ring = Proactor::new().context("cannot make an io_uring")?;
    let path = CString::new(path).context("a path without a zero byte")?;
    let mut entry = ring.push(OpenFile::new(CWD, path, OFlags::RDONLY, Mode::empty()));
    loop {
        match entry {
            PushEntry::Ready(done) => return done.0.map(drop).context("cannot open it"),
            PushEntry::Pending(key) => {
                ring.poll(None).context("cannot wait for the io_uring")?;
                entry = ring.pop(key);
            }
        }
    }
}

/// This process tells, and becomes the program of [`system_calls::write`].
pub(super) fn become_calls(doer: &mut Doer, file: &Path) -> anyhow::Result<()> {
    let token = doer.token().to_owned();
    doer.becomes(file, &[&token]);
    doer.tell()?;
    Err(system_calls::run(file, &[&token]))
}
