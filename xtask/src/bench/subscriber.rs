//! Who takes the sensor's alerts, and when each came: in the forwarder's place, or behind it and a
//! bus.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::{
    Alert,
    frame::{self, Decoder, Frame},
};
use lanner_bus::{Connection, Identity, Subscription};
use lanner_testkit::{SecuredBus, eventually, process::Process, programs::Program};
use tokio::runtime::Runtime;

use super::ground::release_build;
use crate::tools::{self, Tool};

/// More than anybody here waits for.
const ARRIVALS_MAX: usize = 1 << 16;

const START_MAX: Duration = Duration::from_secs(30);

const NODE: &str = "bench";

/// An alert, and when it came.
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) alert: Alert,
}

/// Where the sensor sends to, and what arrives at the end.
pub(super) struct Subscriber {
    pub(super) name: &'static str,
    pub(super) socket: PathBuf,
    pub(super) arrivals: Receiver<Arrival>,
    /// What has to be there meanwhile.
    _between: Option<Between>,
}

/// The forwarder goes before the bus.
struct Between {
    _forwarder: Process,
    _bus: SecuredBus,
    _runtime: Runtime,
}

impl Subscriber {
    /// In the forwarder's place.
    pub(super) fn at_the_sensor(folder: &Path) -> anyhow::Result<Self> {
        let socket = folder.join("subscriber.sock");
        let listener = UnixListener::bind(&socket).context("cannot listen")?;
        let (tell, arrivals) = sync_channel(ARRIVALS_MAX);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A sensor that is killed breaks off anywhere.
                let _ = take(stream, &tell);
            }
        });
        Ok(Self { name: "socket", socket, arrivals, _between: None })
    }

    /// Behind a forwarder and a bus with mutual TLS.
    pub(super) fn at_the_bus(folder: &Path) -> anyhow::Result<Self> {
        tools::get(&[Tool::Built(Program::NatsServer)])?;
        let runtime = Runtime::new()?;
        let bus = runtime.block_on(SecuredBus::start(&[NODE]));
        let subscription = runtime.block_on(async {
            let connection = Connection::connect(&bus.connection(&Identity::Subscriber)).await?;
            anyhow::Ok(connection.subscribe("lanner.alerts.>").await?)
        })?;
        let (tell, arrivals) = sync_channel(ARRIVALS_MAX);
        runtime.spawn(follow(subscription, tell));
        let socket = folder.join("forwarder.sock");
        let forwarder = forwarder(&bus, &socket, folder)?;
        let between = Between { _forwarder: forwarder, _bus: bus, _runtime: runtime };
        Ok(Self { name: "bus", socket, arrivals, _between: Some(between) })
    }

    /// Lines of the configuration of a sensor whose every alert arrives here.
    pub(super) fn outputs(&self) -> String {
        let socket = self.socket.display();
        format!("outputs: {{socket: {{path: {socket}}}}}\nrepetition: {{enabled: false}}\n")
    }
}

fn take(mut stream: UnixStream, tell: &SyncSender<Arrival>) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    send(&mut stream, &frame::HELLO)?;
    loop {
        let len = stream.read(&mut buffer)?;
        let at = Timestamp::now();
        if len == 0 {
            return Ok(());
        }
        decoder.push(buffer.get(..len).unwrap_or_default());
        while let Some(frame) = decoder.next_frame()? {
            let Frame::Alert { sequence, json } = frame else { continue };
            send(&mut stream, &Frame::Ack { sequence })?;
            // Where it is full, nobody waits for more.
            let _ = tell.try_send(Arrival { at, alert: Alert::from_json(&json)? });
        }
    }
}

fn send(stream: &mut UnixStream, frame: &Frame) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    frame::encode(frame, &mut bytes)?;
    Ok(stream.write_all(&bytes)?)
}

async fn follow(mut subscription: Subscription, tell: SyncSender<Arrival>) {
    while let Ok(Some(seen)) = subscription.next().await {
        let at = Timestamp::now();
        if let Ok(alert) = Alert::from_json(&seen.payload) {
            let _ = tell.try_send(Arrival { at, alert });
        }
    }
}

fn forwarder(bus: &SecuredBus, socket: &Path, folder: &Path) -> anyhow::Result<Process> {
    let identity = Identity::Forwarder { node: NODE.to_owned() };
    let text = format!(
        "node: {NODE}\nbus:\n{}inputs:\n  socket: {{ path: {} }}\nspool: {{ dir: {} }}\n",
        bus.connection_yaml(&identity, "  "),
        socket.display(),
        folder.join("spool").display(),
    );
    let config = folder.join("forwarder.yaml");
    fs::write(&config, text).context("cannot write the forwarder's configuration")?;
    let args = [Path::new("run"), Path::new("--config"), &config];
    let log = folder.join("forwarder.log");
    let mut forwarder = Process::spawn(&release_build("lanner-forwarder"), args, &log);
    eventually("the forwarder listens", START_MAX, || {
        forwarder.assert_running();
        socket.exists().then_some(())
    });
    Ok(forwarder)
}
