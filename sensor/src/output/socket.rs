//! The forwarder's socket: length-prefixed frames, each alert acknowledged.
//!
//! ```text
//! queue ─▶ window (sent, not acknowledged) ─▶ socket
//!             ▲ sent again after a reconnect      │
//!             └────────────── ack ◀───────────────┘
//! ```
//!
//! While nobody listens the queue fills up; what it cannot hold is counted by
//! priority and told in an alert when the forwarder is back.

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc, time::Duration};

use lanner_alert::{
    Alert, Priority,
    frame::{self, Decoder, Frame},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixStream, unix::OwnedWriteHalf},
    time::{Instant, timeout},
};
use tracing::{info, warn};

use super::{DropCounts, StatusSender, queue::Receiver};

/// Makes the alert about alerts that were lost, from its message.
pub type LossAlert = Box<dyn Fn(&str) -> Alert + Send + Sync>;

/// Alerts sent and not acknowledged; no more are sent until some are.
const WINDOW_MAX: usize = 256;

const HELLO_MAX: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long we try to get rid of what is left when the sensor stops.
const LINGER: Duration = Duration::from_secs(3);

pub(super) async fn run(
    path: PathBuf,
    alerts: Receiver,
    drops: Arc<DropCounts>,
    loss_alert: LossAlert,
    status: StatusSender,
) {
    let mut link = Link {
        path,
        alerts,
        drops,
        loss_alert,
        status,
        window: VecDeque::new(),
        told: 0,
        failed_before: false,
        last_words: None,
    };
    let mut retry = RETRY_FIRST;
    while !link.is_done() {
        match link.serve().await {
            Ok(()) => break,
            Err(Broken { error, had_worked }) => {
                if had_worked {
                    retry = RETRY_FIRST;
                }
                if !std::mem::replace(&mut link.failed_before, true) {
                    warn!(path = %link.path.display(), %error, "forwarder is away; alerts wait");
                }
            }
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
    // What is still held is lost with us.
    for waiting in &link.window {
        link.drops.add(waiting.priority);
    }
    while let Some(alert) = link.alerts.try_recv() {
        link.drops.add(alert.priority);
    }
}

/// An alert as it goes out.
struct Waiting {
    priority: Priority,
    json: Vec<u8>,
}

struct Link {
    path: PathBuf,
    alerts: Receiver,
    drops: Arc<DropCounts>,
    loss_alert: LossAlert,
    /// Held, so that waiting for the next status has no end.
    status: StatusSender,
    /// Not acknowledged, the oldest first.
    window: VecDeque<Waiting>,
    /// How many losses the forwarder was told of.
    told: u64,
    failed_before: bool,
    /// When the sensor stops: until when we go on trying.
    last_words: Option<Instant>,
}

/// A connection that ended.
struct Broken {
    error: io::Error,
    had_worked: bool,
}

impl Link {
    /// Whether the sensor stops, and nothing is left or our time is up.
    fn is_done(&mut self) -> bool {
        if !self.alerts.is_closed() {
            return false;
        }
        let until = *self.last_words.get_or_insert_with(|| Instant::now() + LINGER);
        let is_empty = self.window.is_empty() && self.alerts.len() == 0;
        is_empty || Instant::now() > until
    }

    /// One connection, until it breaks or the sensor stops.
    async fn serve(&mut self) -> Result<(), Broken> {
        let broken = |had_worked| move |error| Broken { error, had_worked };
        let mut stream = UnixStream::connect(&self.path).await.map_err(broken(false))?;
        let mut decoder = Decoder::default();
        let version = greet(&mut stream, &mut decoder).await.map_err(broken(false))?;
        info!(path = %self.path.display(), waiting = self.alerts.len(), "connected to the forwarder");
        self.failed_before = false;
        self.exchange(stream, decoder, version).await.map_err(broken(true))
    }

    async fn exchange(
        &mut self,
        stream: UnixStream,
        mut decoder: Decoder,
        version: u16,
    ) -> io::Result<()> {
        let (mut from, mut to) = stream.into_split();
        // Of this connection; the window holds `acknowledged + 1 ..`.
        let mut sent: u64 = 0;
        let mut acknowledged: u64 = 0;
        let mut is_stopping = false;
        let mut status = self.status.subscribe();
        // What is known already is told at once.
        status.mark_changed();
        let mut buffer = vec![0; 4096];
        loop {
            self.tell_losses();
            while let Some(waiting) =
                usize::try_from(sent - acknowledged).ok().and_then(|at| self.window.get(at))
            {
                sent += 1;
                let json = waiting.json.clone();
                write(&mut to, &Frame::Alert { sequence: sent, json }).await?;
            }
            if is_stopping && self.window.is_empty() {
                return Ok(());
            }
            let takes_more = self.window.len() < WINDOW_MAX && !is_stopping;
            tokio::select! {
                alert = self.alerts.recv(), if takes_more => match alert {
                    Some(alert) => self.push(&alert),
                    None => is_stopping = true,
                },
                read = from.read(&mut buffer) => {
                    let len = read?;
                    if len == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    decoder.push(buffer.get(..len).unwrap_or_default());
                    while let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
                        let Frame::Ack { sequence } = frame else { continue };
                        let newest = sequence.min(sent);
                        for _ in acknowledged..newest {
                            self.window.pop_front();
                        }
                        acknowledged = acknowledged.max(newest);
                    }
                }
                Ok(()) = status.changed(), if version >= frame::STATUS_SINCE => {
                    let json = status.borrow_and_update().clone();
                    if let Some(json) = json {
                        write(&mut to, &Frame::Status { json: json.to_vec() }).await?;
                    }
                }
                () = tokio::time::sleep(LINGER), if is_stopping => return Ok(()),
            }
        }
    }

    fn push(&mut self, alert: &Alert) {
        match alert.to_json() {
            Ok(json) => self.window.push_back(Waiting { priority: alert.priority, json }),
            Err(error) => {
                warn!(rule = alert.rule, %error, "alert cannot be sent");
                self.drops.add(alert.priority);
            }
        }
    }

    /// Puts an alert about new losses in front of what comes next.
    fn tell_losses(&mut self) {
        let total = self.drops.total();
        if total <= self.told {
            return;
        }
        let counts = self.drops.counts().map(|(priority, count)| format!("{count} {priority}"));
        let message = format!(
            "Lanner lost alerts: {} since the last report while the forwarder was away or slow \
             (in all: {})",
            total - self.told,
            counts.collect::<Vec<_>>().join(", "),
        );
        self.told = total;
        let alert = (self.loss_alert)(&message);
        self.push(&alert);
    }
}

/// The version to speak.
async fn greet(stream: &mut UnixStream, decoder: &mut Decoder) -> io::Result<u16> {
    let mut bytes = Vec::new();
    frame::encode(&frame::HELLO, &mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    let answer = async {
        let mut buffer = vec![0; 256];
        loop {
            let len = stream.read(&mut buffer).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            decoder.push(buffer.get(..len).unwrap_or_default());
            if let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
                return Ok(frame);
            }
        }
    };
    match timeout(HELLO_MAX, answer).await {
        Ok(Ok(frame)) => frame::agreed(&frame)
            .ok_or_else(|| io::Error::other(format!("peer began with {frame:?}"))),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn write(to: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::encode(frame, &mut bytes).map_err(io::Error::other)?;
    to.write_all(&bytes).await
}
