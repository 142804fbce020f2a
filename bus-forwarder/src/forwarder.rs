use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::FalcoInput;
use lanner_bus::Connection;
use lanner_service::{
    CancellationToken,
    http::{HttpLimits, HttpServer},
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tracing::{info, warn};

use crate::{
    Redactor, Spool,
    bad_inputs::BadInputs,
    config::Config,
    counters::{Counters, PerPriority, Summary},
    decoration::Decoration,
    gateway::Nodes,
    heartbeat,
    input::{http, pipe::Pipe, socket::SocketServer, stdin},
    intake::{Intake, Way},
    keeper, metrics,
    pulse::Pulse,
    pump::Pump,
    vitals::Vitals,
};

const REPORT_PAUSE: Duration = Duration::from_secs(60);

/// The inputs and the spool, open; not yet connected to the bus.
pub struct Forwarder {
    config: Config,
    socket: Option<SocketServer>,
    pipe: Option<Pipe>,
    http: Option<HttpServer>,
    intake: Arc<Intake>,
    spool: Arc<Spool>,
    counters: Arc<Counters>,
    metrics: Option<HttpServer>,
    vitals: Arc<Vitals>,
}

impl Forwarder {
    /// Opens the spool and the inputs, and listens for who reads metrics. `keeper_program` is this
    /// program itself, which keeps the pipe open while we are away; without it nobody does.
    ///
    /// # Errors
    /// When the spool or an input cannot be opened, or the metrics' address not be listened at.
    pub fn open(config: Config, keeper_program: Option<PathBuf>) -> anyhow::Result<Self> {
        let node = config.node()?;
        let way = Way {
            falco: FalcoInput { node: node.clone(), cluster: config.cluster.clone() },
            nodes: match &config.gateway {
                None => Nodes::Own(node.clone()),
                Some(gateway) => Nodes::Of(gateway.clone()),
            },
            decoration: Decoration::new(&config)?,
            redactor: Redactor::new(&config.redact)?,
            routing: config.routing(),
            bad_inputs: config.bad_inputs.as_ref().map(BadInputs::open).transpose()?,
        };
        // First: an input that is open takes alerts on.
        let counters = Arc::<Counters>::default();
        let spool = Arc::new(Spool::open(&config.spool, counters.clone())?);
        let socket = config.inputs.socket.as_ref().map(SocketServer::bind).transpose()?;
        let pipe = config.inputs.pipe.as_ref().map(Pipe::open).transpose()?;
        let http = config.inputs.http.as_ref().map(http::bind).transpose()?;
        let metrics = config.metrics.as_ref().map(|config| {
            HttpServer::bind(config, metrics::LISTEN, HttpLimits::default()).context("metrics")
        });
        let metrics = metrics.transpose()?;
        if let (Some(pipe), Some(program)) = (&config.inputs.pipe, keeper_program) {
            // Without it a writer is worse off during our restart, not now.
            if let Err(error) = keeper::start(&program, &pipe.path) {
                warn!(%error, "cannot start the keeper of the pipe: its writers will notice our restarts");
            }
        }
        let at = |server: &Option<HttpServer>| {
            server.as_ref().and_then(|server| server.local_address().ok()).map(|at| at.to_string())
        };
        info!(
            node,
            cluster = config.cluster,
            subject_root = config.subject_root.as_str(),
            socket = config.inputs.socket.as_ref().map(|socket| socket.path.display().to_string()),
            pipe = config.inputs.pipe.as_ref().map(|pipe| pipe.path.display().to_string()),
            stdin = config.inputs.stdin,
            http = at(&http),
            metrics = at(&metrics),
            spool = %config.spool.dir.display(),
            spool_bytes_max = config.spool.size_bytes_max,
            durability = ?config.spool.durability,
            "takes alerts"
        );
        let vitals = Arc::new(Vitals {
            node,
            cluster: config.cluster.clone(),
            heartbeat: Duration::from_secs(config.heartbeat_seconds),
            wants_sensor: config.inputs.socket.is_some(),
            routing: config.routing(),
            counters: counters.clone(),
            spool: spool.clone(),
            spool_config: config.spool.clone(),
            sensors: Arc::default(),
            certificates: config.certificates(),
            pump: Pulse::of("pump"),
            beating: Pulse::of("heartbeat"),
            started: Timestamp::now(),
            up_since: std::time::Instant::now(),
            connection: OnceLock::new(),
            losses: Mutex::default(),
        });
        let intake = Arc::new(Intake::new(way, spool.clone(), counters.clone()));
        Ok(Self { config, socket, pipe, http, intake, spool, counters, metrics, vitals })
    }

    /// What it does, while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Where metrics are served, if they are.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn metrics_address(&self) -> io::Result<Option<SocketAddr>> {
        self.metrics.as_ref().map(HttpServer::local_address).transpose()
    }

    /// Where it listens for HTTP.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.local_address().ok()
    }

    /// What it has taken on and the bus has not yet.
    pub fn spool(&self) -> Arc<Spool> {
        self.spool.clone()
    }

    /// Works until `stop`, or until its only input has ended, and then publishes
    /// what still waits. Gives the number of alerts that stay in the spool.
    ///
    /// # Errors
    /// When the bus's settings cannot work, or an input broke.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<u64> {
        let Self { config, socket, pipe, http, intake, spool, counters, metrics, vitals } = self;
        // Its own token: an input that breaks stops the others as well.
        let stop = stop.child_token();
        let mut inputs = JoinSet::new();
        if let Some(socket) = socket {
            let (intake, stop) = (intake.clone(), stop.clone());
            let sensors = vitals.sensors.clone();
            inputs.spawn(async move {
                socket.run(intake, sensors, stop).await;
                Ok(())
            });
        }
        if let Some(pipe) = pipe {
            inputs.spawn(pipe.run(intake.clone(), stop.clone()));
        }
        if let Some(server) = http {
            let (intake, stop) = (intake.clone(), stop.clone());
            inputs.spawn(async move {
                http::run(server, intake, stop).await;
                Ok(())
            });
        }
        if config.inputs.stdin {
            inputs.spawn(stdin::run(intake, stop.clone()));
        }

        // Dropped at the end, and with it what is under way: nobody waits for metrics.
        let mut beside = JoinSet::new();
        if let Some(metrics) = metrics {
            let router = metrics::router(vitals.clone());
            beside.spawn(metrics.run(router, CancellationToken::new()));
        }
        let kept = CancellationToken::new();
        let (keeper, end_of_keeper) = (spool.clone(), kept.clone());
        let keeper = tokio::spawn(async move { keeper.keep(end_of_keeper).await });

        // The inputs work already: whoever has an alert need not wait for this.
        let connection = Connection::open(&config.bus).await.context("bus")?;
        // It is set here alone.
        let _ = vitals.connection.set(connection.clone());
        let pulse = vitals.pump.clone();
        let beating = connection.clone();
        // A gateway stands for nodes that have no forwarder: it is none of them.
        if config.gateway.is_none() {
            beside.spawn(async move { heartbeat::run(&vitals, &beating).await });
        }
        let pump =
            Pump::open(spool.clone(), counters.clone(), connection, &config.subject_root, pulse)
                .await?;
        let inputs_ended = CancellationToken::new();
        let watch_inputs = async {
            let outcome = wait_for(inputs, &stop).await;
            inputs_ended.cancel();
            outcome
        };
        let work =
            async { tokio::join!(watch_inputs, pump.run(inputs_ended.clone(), config.stop_max())) };
        let (outcome, left) = tokio::select! {
            done = work => done,
            never = report_each_minute(&counters, &spool) => match never {},
        };
        kept.cancel();
        keeper.await.context("the spool's keeper panicked")?;
        report(&counters.summary(), &spool);
        outcome.map(|()| left)
    }
}

