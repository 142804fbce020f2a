//! Keys, tokens and memory, and who looks for them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::files::{NewFolders, named_by_token};
use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    told::Doer,
};

pub(super) const CAT: &[Process] = &[Process { program: "cat", ..PROCESS }];

pub(super) const ACTIONS: &[Action] = &[
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
        processes: CAT,
        act: |doer| {
            let _folders = NewFolders::make(Path::new("/root/.ssh"))?;
            read_new_file(doer, named_by_token(doer, "/root/.ssh", ""))
        },
        leaves: &["/root/.ssh/lanner-generate-<token>"],
    },
    Action {
        name: "read-shell-start",
        does: "reads a .bashrc of its own",
        harmless: "the file is empty and in a folder of its own",
        falco: &["Read Shell Configuration File"],
        mitre: "T1546.004",
        event: "openat",
        processes: CAT,
        act: |doer| read_own(doer, ".bashrc"),
        ..ACTION
    },
    Action {
        name: "read-cloud-credentials",
        does: "reads a file of its own called as a cloud's credentials are",
        harmless: "the file is in a folder of its own",
        rules: &["Read cloud credentials untrusted"],
        mitre: "T1552.001",
        event: "openat",
        processes: CAT,
        act: |doer| read_own(doer, ".aws/credentials"),
        ..ACTION
    },
    Action {
        name: "read-cluster-credentials",
        does: "reads a file of its own called as the cluster's credentials are",
        harmless: "the file is in a folder of its own",
        rules: &["Read cluster credentials untrusted"],
        mitre: "T1552.001",
        event: "openat",
        processes: CAT,
        act: |doer| read_own(doer, "etc/kubernetes/admin.conf"),
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
        processes: CAT,
        act: |doer| {
            let folder = named_by_token(doer, "/var/run/secrets", "");
            let _folders = NewFolders::make(&folder)?;
            read_new_file(doer, folder.join("token"))
        },
        leaves: &["/var/run/secrets/lanner-generate-<token>"],
        ..ACTION
    },
    Action {
        name: "load-backdoored-library",
        does: "has sshd open a file of its own called as the library of CVE-2024-3094",
        harmless: "the file is empty and in a folder of its own",
        falco: &["Backdoored library loaded into SSHD (CVE-2024-3094)"],
        mitre: "T1195.002",
        event: "openat",
        processes: &[Process { program: "sshd", ..PROCESS }],
        act: |doer| read_own(doer, "liblzma.so.5.6.0"),
        ..ACTION
    },
    Action {
        name: "open-memory",
        does: "opens its own memory as a file",
        harmless: "nothing is read or written",
        rules: &["Memory of a process opened"],
        mitre: "T1003.007",
        event: "openat",
        act: |doer| {
            File::open("/proc/self/mem").context("cannot open the memory")?;
            doer.expect("fd.name", "/proc/self/mem");
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
        processes: CAT,
        act: |doer| {
            File::open("/proc/1/environ").context("cannot open /proc/1/environ")?;
            doer.expect("fd.name", "/proc/1/environ");
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
        processes: &[Process {
            program: "grep",
            args: &["-r", "BEGIN RSA PRIVATE KEY", "/<token>"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "search-keys-by-name",
        does: "runs find with the names of private keys",
        rules: &["Search Private Keys or Passwords"],
        falco: &["Search Private Keys or Passwords"],
        mitre: "T1552.001",
        processes: &[Process {
            program: "find",
            args: &["/<token>", "-name", "id_rsa"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
    Action {
        name: "search-cloud-credentials",
        does: "runs find with where a cloud's credentials are kept",
        rules: &["Search Private Keys or Passwords"],
        falco: &["Find AWS Credentials"],
        mitre: "T1552.001",
        processes: &[Process {
            program: "find",
            args: &["/<token>", "-path", "*/.aws/credentials"],
            ..PROCESS
        }],
        ..ONLY_NAMED
    },
];

/// The program's name and arguments are all there is to see.
pub(super) const ONLY_NAMED: Action =
    Action { harmless: "our own program has that name, and ends at once", ..ACTION };

pub(super) fn read_own(doer: &mut Doer, name: &str) -> anyhow::Result<()> {
    let file = doer.own(name);
    let _folders = NewFolders::make(file.parent().context("a file lies in a folder")?)?;
    read_new_file(doer, file)
}

fn read_new_file(doer: &mut Doer, file: PathBuf) -> anyhow::Result<()> {
    File::create_new(&file).context("cannot make a file")?;
    File::open(&file).context("cannot open the file")?;
    fs::remove_file(&file).context("cannot remove the file")?;
    doer.expect_path("fd.name", &file);
    Ok(())
}
