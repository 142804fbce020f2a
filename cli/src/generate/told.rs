//! What a process of an action knows, and what it tells of itself.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The file of the socket on which processes tell of themselves.
pub(super) const SOCKET: &str = "reports";

/// What a process is told when it is started, in an environment variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    /// The action's name.
    pub(super) action: String,
    /// Which of its processes this is, from 0.
    pub(super) index: usize,
    /// Marks all that belongs to this run of this action.
    pub(super) token: String,
    /// The run's folder; this action has the one called by its token in it.
    pub(super) run_folder: PathBuf,
    /// The control groups of the container to make, if one is to be made.
    pub(super) groups: Option<Vec<PathBuf>>,
}

impl Orders {
    /// The action's own folder.
    pub(super) fn dir(&self) -> PathBuf {
        self.run_folder.join(&self.token)
    }

    /// Fills in what only this run knows.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("<token>", &self.token).replace("<dir>", &self.dir().to_string_lossy())
    }

    /// Tells the tool. It reads when the processes have ended, so this must not
    /// be longer than what a socket holds.
    pub(super) fn report(&self, report: &Report) -> anyhow::Result<()> {
        let socket = self.run_folder.join(SOCKET);
        let mut stream = UnixStream::connect(&socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        let text = serde_json::to_vec(report).context("cannot write a report")?;
        stream.write_all(&text).context("cannot report")
    }
}

/// What a process tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    Acted(Facts),
    /// It could not, and why. `refused`: the kernel would not have it, which is
    /// no defect of ours.
    Failed {
        why: String,
        refused: bool,
    },
}

/// What is true of the process that acted, to be compared with what an alert says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) args: String,
    pub(super) exe: String,
    pub(super) uid: u32,
    pub(super) user: Option<String>,
    pub(super) terminal: bool,
    /// Fields of the deed itself: `fd.name`.
    pub(super) fields: BTreeMap<String, String>,
    /// The server's end of the socket that the deed was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<SocketAddr>,
}

/// The process that acts, as its deed sees it.
pub(super) struct Doer {
    pub(super) orders: Orders,
    facts: Facts,
    told: bool,
}

impl Doer {
    pub(super) fn new(orders: Orders, args: &[String], terminal: bool) -> Self {
        let facts = Facts {
            name: own_name(),
            args: args.join(" "),
            exe: own_file(),
            terminal,
            ..Facts::default()
        };
        let mut doer = Self { orders, facts, told: false };
        doer.look_up_user();
        doer
    }

    pub(super) fn token(&self) -> &str {
        &self.orders.token
    }

    /// A path in the action's own folder.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.orders.dir().join(name)
    }

    /// Says that an alert that has this field has this value in it.
    pub(super) fn expect(&mut self, field: &str, value: impl Into<String>) {
        self.facts.fields.insert(field.to_owned(), value.into());
    }

    pub(super) fn expect_path(&mut self, field: &str, path: &Path) {
        self.expect(field, path.to_string_lossy());
    }

    /// Says that this is the server's end, wherever an alert shows it.
    pub(super) fn expect_server(&mut self, address: SocketAddr) {
        self.facts.server = Some(address);
    }

    /// The user has changed.
    pub(super) fn look_up_user(&mut self) {
        self.facts.uid = rustix::process::geteuid().as_raw();
        self.facts.user = user_name(self.facts.uid);
    }

    /// Says that from now on this process is another program. To be called, and
    /// followed by [`tell`](Self::tell), before it becomes that.
    pub(super) fn becomes(&mut self, file: &Path, args: &[&str]) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.facts.name = comm(&name);
        self.facts.args = args.join(" ");
        self.facts.exe = file.to_string_lossy().into_owned();
    }

    /// Tells the tool what was done, once.
    pub(super) fn tell(&mut self) -> anyhow::Result<()> {
        if self.told {
            return Ok(());
        }
        self.told = true;
        self.orders.report(&Report::Acted(self.facts.clone()))
    }
}

/// The kernel's name of this process.
pub(super) fn own_name() -> String {
    fs::read_to_string("/proc/self/comm").unwrap_or_default().trim().to_owned()
}

/// The path of this process's program, as Falco writes it: a memory file has no
/// folder, and is not the less there for being deleted.
fn own_file() -> String {
    let path = fs::read_link("/proc/self/exe").unwrap_or_default();
    let path = path.to_string_lossy();
    match path.strip_prefix("/memfd:").and_then(|name| name.strip_suffix(" (deleted)")) {
        Some(name) => format!("memfd:{name}"),
        None => path.into_owned(),
    }
}

/// The name that the kernel keeps of a program: 15 bytes of its file's name.
pub(super) fn comm(program: &str) -> String {
    program.chars().take(15).collect()
}

/// The user's name where this process runs.
pub(super) fn user_name(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