/// Returns when all inputs have ended; the first that breaks ends the others.
async fn wait_for(
    mut inputs: JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = inputs.join_next().await {
        let ended = ended.context("an input panicked").and_then(|ended| ended);
        if let (Err(error), true) = (ended, outcome.is_ok()) {
            outcome = Err(error);
            stop.cancel();
        }
    }
    outcome
}

async fn report_each_minute(counters: &Counters, spool: &Spool) -> Infallible {
    let mut minutes = tokio::time::interval_at(Instant::now() + REPORT_PAUSE, REPORT_PAUSE);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = Summary::default();
    loop {
        minutes.tick().await;
        let now = counters.summary();
        if now != reported {
            report(&now, spool);
            reported = now;
        }
    }
}

fn report(now: &Summary, spool: &Spool) {
    let standing = spool.standing();
    let [socket, pipe, stdin, http] = now.taken;
    info!(
        socket,
        pipe,
        stdin,
        http,
        unreadable = now.unreadable,
        foreign = now.foreign,
        accepted = %PerPriority(now.accepted),
        evicted = %PerPriority(now.evicted),
        waiting = %PerPriority(standing.waiting),
        spool_bytes = standing.size_bytes,
        full = now.full,
        damaged = now.damaged,
        published = now.published,
        acknowledged = now.acknowledged,
        duplicates = now.duplicates,
        resent = now.resent,
        refused = now.refused,
        redacted = now.redacted,
        shortened = now.shortened,
        copies = now.copies,
        copies_missed = now.copies_missed,
        copies_unstored = now.copies_unstored,
        "alerts since the start"
    );
}
