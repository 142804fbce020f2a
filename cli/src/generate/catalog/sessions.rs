//! What somebody does who comes into a running container.
//!
//! By `kubectl exec` that is true of the tool itself, and then of each process of each
//! action: more than the sensor sends of one rule and one container in a minute
//! (`repetition.alerts_per_minute`). So these come before all others.

use std::fs::File;

use anyhow::Context as _;

use super::{files::NEW_FILE, secrets::ONLY_NAMED};
use crate::generate::action::{Action, PROCESS, Place, Process, Setup};

const SHELL: Process = Process { program: "sh", setup: Setup::OpenTerminal, ..PROCESS };

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "terminal-shell",
        does: "has the container runtime start a shell with a terminal, as `kubectl exec -it` does",
        rules: &["Terminal shell in container"],
        falco: &["Terminal shell in container"],
        mitre: "T1059.004",
        place: Place::ContainerEntry,
        processes: &[SHELL],
        ..ONLY_NAMED
    },
    Action {
        name: "command-in-session",
        does: "runs a command from a terminal in a container",
        rules: &["Command in container session"],
        falco: &[],
        mitre: "T1609",
        place: Place::ContainerEntry,
        processes: &[SHELL, Process { program: "env", ..PROCESS }],
        ..ONLY_NAMED
    },
    Action {
        name: "write-in-session",
        does: "writes a file from a terminal in a container",
        harmless: "the file is empty and in a folder of its own",
        rules: &["File written in container session"],
        mitre: "T1609",
        place: Place::ContainerEntry,
        processes: &[SHELL, PROCESS],
        act: |doer| {
            let file = doer.own("notes");
            File::create_new(&file).context("cannot make a file")?;
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        ..NEW_FILE
    },
    Action {
        name: "read-in-session",
        does: "reads a file from a terminal in a container",
        harmless: "the file is empty and in a folder of its own",
        rules: &["File read in container session"],
        mitre: "T1609",
        place: Place::ContainerEntry,
        processes: &[SHELL, PROCESS],
        act: |doer| {
            let file = doer.own("notes");
            File::create_new(&file).context("cannot make a file")?;
            File::open(&file).context("cannot open the file")?;
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        ..NEW_FILE
    },
];
