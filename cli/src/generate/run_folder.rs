//! What a run needs on the machine, and that all of it is gone afterwards.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::{
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rustix::{fs::Mode, net::sockopt::socket_peercred};
use tempfile::TempDir;

use super::{
    action::Process,
    told::{Report, SOCKET},
};

/// A process that has ended has said all it will; one that has not gets this long.
const REPORT_MAX: Duration = Duration::from_secs(1);
const REPORT_BYTES_MAX: u64 = 1 << 20;

/// A folder with our program under the names that actions take, and the socket
/// on which their processes report. Gone on drop.
pub(super) struct RunFolder {
    dir: TempDir,
    program: PathBuf,
    reports: UnixListener,
}

impl RunFolder {
    pub(super) fn make() -> anyhow::Result<Self> {
        // What is made is for other users, too, whatever the caller lets them do.
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let dir = tempfile::Builder::new()
            .prefix("lanner-generate-")
            .tempdir()
            .context("cannot make a folder for temporary files ($TMPDIR says where)")?;
        let path = dir.path();
        anyhow::ensure!(
            path.is_absolute() && !path.to_string_lossy().contains([',', '\\']),
            "cannot work in {}: $TMPDIR must be an absolute path without commas",
            path.display()
        );
        // Processes that have become another user pass through it and cannot list it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o711))
            .context("cannot open the folder")?;
        let program = path.join("program");
        let mut copy = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&program)
            .with_context(|| format!("cannot make {}", program.display()))?;
        let mut own = File::open("/proc/self/exe").context("cannot open our own program")?;
        io::copy(&mut own, &mut copy)
            .with_context(|| format!("cannot copy our program to {}", path.display()))?;
        let socket = path.join(SOCKET);
        let reports = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen on {}", socket.display()))?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))
            .context("cannot open the socket")?;
        reports.set_nonblocking(true).context("cannot poll the socket")?;
        Ok(Self { dir, program, reports })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes an action's folder, with our program by the names of its processes.
    pub(super) fn folder(&self, token: &str, processes: &[Process]) -> anyhow::Result<PathBuf> {
        let folder = self.path().join(token);
        // Open for others from its start: to let them in later is what a rule looks for, and
        // its alerts in a container are so many a minute.
        fs::DirBuilder::new()
            .mode(0o711)
            .create(&folder)
            .context("cannot make the action's folder")?;
        for process in processes {
            match fs::hard_link(&self.program, folder.join(process.program)) {
                // Two processes may be of the same name.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).context("cannot give our program a name");
                }
                _ => {}
            }
        }
        Ok(folder)
    }

    /// What the processes that have ended told, each with its id where we are.
    pub(super) fn reports(&self) -> anyhow::Result<Vec<(i32, Report)>> {
        let mut reports = Vec::new();
        loop {
            let stream = match self.reports.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(reports),
                Err(error) => return Err(error).context("cannot take a report"),
            };
            stream.set_nonblocking(false).context("cannot read a report")?;
            stream.set_read_timeout(Some(REPORT_MAX)).context("cannot read a report")?;
            // The kernel's word, also for a process with another view of ids.
            let pid = socket_peercred(&stream).context("cannot tell who reports")?.pid;
            let mut text = Vec::new();
            stream.take(REPORT_BYTES_MAX).read_to_end(&mut text).context("cannot read a report")?;
            let report = serde_json::from_slice(&text).context("not a report")?;
            reports.push((pid.as_raw_nonzero().get(), report));
        }
    }
}

/// Paths of one action, removed on drop. Each holds the action's token, so that
/// nothing of somebody else's is ever meant.
pub(super) struct Leaves(pub(super) Vec<PathBuf>);

impl Drop for Leaves {
    fn drop(&mut self) {
        for path in &self.0 {
            // Nearly always it is gone already, or was never here.
            let _ = match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(error) => Err(error),
            };
        }
    }
}

/// Twice `N` digits that nobody else has.
pub(super) fn random_hex<const N: usize>() -> anyhow::Result<String> {
    let mut bytes = [0_u8; N];
    let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
