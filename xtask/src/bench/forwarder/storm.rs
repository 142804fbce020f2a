//! As many alerts as go, all at once.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_alert::frame::{self, Decoder, Frame};
use lanner_testkit::eventually;

use super::{super::ground::release_build, Stage, alert};
use crate::run::output_of;

/// How long all of them may take.
const PUBLISHED_MAX: Duration = Duration::from_secs(120);

pub(super) struct Storm {
    pub(super) seconds: f64,
    /// At the most.
    pub(super) resident_kib: u64,
}

/// The seconds that a bare publisher takes.
pub(super) fn bare(stage: &Stage, alerts: u32) -> anyhow::Result<f64> {
    let identity = Stage::identity();
    let connection = stage.bus.connection(&identity);
    let payload = stage.folder().join("payload");
    fs::write(&payload, alert(0, &[])).context("cannot write the payload")?;
    let mut command = Command::new(release_build("examples/bare_publisher"));
    command.args(&connection.servers);
    for file in [&connection.ca_file, &connection.cert_file, &connection.key_file] {
        command.arg(file.as_ref().context("the bus has certificates")?);
    }
    command.arg(identity.inbox_prefix()).arg("lanner.alerts.notice.untagged.bench.bench");
    command.arg(payload).arg(alerts.to_string());
    output_of(&mut command)?.trim().parse().context("the bare publisher prints no number")
}

/// From the first byte on the socket until the last alert is acknowledged, which a forwarder that
/// is stopped waits for.
pub(super) fn forwarder(stage: &Stage, round: u32, alerts: u32) -> anyhow::Result<Storm> {
    let mut bytes = Vec::new();
    for number in 0..alerts {
        let json = alert(round * alerts + number, &[]);
        frame::encode(&Frame::Alert { sequence: u64::from(number) + 1, json }, &mut bytes)?;
    }
    let mut process = stage.start_forwarder()?;
    let mut stream = connect(stage)?;
    let acknowledged = thread::spawn({
        let stream = stream.try_clone()?;
        move || until_acknowledged(stream, u64::from(alerts))
    });
    let began = Instant::now();
    stream.write_all(&bytes).context("cannot write to the socket")?;
    acknowledged.join().expect("a reader does not panic")?;
    let resident_kib = resident_kib(process.id())?;
    process.signal("TERM");
    eventually("all is published", PUBLISHED_MAX, || process.exit_status());
    let seconds = began.elapsed().as_secs_f64();
    let log = process.log_tail();
    anyhow::ensure!(log.contains("every alert that was taken on is published"), "{log}");
    Ok(Storm { seconds, resident_kib })
}

/// The sensor's side of the socket, after the greeting.
pub(super) fn connect(stage: &Stage) -> anyhow::Result<UnixStream> {
    let mut stream = UnixStream::connect(stage.socket()).context("cannot connect")?;
    let mut hello = Vec::new();
    frame::encode(&frame::HELLO, &mut hello)?;
    stream.write_all(&hello)?;
    Ok(stream)
}

fn until_acknowledged(mut stream: UnixStream, last: u64) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        anyhow::ensure!(read > 0, "the forwarder closed the connection");
        decoder.push(buffer.get(..read).unwrap_or_default());
        while let Some(frame) = decoder.next_frame()? {
            if matches!(frame, Frame::Ack { sequence } if sequence >= last) {
                return Ok(());
            }
        }
    }
}

/// The most that it ever was.
fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(number.parse()?)
}
