//! Keeps the pipe open while no forwarder runs.
//!
//! A pipe without a reader kills its writer (SIGPIPE) or blocks its `open`, and
//! a forwarder that is killed cannot keep anything open. So each one starts a
//! small process, of this same program, that does nothing but hold the pipe:
//!
//! ```text
//! forwarder ──flock shared──▶ pipe ◀── keeper: open, and looks now and then
//!                                      whether anybody has the lock
//! ```
//!
//! It ends when the next forwarder has started its own, when the pipe's file is
//! gone, or after five minutes without a forwarder. What Falco writes meanwhile
//! stays in the pipe (64 KiB), and the next forwarder reads it.
//!
//! Where the forwarder's end is the end of all its processes (a container, a
//! systemd unit without `KillMode=process`), so it is the keeper's.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, Stat},
    process::{Pid, getppid},
};

use crate::input::pipe::open_both_ways;

/// The first argument of the program, which makes it a keeper.
pub const KEEPER_ARGUMENT: &str = "keep-pipe";

const LOOK_PAUSE: Duration = Duration::from_millis(500);
const ALONE_MAX: Duration = Duration::from_secs(5 * 60);

/// Starts a keeper of `pipe` that outlives us.
pub(crate) fn start(program: &Path, pipe: &Path) -> io::Result<()> {
    let mut command = tokio::process::Command::new(program);
    command.arg(KEEPER_ARGUMENT).arg(pipe).arg(std::process::id().to_string());
    // A group of its own: Ctrl-C is for the forwarder alone.
    command.process_group(0).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The runtime reaps it, should it end before us.
    command.spawn().map(drop)
}

/// The whole life of a keeper. `arguments` are those after [`KEEPER_ARGUMENT`].
///
/// # Errors
/// When the arguments are not those that [`start`] gives, or the pipe is not
/// there.
pub fn keep(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "expected a pipe and a process id");
    let path = arguments.next().map(PathBuf::from).ok_or_else(usage)?;
    let parent = arguments
        .next()
        .and_then(|pid| pid.to_str()?.parse().ok())
        .and_then(Pid::from_raw)
        .ok_or_else(usage)?;

    let pipe = open_both_ways(&path)?;
    let held = rustix::fs::fstat(&pipe)?;
    let mut alone_since: Option<Instant> = None;
    loop {
        thread::sleep(LOOK_PAUSE);
        if !rustix::fs::lstat(&path).is_ok_and(|found| same_file(&found, &held)) {
            return Ok(());
        }
        match rustix::fs::flock(&pipe, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                rustix::fs::flock(&pipe, FlockOperation::Unlock)?;
                let since = *alone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > ALONE_MAX {
                    return Ok(());
                }
            }
            // A forwarder lives. If it is not the one that started us, it has
            // started a keeper of its own.
            Err(_held) if getppid() != Some(parent) => return Ok(()),
            Err(_held) => alone_since = None,
        }
    }
}

fn same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
