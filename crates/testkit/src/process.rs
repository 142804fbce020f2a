//! A child process that goes when its owner goes, however it goes.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    thread,
};

/// A running program, killed on drop and also when this process is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with its output in the file `log` (appended to).
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Self {
        Self::try_spawn(program, args, log)
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
    }

    /// As [`spawn`](Self::spawn), for those who want to report the error.
    pub fn try_spawn<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        // `setpriv` asks the kernel to kill the child when we die, also by
        // SIGKILL. From Rust that takes `pre_exec`, which is unsafe.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(program).args(args);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // Its own group: Ctrl-C reaches the owner, who then stops it in order.
        command.process_group(0);
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { child: spawn_from_lasting_thread(command)?, name, log: log.to_owned() })
    }

    /// How the process ended, or nothing while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        // An error means that somebody else reaped it: it is gone.
        self.child.try_wait().unwrap_or_else(|_error| Some(ExitStatus::from_raw(0)))
    }

    /// The program's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        // An error here means that it is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal by its name, such as `TERM` or `HUP`.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", name]).arg(self.id().to_string());
        let status = kill.status().expect("run kill");
        assert!(status.success(), "kill ended with {status}");
    }

    /// Fails when the process has ended, with the end of its log.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.exit_status() {
            panic!("{} ended with {status}; its log ends with:\n{}", self.name, self.log_tail());
        }
    }

    /// The last lines of what the process wrote.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback port that was free just now, for servers that cannot choose one
/// themselves and say which.
///
/// Another process may take it before the server does: the caller tries again.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a loopback port");
    listener.local_addr().expect("address of a bound socket").port()
}

/// The kernel's "parent died" is "the *thread* that forked died", and a test's
/// thread ends with its test: so one thread that never ends forks for all.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::SyncSender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::sync_channel::<Order>(1);
        let run = move || {
            for (mut command, reply) in inbox {
                // The one who asked waits for the reply below.
                let _ = reply.send(command.spawn());
            }
        };
        thread::Builder::new().name("spawner".to_owned()).spawn(run).expect("start a thread");
        orders
    });
    let (reply, answer) = mpsc::sync_channel(1);
    SPAWNER.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}
