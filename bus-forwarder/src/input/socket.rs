//! The sensor's socket: frames of [`lanner_alert::frame`], acknowledged once
//! the alert is in the spool.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use lanner_alert::{
    SensorStatus,
    frame::{self, Decoder, Frame},
};
use lanner_service::{CancellationToken, Chain};
use rustix::process::geteuid;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    config::SocketInput,
    intake::Intake,
    seldom::Seldom,
    sensors::{Seat, Sensors},
};

const MODE: u32 = 0o660;
/// A node has one sensor, and a second one while it is replaced.
const CONNECTIONS_MAX: usize = 8;
/// How long a peer may take for its greeting, or to read what we send.
const PEER_MAX: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 64 << 10;
/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening socket. Its file goes with it.
#[derive(Debug)]
pub(crate) struct SocketServer {
    listener: UnixListener,
    /// Only to be dropped: that removes the file.
    _file: SocketFile,
    uids: Vec<u32>,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Why a connection ended before the sensor ended it.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("cannot read or write")]
    Io(#[from] io::Error),
    #[error("the peer does not speak our protocol")]
    Frame(#[from] frame::FrameError),
    #[error(
        "the peer speaks versions {oldest} to {newest}, we speak {} to {}",
        frame::VERSION_OLDEST,
        frame::VERSION
    )]
    Version { oldest: u16, newest: u16 },
    #[error("expected {expected}")]
    Unexpected { expected: &'static str },
    #[error("the peer took too long to {deed}")]
    Slow { deed: &'static str },
}

impl SocketServer {
    /// Listens at the configured path; takes the place of a socket that nobody
    /// listens on any more, and of nothing else.
    pub(crate) fn bind(config: &SocketInput) -> anyhow::Result<Self> {
        let path = &config.path;
        check_place(path).with_context(|| format!("cannot listen at {}", path.display()))?;
        // Under another name until its mode is set: nobody can connect before.
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let listener = UnixListener::bind(&beside)
            .with_context(|| format!("cannot listen at {}", beside.display()))?;
        let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))
            .and_then(|()| fs::rename(&beside, path))
            .and_then(|()| fs::symlink_metadata(path));
        let inode = match placed {
            Ok(metadata) => metadata.ino(),
            Err(error) => {
                // The error that counts is the first.
                let _ = fs::remove_file(&beside);
                return Err(error).with_context(|| format!("cannot listen at {}", path.display()));
            }
        };
        let uids = config.uids.clone().unwrap_or_else(|| vec![0, geteuid().as_raw()]);
        let file = SocketFile { path: path.clone(), inode };
        Ok(Self { listener, _file: file, uids })
    }

    /// Serves sensors until `stop`.
    pub(crate) async fn run(
        self,
        intake: Arc<Intake>,
        sensors: Arc<Sensors>,
        stop: CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let told = Seldom::every(Duration::from_secs(10));
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _address)) => stream,
                    Err(error) => {
                        if told.now() {
                            warn!(%error, "cannot accept a connection");
                        }
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                Some(_done) = connections.join_next() => continue,
                () = stop.cancelled() => break,
            };
            let Some(uid) = self.admit(&stream) else { continue };
            let Ok(room) = room.clone().try_acquire_owned() else {
                if told.now() {
                    warn!(uid, "refused a connection: {CONNECTIONS_MAX} are open");
                }
                continue;
            };
            let (intake, seat, stop) = (intake.clone(), sensors.connect(), stop.clone());
            connections.spawn(async move {
                info!(uid, "a sensor connected");
                match serve(stream, &intake, &seat, &stop).await {
                    Ok(alerts) => info!(uid, alerts, "a sensor's connection ended"),
                    Err(error) => {
                        warn!(uid, error = %Chain(&error), "closed a sensor's connection")
                    }
                }
                drop(room);
            });
        }
        while connections.join_next().await.is_some() {}
    }

    /// The peer's user, if it may connect.
    fn admit(&self, stream: &UnixStream) -> Option<u32> {
        match stream.peer_cred() {
            Ok(peer) if self.uids.contains(&peer.uid()) => Some(peer.uid()),
            Ok(peer) => {
                let (uid, pid) = (peer.uid(), peer.pid());
                warn!(uid, pid, allowed = ?self.uids, "refused a connection of this user");
                None
            }
            Err(error) => {
                warn!(%error, "refused a connection: cannot tell whose it is");
                None
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Unless another forwarder has put its own in this place.
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            // It is in nobody's way: the next one to bind replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket can be put at `path`.
fn check_place(path: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    anyhow::ensure!(metadata.file_type().is_socket(), "there is something else than a socket");
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_stream) => anyhow::bail!("another process listens there"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error).context("cannot tell whether another process listens there"),
    }
}

/// Serves one sensor; gives the number of alerts it sent.
async fn serve(
    mut stream: UnixStream,
    intake: &Intake,
    seat: &Seat,
    stop: &CancellationToken,
) -> Result<u64, ConnectionError> {
    send(&mut stream, &frame::HELLO).await?;
    let mut decoder = Decoder::default();
    let mut bytes = vec![0; READ_BYTES];
    let (mut greeted, mut alerts, mut newest) = (false, 0, 0);
    loop {
        let read = async {
            if greeted {
                return stream.read(&mut bytes).await;
            }
            match timeout(PEER_MAX, stream.read(&mut bytes)).await {
                Ok(read) => read,
                Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
            }
        };
        let read = tokio::select! {
            read = read => read?,
            () = stop.cancelled() => return Ok(alerts),
        };
        if read == 0 {
            return Ok(alerts);
        }
        decoder.push(bytes.get(..read).unwrap_or_default());
        let before = newest;
        let mut batch = Vec::new();
        while let Some(frame) = decoder.next_frame()? {
            match frame {
                Frame::Hello { oldest, newest } if !greeted => {
                    if frame::agreed(&frame).is_none() {
                        return Err(ConnectionError::Version { oldest, newest });
                    }
                    greeted = true;
                }
                Frame::Status { json } if greeted => match SensorStatus::from_json(&json) {
                    Ok(status) => seat.told(status),
                    Err(error) => intake.unreadable_status(&error),
                },
                Frame::Alert { sequence, json } if greeted && sequence > newest => {
                    batch.extend(intake.sensor_alert(json));
                    newest = sequence;
                    alerts += 1;
                }
                _ if greeted => {
                    let expected = "alerts in ascending sequence";
                    return Err(ConnectionError::Unexpected { expected });
                }
                _ => return Err(ConnectionError::Unexpected { expected: "a hello first" }),
            }
        }
        // While the disk is full the sensor waits, as long as its own queue lasts.
        if intake.take_on(batch, stop).await.is_err() {
            return Ok(alerts);
        }
        if newest > before {
            send(&mut stream, &Frame::Ack { sequence: newest }).await?;
        }
    }
}

async fn send(stream: &mut UnixStream, frame: &Frame) -> Result<(), ConnectionError> {
    let mut bytes = Vec::new();
    frame::encode(frame, &mut bytes)?;
    match timeout(PEER_MAX, stream.write_all(&bytes)).await {
        Ok(written) => Ok(written?),
        Err(_elapsed) => Err(ConnectionError::Slow { deed: "read what we send" }),
    }
}
