//! Files made, changed and removed where they should not be.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::AsRawFd as _,
        unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rustix::fs::OFlags;

use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    told::Doer,
};

/// A new file, removed at once. In a container of ours it is in memory only.
pub(super) const NEW_FILE: Action = Action {
    harmless: "the file is new, empty, in the container's memory, and removed at once",
    event: "openat",
    needs: &[Need::Root],
    place: Place::Container,
    ..ACTION
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "write-etc",
        does: "makes a file in /etc",
        rules: &["Write below etc"],
        falco: &["Write below etc"],
        mitre: "T1098",
        act: |doer| make_file(doer, "/etc", ""),
        leaves: &["/etc/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-binary-dir",
        does: "makes a file in /usr/bin",
        rules: &["Write below binary dir"],
        falco: &["Write below binary dir"],
        mitre: "T1543",
        act: |doer| make_file(doer, "/usr/bin", ""),
        leaves: &["/usr/bin/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-local-programs",
        does: "makes a file in /usr/local/bin",
        rules: &["Write below binary dir"],
        falco: &["Write below monitored dir"],
        mitre: "T1543",
        act: |doer| make_file(doer, "/usr/local/bin", ""),
        leaves: &["/usr/local/bin/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "make-binary-dir",
        does: "makes a folder in /usr/bin",
        harmless: "the folder is empty, in the container's memory, and removed at once",
        rules: &["Mkdir binary dirs"],
        falco: &["Mkdir binary dirs"],
        mitre: "T1222.002",
        event: "mkdir",
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/usr/bin"))?;
            let folder = named_by_token(doer, "/usr/bin", "");
            fs::create_dir(&folder).context("cannot make a folder")?;
            fs::remove_dir(&folder).context("cannot remove the folder")?;
            doer.expect_path("evt.arg.path", &folder);
            Ok(())
        },
        leaves: &["/usr/bin/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "rename-binary",
        does: "makes, renames and removes a file in /usr/bin",
        rules: &["Modify binary dirs"],
        falco: &["Modify binary dirs"],
        mitre: "T1222.002",
        event: "rename",
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/usr/bin"))?;
            let file = named_by_token(doer, "/usr/bin", "");
            let renamed = named_by_token(doer, "/usr/bin", "-renamed");
            File::create_new(&file).context("cannot make a file")?;
            fs::rename(&file, &renamed).context("cannot rename the file")?;
            fs::remove_file(&renamed).context("cannot remove the file")?;
            doer.expect_path("evt.arg.oldpath", &file);
            doer.expect_path("evt.arg.newpath", &renamed);
            Ok(())
        },
        leaves: &["/usr/bin/lanner-generate-<token>", "/usr/bin/lanner-generate-<token>-renamed"],
        ..NEW_FILE
    },
    Action {
        name: "write-root",
        does: "makes a file in /root",
        rules: &["Write below root"],
        falco: &["Write below root"],
        mitre: "T1543",
        act: |doer| make_file(doer, "/root", ""),
        leaves: &["/root/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-rpm-database",
        does: "makes a file in /var/lib/rpm",
        rules: &["Write below rpm database"],
        falco: &["Write below rpm database"],
        mitre: "T1072",
        act: |doer| make_file(doer, "/var/lib/rpm", ""),
        leaves: &["/var/lib/rpm/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-package-sources",
        does: "makes a file in /etc/apt/sources.list.d",
        rules: &["Write below etc"],
        falco: &["Update Package Repository"],
        mitre: "T1072",
        act: |doer| make_file(doer, "/etc/apt/sources.list.d", ".list"),
        leaves: &["/etc/apt/sources.list.d/lanner-generate-<token>.list"],
        ..NEW_FILE
    },
    Action {
        name: "write-entrypoint",
        does: "makes a file called runc in a container, as one does to have the host run it",
        harmless: "the file is empty and in a folder of its own",
        rules: &["Modify Container Entrypoint"],
        mitre: "T1611",
        act: |doer| {
            let file = doer.own("runc");
            File::create_new(&file).context("cannot make a file")?;
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        ..NEW_FILE
    },
    Action {
        name: "make-executable",
        does: "makes a file that may be run in a container's /tmp",
        rules: &["New executable in container"],
        falco: &["Container Drift Detected (open+create)"],
        mitre: "T1105",
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/tmp"))?;
            let file = named_by_token(doer, "/tmp", "");
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o755);
            options.open(&file).context("cannot make a file")?;
            fs::remove_file(&file).context("cannot remove the file")?;
            doer.expect_path("evt.arg.name", &file);
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        leaves: &["/tmp/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "change-to-executable",
        does: "lets a file of its own in a container's /tmp be run",
        rules: &["New executable in container"],
        falco: &["Container Drift Detected (chmod)"],
        mitre: "T1105",
        event: "chmod",
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/tmp"))?;
            let file = named_by_token(doer, "/tmp", "");
            File::create_new(&file).context("cannot make a file")?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o700))
                .context("cannot change its mode")?;
            fs::remove_file(&file).context("cannot remove the file")?;
            doer.expect_path("evt.arg.filename", &file);
            Ok(())
        },
        leaves: &["/tmp/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "hide-file",
        does: "makes a file of its own that `ls` does not show",
        harmless: "the file is empty and in a folder of its own",
        falco: &["Create Hidden Files or Directories"],
        mitre: "T1564.001",
        event: "openat",
        act: |doer| {
            let file = doer.own(".hidden");
            File::create_new(&file).context("cannot make a file")?;
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "write-by-descriptor",
        does: "opens a file of its own for writing by /proc/self/fd, in a container, as one does to \
               change the runtime's program",
        harmless: "the file is empty and in a folder of its own",
        falco: &["Modify Container Entrypoint"],
        mitre: "T1611",
        act: |doer| {
            let file = File::create_new(doer.own("notes")).context("cannot make a file")?;
            let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
            File::options().write(true).open(&descriptor).context("cannot open it again")?;
            doer.expect("fd.name", descriptor);
            Ok(())
        },
        ..NEW_FILE
    },
    Action {
        name: "change-lanner-settings",
        does: "makes a file in a container's /etc/lanner",
        rules: &["Lanner's settings changed"],
        mitre: "T1562.001",
        act: |doer| make_file(doer, "/etc/lanner", ""),
        leaves: &["/etc/lanner/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "change-lanner-spool",
        does: "makes a file in a container's /var/lib/lanner",
        rules: &["Lanner's spool changed"],
        mitre: "T1562.001",
        act: |doer| make_file(doer, "/var/lib/lanner", ""),
        leaves: &["/var/lib/lanner/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-dev",
        does: "makes a file that is no device in /dev",
        rules: &["Create files below dev"],
        falco: &["Create files below dev"],
        mitre: "T1543",
        act: |doer| make_file(doer, "/dev", ""),
        leaves: &["/dev/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "set-user-id-bit",
        does: "sets the set-user-id bit of a file of its own",
        harmless: "the file is empty, in a folder that others cannot list, and goes with it",
        rules: &["Set Setuid or Setgid bit"],
        falco: &["Set Setuid or Setgid bit"],
        mitre: "T1548.001",
        event: "chmod",
        processes: &[Process { program: "chmod", ..PROCESS }],
        act: |doer| {
            let file = doer.own("program");
            File::create_new(&file).context("cannot make a file")?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o4700))
                .context("cannot set the bit")?;
            doer.expect_path("evt.arg.filename", &file);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "clear-log",
        does: "empties a log of its own in /var/log",
        rules: &["Clear Log Activities"],
        falco: &["Clear Log Activities"],
        mitre: "T1070",
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/var/log"))?;
            let log = named_by_token(doer, "/var/log", ".log");
            fs::write(&log, "nobody will miss this line\n").context("cannot write a log")?;
            File::create(&log).context("cannot empty the log")?;
            fs::remove_file(&log).context("cannot remove the log")?;
            doer.expect_path("fd.name", &log);
            Ok(())
        },
        leaves: &["/var/log/lanner-generate-<token>.log"],
        ..NEW_FILE
    },
    Action {
        name: "delete-shell-history",
        does: "removes a .bash_history of its own",
        harmless: "the file is empty and in a folder of its own",
        rules: &["Delete or rename shell history"],
        falco: &["Delete or rename shell history"],
        mitre: "T1070",
        event: "unlink",
        processes: &[Process { program: "rm", ..PROCESS }],
        act: |doer| {
            let history = doer.own(".bash_history");
            File::create_new(&history).context("cannot make a history")?;
            fs::remove_file(&history).context("cannot remove the history")?;
            doer.expect_path("evt.arg.path", &history);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "truncate-shell-history",
        does: "empties a .bash_history of its own",
        harmless: "the file is empty already and in a folder of its own",
        rules: &["Delete or rename shell history"],
        falco: &["Delete or rename shell history"],
        mitre: "T1070",
        event: "openat",
        act: |doer| {
            let history = doer.own(".bash_history");
            File::create_new(&history).context("cannot make a history")?;
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&history)
                .context("cannot empty the history")?;
            doer.expect_path("fd.name", &history);
            Ok(())
        },
        ..ACTION
    },
];

/// Folders that were not there before, removed on drop when they are empty again.
pub(super) struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    /// Makes `folder` and what of the path to it is missing.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        let missing = folder.ancestors().take_while(|path| !path.exists());
        // The innermost first, as they must be removed.
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(made)
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A path that only this run uses.
pub(super) fn named_by_token(doer: &Doer, folder: &str, end: &str) -> PathBuf {
    Path::new(folder).join(format!("lanner-generate-{}{end}", doer.token()))
}

/// Makes a file there, writes nothing to it, and removes it.
pub(super) fn make_file(doer: &mut Doer, folder: &str, end: &str) -> anyhow::Result<()> {
    let _folders = NewFolders::make(Path::new(folder))?;
    let file = named_by_token(doer, folder, end);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(&file)
        .with_context(|| format!("cannot make {}", file.display()))?;
    fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    doer.expect_path("fd.name", &file);
    Ok(())
}
