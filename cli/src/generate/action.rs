//! What an action is: data, and one function that does the deed.

use super::told::Doer;

/// A harmless deed that rules should notice.
pub(super) struct Action {
    /// Its name on the command line: `read-shadow`.
    pub(super) name: &'static str,
    /// What it really does, in a few words that follow on "it ".
    pub(super) does: &'static str,
    /// Why nothing comes of it.
    pub(super) harmless: &'static str,
    /// The rules of `rules/` that should notice; one of them is enough.
    pub(super) rules: &'static [&'static str],
    /// Falco's own rules that notice it, where they are loaded and on; one of them is enough.
    pub(super) falco: &'static [&'static str],
    /// The technique of MITRE ATT&CK.
    pub(super) mitre: &'static str,
    /// The event type that the rules look at.
    pub(super) event: &'static str,
    pub(super) needs: &'static [Need],
    pub(super) place: Place,
    /// The processes before and at the deed: each starts the next one, the last
    /// one acts. Those that make a container come before them.
    pub(super) processes: &'static [Process],
    /// Run by the last process. Nothing to do where its start is the deed.
    pub(super) act: fn(&mut Doer) -> anyhow::Result<()>,
    /// Paths that the deed makes and removes; removed again after it, whatever
    /// became of it. `<token>` stands for the run's token, so that nobody
    /// else's file is ever meant.
    pub(super) leaves: &'static [&'static str],
}

/// What most actions are, so that each says only where it differs.
pub(super) const ACTION: Action = Action {
    name: "",
    does: "",
    harmless: "",
    rules: &[],
    falco: &[],
    mitre: "",
    event: "execve",
    needs: &[],
    place: Place::Host,
    processes: &[PROCESS],
    act: |_| Ok(()),
    leaves: &[],
};

impl Action {
    /// All rules that may notice, ours first, each once.
    pub(super) fn expected(&self) -> Vec<&'static str> {
        let mut names = self.rules.to_vec();
        names.extend(self.falco.iter().filter(|name| !self.rules.contains(name)));
        names
    }

    /// Whether a person means this action by `name`: its own, or a rule's.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.expected().iter().any(|rule| rule.eq_ignore_ascii_case(name))
    }
}

/// What an action cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Root,
    /// To be on the host itself, for rules that leave containers out.
    Host,
    /// A capability, by the kernel's name of it.
    Capability(&'static str),
    /// To be in a container that its runtime calls privileged, for rules that ask for that.
    PrivilegedContainer,
    /// The program of raw system calls is written for this processor.
    Amd64,
    /// A file that the deed is about.
    File(&'static str),
    /// The user `nobody`, by name.
    Nobody,
    /// A session in which nobody logged in as root.
    OtherLogin,
}

/// Where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where the tool runs.
    Host,
    /// In a container that the tool makes, below that container's own process;
    /// where the tool itself runs in a container, in that one.
    Container,
    /// As [`Container`](Self::Container), but started by the container runtime,
    /// as `kubectl exec` does.
    ContainerEntry,
}

/// One process: our own program under another name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    /// The name of its file and its first argument.
    pub(super) program: &'static str,
    /// Its arguments. `<token>` and `<dir>` stand for the run's token and its
    /// folder; unless they name one, the token is added as the last.
    pub(super) args: &'static [&'static str],
    /// Whether the token may be added.
    pub(super) marked: bool,
    pub(super) env: &'static [(&'static str, &'static str)],
    /// How the one before starts it.
    pub(super) start: Start,
    /// What it does before its own deed, or before it starts the next.
    pub(super) setup: Setup,
}

/// What most processes are.
pub(super) const PROCESS: Process = Process {
    // A name that no rule knows.
    program: "intruder",
    args: &[],
    marked: true,
    env: &[],
    start: Start::Spawn,
    setup: Setup::Nothing,
};

/// How a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// As a child.
    Spawn,
    /// In place of the one before.
    Exec,
    /// In place of the one before, from a copy in memory.
    ExecMemory,
    /// In place of the one before, by `execveat` of an open file.
    ExecDescriptor,
    /// As a child, from a copy that the one before makes in this folder and
    /// removes afterwards.
    SpawnCopyIn(&'static str),
}

/// What a process does beside its place in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Nothing,
    /// Makes a container around the processes that follow.
    MakeContainer,
    /// Goes into it, as its first process.
    EnterContainer,
    /// Gets a terminal.
    OpenTerminal,
    /// Both.
    EnterContainerWithTerminal,
    /// Becomes the user `nobody`.
    BecomeNobody,
}
