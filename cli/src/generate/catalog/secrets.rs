//! Files with secrets in them, read by every way around their names.

use std::{
    env,
    ffi::CString,
    fs::{self, File},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use compio_driver::{Proactor, PushEntry, op::OpenFile};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use super::files::{NewFolders, named_by_token};
use crate::generate::{
    action::{ACTION, Action, Need, PART, Part, Place},
    scene::Scene,
    system_calls::{self, Argument, Call, Gate},
};

const SHADOW: &str = "/etc/shadow";

const CAT: &[Part] = &[Part { program: "cat", ..PART }];

/// Somebody reads the password hashes; what differs is the way.
const READ_SHADOW: Action = Action {
    harmless: "the file is opened and closed, and not one byte of it is read",
    rules: &["Read sensitive file untrusted"],
    falco: &["Read sensitive file untrusted"],
    mitre: "T1003.008",
    event: "openat",
    needs: &[Need::Root, Need::File(SHADOW)],
    cast: CAT,
    ..ACTION
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "read-shadow",
        does: "opens /etc/shadow",
        act: |scene| open_shadow(scene, Path::new(SHADOW)),
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-in-container",
        does: "opens /etc/shadow in a container",
        place: Place::Container,
        act: |scene| open_shadow(scene, Path::new(SHADOW)),
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-relative",
        does: "goes to /etc and opens shadow",
        act: |scene| {
            env::set_current_dir("/etc").context("cannot go to /etc")?;
            open_shadow(scene, Path::new("shadow"))
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-dotdot",
        does: "opens /usr/share/../../etc/shadow",
        falco: &["Read sensitive file untrusted", "Directory traversal monitored file read"],
        act: |scene| open_shadow(scene, Path::new("/usr/share/../../etc/shadow")),
        ..READ_SHADOW
    },
    Action {
        name: "traverse-directories",
        does: "opens ../../../../../../../../etc/shadow from a folder of its own",
        harmless: "the file is opened and closed, and not one byte of it is read",
        rules: &["Directory traversal monitored file read"],
        falco: &["Directory traversal monitored file read"],
        mitre: "T1555",
        cast: &[Part { program: "httpd", ..PART }],
        act: |scene| {
            env::set_current_dir(scene.orders.dir()).context("cannot go to our folder")?;
            open_shadow(scene, Path::new("../../../../../../../../etc/shadow"))
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-symlink",
        does: "makes a symbolic link to /etc/shadow and opens that",
        falco: &[],
        act: |scene| {
            let link = scene.own("link");
            symlink(SHADOW, &link).context("cannot make a link")?;
            File::open(&link).context("cannot open the link")?;
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-proc-root",
        does: "opens /proc/self/root/etc/shadow",
        falco: &[],
        act: |scene| {
            File::open("/proc/self/root/etc/shadow").context("cannot open it")?;
            scene.tell()
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-openat2",
        does: "opens etc/shadow below / by openat2 with RESOLVE_IN_ROOT",
        event: "openat2",
        falco: &[],
        act: |scene| {
            let root = File::open("/").context("cannot open /")?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let within = ResolveFlags::IN_ROOT;
            openat2(&root, "etc/shadow", flags, Mode::empty(), within).context("cannot openat2")?;
            scene.expect("fd.name", SHADOW);
            Ok(())
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-32-bit",
        does: "opens /etc/shadow by a 32-bit system call (int 0x80)",
        event: "open",
        needs: &[Need::Root, Need::File(SHADOW), Need::Amd64],
        act: |scene| {
            const OPEN: u32 = 5;
            let path = Argument::Bytes(b"/etc/shadow\0".to_vec());
            let arguments = [path, Argument::Number(0), Argument::Number(0)];
            scene.expect("fd.name", SHADOW);
            let file = scene.own("reader32");
            system_calls::write(&file, &[Call { gate: Gate::Int80, number: OPEN, arguments }])?;
            become_calls(scene, &file)
        },
        ..READ_SHADOW
    },
    Action {
        name: "read-shadow-io-uring",
        does: "opens /etc/shadow through an io_uring, without the system call for it",
        needs: &[Need::Root, Need::File(SHADOW)],
        falco: &[],
        act: |scene| {
            open_by_ring(SHADOW)?;
            scene.expect("fd.name", SHADOW);
            Ok(())
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
        cast: &[Part { program: "ln", ..PART }],
        act: |scene| {
            let link = scene.own("link");
            symlink(SHADOW, &link).context("cannot make a link")?;
            scene.expect("evt.arg.target", SHADOW);
            scene.expect_path("evt.arg.linkpath", &link);
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
        cast: &[Part { program: "ln", ..PART }],
        act: |scene| {
            let link = Path::new("/etc").join(format!("lanner-generate-{}", scene.token()));
            fs::hard_link(SHADOW, &link).context("cannot make a hard link")?;
            File::open(&link).context("cannot open the hard link")?;
            fs::remove_file(&link).context("cannot remove the hard link")?;
            scene.expect("evt.arg.oldpath", SHADOW);
            scene.expect_path("evt.arg.newpath", &link);
            Ok(())
        },
        leaves: &["/etc/lanner-generate-<token>"],
    },
    Action {
        name: "read-ssh-key",
        does: "reads a key of its own in /root/.ssh",
        harmless: "the key is a few zeros in the container's memory, or is removed at once",
        rules: &["Read ssh information"],
        falco: &["Read ssh information"],
        mitre: "T1552.004",
        event: "openat",
        needs: &[Need::Root],
        place: Place::Container,
        cast: CAT,
        act: |scene| {
            let _folders = NewFolders::make(Path::new("/root/.ssh"))?;
            read_new_file(scene, named_by_token(scene, "/root/.ssh", ""))
        },
        leaves: &["/root/.ssh/lanner-generate-<token>"],
    },
    Action {
        name: "read-cloud-credentials",
        does: "reads a file of its own called as a cloud's credentials are",
        harmless: "the file is in a folder of its own",
        rules: &["Read cloud credentials untrusted"],
        mitre: "T1552.001",
        event: "openat",
        cast: CAT,
        act: |scene| read_own(scene, ".aws/credentials"),
        ..ACTION
    },
    Action {
        name: "read-cluster-credentials",
        does: "reads a file of its own called as the cluster's credentials are",
        harmless: "the file is in a folder of its own",
        rules: &["Read cluster credentials untrusted"],
        mitre: "T1552.001",
        event: "openat",
        cast: CAT,
        act: |scene| read_own(scene, "etc/kubernetes/admin.conf"),
        ..ACTION
    },
    Action {
        name: "read-service-account-token",
        does: "reads a token of its own in /var/run/secrets in a container",
        harmless: "the token is none, in the container's memory, and removed at once",
        rules: &["Read service account token by tool"],
        mitre: "T1528",
        event: "openat",
        needs: &[Need::Root],
        place: Place::Container,
        cast: CAT,
        act: |scene| {
            let folder = named_by_token(scene, "/var/run/secrets", "");
            let _folders = NewFolders::make(&folder)?;
            read_new_file(scene, folder.join("token"))
        },
        leaves: &["/var/run/secrets/lanner-generate-<token>"],
        ..ACTION
    },
    Action {
        name: "open-memory",
        does: "opens its own memory as a file",
        harmless: "nothing is read or written",
        rules: &["Memory of a process opened"],
        mitre: "T1003.007",
        event: "openat",
        act: |_| {
            File::open("/proc/self/mem").context("cannot open the memory")?;
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "read-environment",
        does: "opens the environment of process 1 in a container",
        harmless: "it is opened and closed, and nothing is read",
        rules: &["Read environment variable from /proc files"],
        falco: &["Read environment variable from /proc files"],
        mitre: "T1083",
        event: "openat",
        place: Place::Container,
        cast: CAT,
        act: |scene| {
            File::open("/proc/1/environ").context("cannot open /proc/1/environ")?;
            scene.expect("fd.name", "/proc/1/environ");
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "search-keys-by-content",
        does: "runs grep with what private keys begin with",
        rules: &["Search Private Keys or Passwords"],
        falco: &["Search Private Keys or Passwords"],
        mitre: "T1552.001",
        cast: &[Part {
            program: "grep",
            args: &["-r", "BEGIN RSA PRIVATE KEY", "/<token>"],
            ..PART
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "search-keys-by-name",
        does: "runs find with the names of private keys",
        rules: &["Search Private Keys or Passwords"],
        falco: &["Search Private Keys or Passwords"],
        mitre: "T1552.001",
        cast: &[Part { program: "find", args: &["/<token>", "-name", "id_rsa"], ..PART }],
        ..ONLY_NAMED
    },
    Action {
        name: "search-cloud-credentials",
        does: "runs find with where a cloud's credentials are kept",
        rules: &["Search Private Keys or Passwords"],
        falco: &["Find AWS Credentials"],
        mitre: "T1552.001",
        cast: &[Part {
            program: "find",
            args: &["/<token>", "-path", "*/.aws/credentials"],
            ..PART
        }],
        ..ONLY_NAMED
    },
];

/// The program's name and arguments are all there is to see.
pub(super) const ONLY_NAMED: Action =
    Action { harmless: "our own program has that name, and ends at once", ..ACTION };

fn read_own(scene: &mut Scene, name: &str) -> anyhow::Result<()> {
    let file = scene.own(name);
    let _folders = NewFolders::make(file.parent().context("a file lies in a folder")?)?;
    read_new_file(scene, file)
}

fn read_new_file(scene: &mut Scene, file: PathBuf) -> anyhow::Result<()> {
    File::create_new(&file).context("cannot make a file")?;
    File::open(&file).context("cannot open the file")?;
    fs::remove_file(&file).context("cannot remove the file")?;
    scene.expect_path("fd.name", &file);
    Ok(())
}

fn open_shadow(scene: &mut Scene, path: &Path) -> anyhow::Result<()> {
    // By the name as it is, whatever the standard library would make of it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let bytes = path.as_os_str().as_bytes();
    rustix::fs::openat(CWD, bytes, flags, Mode::empty()).context("cannot open it")?;
    scene.expect("fd.name", SHADOW);
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
pub(super) fn become_calls(scene: &mut Scene, file: &Path) -> anyhow::Result<()> {
    let token = scene.token().to_owned();
    scene.becomes(file, &[&token]);
    scene.tell()?;
    Err(system_calls::run(file, &[&token]))
}
