//! What makes an intruder come back.

use std::{fs::OpenOptions, path::Path};

use anyhow::Context as _;

use super::files::{NEW_FILE, NewFolders, make_file};
use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    told::Doer,
};

/// A file that is there already, opened for more at its end.
const OPENED: Action = Action {
    harmless: "nothing is written; a file that was not there before is removed",
    event: "openat",
    needs: &[Need::Root],
    place: Place::Container,
    ..ACTION
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "schedule-cron-job",
        does: "makes a file in /etc/cron.d",
        rules: &["Schedule Cron Jobs"],
        falco: &["Schedule Cron Jobs"],
        mitre: "T1053.003",
        act: |doer| make_file(doer, "/etc/cron.d", ""),
        leaves: &["/etc/cron.d/lanner-generate-<token>"],
        ..NEW_FILE
    },
    Action {
        name: "write-systemd-unit",
        does: "makes a file in /etc/systemd/system",
        rules: &["Write systemd unit"],
        falco: &["Write below etc"],
        mitre: "T1543.002",
        act: |doer| make_file(doer, "/etc/systemd/system", ".service"),
        leaves: &["/etc/systemd/system/lanner-generate-<token>.service"],
        ..NEW_FILE
    },
    Action {
        name: "write-accounts",
        does: "opens /etc/passwd for writing",
        rules: &["Write to accounts or authentication files"],
        falco: &["Write below etc"],
        mitre: "T1136.001",
        act: |doer| open_for_more(doer, "/etc/passwd"),
        ..OPENED
    },
    Action {
        name: "write-preload",
        does: "opens /etc/ld.so.preload for writing",
        rules: &["Write to ld.so.preload"],
        falco: &["Write below etc"],
        mitre: "T1574.006",
        act: |doer| open_for_more(doer, "/etc/ld.so.preload"),
        ..OPENED
    },
    Action {
        name: "add-ssh-key",
        does: "opens /root/.ssh/authorized_keys for writing",
        rules: &["Adding ssh keys to authorized_keys"],
        falco: &["Adding ssh keys to authorized_keys"],
        mitre: "T1098.004",
        act: |doer| open_for_more(doer, "/root/.ssh/authorized_keys"),
        ..OPENED
    },
    Action {
        name: "change-shell-start",
        does: "opens /root/.bashrc for writing",
        rules: &["Modify Shell Configuration File"],
        falco: &["Modify Shell Configuration File"],
        mitre: "T1546.004",
        act: |doer| open_for_more(doer, "/root/.bashrc"),
        ..OPENED
    },
    Action {
        name: "manage-users",
        does: "runs useradd on the host",
        harmless: "our own program has that name, and ends at once",
        rules: &["User mgmt binaries"],
        falco: &["User mgmt binaries"],
        needs: &[Need::Host],
        mitre: "T1098",
        processes: &[Process { program: "useradd", ..PROCESS }],
        ..ACTION
    },
];

fn open_for_more(doer: &mut Doer, file: &str) -> anyhow::Result<()> {
    let path = Path::new(file);
    let was_there = path.exists();
    let folder = path.parent().context("a file lies in a folder")?;
    let _folders = NewFolders::make(folder)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot open {file}"))?;
    if !was_there {
        std::fs::remove_file(path).with_context(|| format!("cannot remove {file}"))?;
    }
    doer.expect("fd.name", file);
    Ok(())
}
